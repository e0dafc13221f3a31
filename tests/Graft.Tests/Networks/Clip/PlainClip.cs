using Graft.Networks.Clip;

namespace Graft.Tests.Networks.Clip;

/// <summary>
/// CLIP's image tower once more, in plain loops over doubles, after the paper and Hugging Face's names: it shares nothing with the module but the
/// parameters, and knows where gradients go by differences.
/// </summary>
internal sealed class PlainClip(ClipVisionOptions options, IReadOnlyDictionary<string, double[]> weights)
{
    public static PlainClip Of(ClipVisionModel model) => new(
        model.Options, model.Parameters().ToDictionary(p => p.Name, p => Array.ConvertAll(p.Value.ToArray<float>(), x => (double)x)));

    /// <summary>The embedding of one picture [3, size, size].</summary>
    public double[] Embed(double[] pixels)
    {
        var (width, edge, patch) = ((int)options.HiddenSize, (int)options.ImageSize, (int)options.PatchSize);
        var grid = edge / patch;
        var tokens = new double[1 + (grid * grid)][];
        tokens[0] = [.. W("vision_model.embeddings.class_embedding")];
        var kernel = W("vision_model.embeddings.patch_embedding.weight");
        for (var p = 0; p < grid * grid; p++)
        {
            tokens[p + 1] = new double[width];
            for (var o = 0; o < width; o++)
            {
                for (var i = 0; i < 3 * patch * patch; i++)
                {
                    var (c, y, x) = (i / (patch * patch), (i / patch % patch) + (p / grid * patch), (i % patch) + (p % grid * patch));
                    tokens[p + 1][o] += kernel[(o * 3 * patch * patch) + i] * pixels[(((c * edge) + y) * edge) + x];
                }
            }
        }

        var positions = W("vision_model.embeddings.position_embedding.weight");
        for (var t = 0; t < tokens.Length; t++)
            tokens[t] = Norm([.. tokens[t].Select((v, i) => v + positions[(t * width) + i])], "vision_model.pre_layrnorm");
        for (var layer = 0; layer < options.NumHiddenLayers; layer++)
            tokens = Layer(tokens, $"vision_model.encoder.layers.{layer}.", causal: false);
        return Linear(Norm(tokens[0], "vision_model.post_layernorm"), "visual_projection", bias: false);
    }

    /// <summary>One layer of the transformer.</summary>
    public double[][] Layer(double[][] tokens, string name, bool causal)
    {
        var normed = tokens.Select(t => Norm(t, name + "layer_norm1")).ToArray();
        var (q, k, v) = (Project("q"), Project("k"), Project("v"));
        var (width, heads) = ((int)options.HiddenSize, (int)options.NumAttentionHeads);
        var size = width / heads;
        var result = new double[tokens.Length][];
        for (var t = 0; t < tokens.Length; t++)
        {
            var mixed = new double[width];
            for (var h = 0; h < heads; h++)
            {
                var seen = causal ? t + 1 : tokens.Length;
                var scores = Enumerable.Range(0, seen).Select(s => Dot(q[t], k[s], h * size, size) / Math.Sqrt(size)).ToArray();
                var (top, sum) = (scores.Max(), 0.0);
                for (var s = 0; s < seen; s++)
                    sum += scores[s] = Math.Exp(scores[s] - top);
                for (var s = 0; s < seen; s++)
                {
                    for (var i = h * size; i < (h + 1) * size; i++)
                        mixed[i] += scores[s] / sum * v[s][i];
                }
            }

            var attended = Sum(tokens[t], Linear(mixed, name + "self_attn.out_proj"));
            var hidden = Linear(Norm(attended, name + "layer_norm2"), name + "mlp.fc1").Select(Activate).ToArray();
            result[t] = Sum(attended, Linear(hidden, name + "mlp.fc2"));
        }

        return result;

        double[][] Project(string which) => [.. normed.Select(t => Linear(t, $"{name}self_attn.{which}_proj"))];
    }

    private static double Dot(double[] a, double[] b, int first, int count)
    {
        var sum = 0.0;
        for (var i = first; i < first + count; i++)
            sum += a[i] * b[i];
        return sum;
    }

    private static double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];

    /// <summary>The error function by its series: exact to double precision for the arguments here.</summary>
    private static double Erf(double x)
    {
        double sum = x, term = x;
        for (var n = 1; n < 200 && Math.Abs(term) > 1e-18; n++)
        {
            term *= -x * x / n;
            sum += term / ((2 * n) + 1);
        }

        return 2 / Math.Sqrt(Math.PI) * sum;
    }

    private double Activate(double x) => options.HiddenAct switch
    {
        ClipActivation.QuickGelu => x / (1 + Math.Exp(-1.702 * x)),
        ClipActivation.Gelu => x * 0.5 * (1 + Erf(x / Math.Sqrt(2))),
        _ => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
    };

    private double[] W(string name) => weights[name];

    internal double[] Linear(double[] x, string name, bool bias = true)
    {
        var weight = W(name + ".weight");
        var result = new double[weight.Length / x.Length];
        for (var o = 0; o < result.Length; o++)
        {
            result[o] = bias ? W(name + ".bias")[o] : 0;
            for (var i = 0; i < x.Length; i++)
                result[o] += weight[(o * x.Length) + i] * x[i];
        }

        return result;
    }

    internal double[] Norm(double[] x, string name)
    {
        var mean = x.Average();
        var scale = 1 / Math.Sqrt(x.Average(v => (v - mean) * (v - mean)) + options.LayerNormEps);
        return [.. x.Select((v, i) => ((v - mean) * scale * W(name + ".weight")[i]) + W(name + ".bias")[i])];
    }
}
