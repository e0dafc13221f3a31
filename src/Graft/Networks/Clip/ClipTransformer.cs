using Graft.Torch;

namespace Graft.Networks.Clip;

/// <summary>The size of a CLIP transformer; both towers, of pictures and of text, have one of these.</summary>
/// <param name="Width"><c>hidden_size</c>, a multiple of the heads.</param>
/// <param name="Layers"><c>num_hidden_layers</c>.</param>
/// <param name="Heads"><c>num_attention_heads</c>.</param>
/// <param name="FeedForwardWidth"><c>intermediate_size</c>.</param>
/// <param name="Activation"><c>hidden_act</c>.</param>
/// <param name="Epsilon"><c>layer_norm_eps</c>.</param>
public sealed record ClipTransformerOptions(
    long Width, int Layers, long Heads, long FeedForwardWidth, ClipActivation Activation = ClipActivation.QuickGelu, double Epsilon = 1e-5);

/// <summary>
/// The transformer of CLIP (Radford et al. 2021), <c>CLIPEncoder</c> under Hugging Face's names: pre-norm residual layers of self-attention and a
/// feed-forward part of one hidden layer. It knows nothing of where its tokens come from, so that a tower of text (causal) shares it with the
/// tower of pictures.
/// </summary>
public sealed class ClipTransformer : Module
{
    private readonly List<Layer> _layers = [];

    /// <summary>Builds the layers; parameters are zero until they are initialised or loaded.</summary>
    public ClipTransformer(ClipTransformerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Heads < 1 || options.Width % options.Heads != 0)
            throw new ArgumentException($"{options.Heads} heads do not divide a width of {options.Width}", nameof(options));
        Options = options;
        for (var i = 0; i < options.Layers; i++)
            _layers.Add(Add($"layers.{i}", new Layer(options)));
    }

    /// <summary>The sizes.</summary>
    public ClipTransformerOptions Options { get; }

    /// <summary>Passes tokens through all layers.</summary>
    /// <param name="x">[N, L, width].</param>
    /// <param name="causal">Whether a token sees only those before it and itself, as in the tower of text.</param>
    /// <returns>What goes into the first layer (<paramref name="x"/> itself) and what comes out of each, [N, L, width].</returns>
    public IReadOnlyList<Tensor> Forward(Tensor x, bool causal = false)
    {
        var mask = causal ? Causal(x.Size(1), x.Type, x.Device) : null;
        var states = new Tensor[_layers.Count + 1];
        states[0] = x;
        for (var i = 0; i < _layers.Count; i++)
            states[i + 1] = _layers[i].Forward(states[i], mask);
        return states;
    }

    /// <summary>Names and shapes of the parameters of such a transformer, without building it.</summary>
    internal static IEnumerable<(string Name, long[] Shape)> Shapes(ClipTransformerOptions options)
    {
        var (w, f) = (options.Width, options.FeedForwardWidth);
        for (var i = 0; i < options.Layers; i++)
        {
            foreach (var projection in (string[])["q_proj", "k_proj", "v_proj", "out_proj"])
            {
                yield return ($"layers.{i}.self_attn.{projection}.weight", [w, w]);
                yield return ($"layers.{i}.self_attn.{projection}.bias", [w]);
            }

            yield return ($"layers.{i}.layer_norm1.weight", [w]);
            yield return ($"layers.{i}.layer_norm1.bias", [w]);
            yield return ($"layers.{i}.mlp.fc1.weight", [f, w]);
            yield return ($"layers.{i}.mlp.fc1.bias", [f]);
            yield return ($"layers.{i}.mlp.fc2.weight", [w, f]);
            yield return ($"layers.{i}.mlp.fc2.bias", [w]);
            yield return ($"layers.{i}.layer_norm2.weight", [w]);
            yield return ($"layers.{i}.layer_norm2.bias", [w]);
        }
    }

    /// <summary>[L, L]: −∞ above the diagonal, 0 elsewhere.</summary>
    private static Tensor Causal(long length, DType type, Device device)
    {
        var mask = new float[length * length];
        for (var i = 0L; i < length; i++)
        {
            for (var k = i + 1; k < length; k++)
                mask[(i * length) + k] = float.NegativeInfinity;
        }

        return Tensor.From(mask, length, length).To(type).To(device);
    }

    private sealed class Layer : Module
    {
        private readonly Attention _attention;
        private readonly LayerNorm _norm1;
        private readonly FeedForward _feedForward;
        private readonly LayerNorm _norm2;

        internal Layer(ClipTransformerOptions options)
        {
            _attention = Add("self_attn", new Attention(options));
            _norm1 = Add("layer_norm1", new LayerNorm(options.Width, options.Epsilon));
            _feedForward = Add("mlp", new FeedForward(options));
            _norm2 = Add("layer_norm2", new LayerNorm(options.Width, options.Epsilon));
        }

        /// <summary>In a scope of its own: what gradients do not need is freed at once.</summary>
        internal Tensor Forward(Tensor x, Tensor? mask) => TensorScope.Of(() =>
        {
            var attended = x + _attention.Forward(_norm1.Forward(x), mask);
            return attended + _feedForward.Forward(_norm2.Forward(attended));
        });
    }

    /// <summary>Self-attention of several heads; projections with biases.</summary>
    private sealed class Attention : Module
    {
        private readonly long _heads;
        private readonly Linear _q;
        private readonly Linear _k;
        private readonly Linear _v;
        private readonly Linear _out;

        internal Attention(ClipTransformerOptions options)
        {
            _heads = options.Heads;
            _q = Add("q_proj", new Linear(options.Width, options.Width));
            _k = Add("k_proj", new Linear(options.Width, options.Width));
            _v = Add("v_proj", new Linear(options.Width, options.Width));
            _out = Add("out_proj", new Linear(options.Width, options.Width));
        }

        internal Tensor Forward(Tensor x, Tensor? mask)
        {
            var (n, length, width) = (x.Size(0), x.Size(1), x.Size(2));
            var size = width / _heads;
            var mixed = Functional.Attention(
                Split(_q.Forward(x)), Split(_k.Forward(x)), Split(_v.Forward(x)), 1 / Math.Sqrt((double)size), mask: mask);
            return _out.Forward(mixed.Reshape(n, _heads, length, size).Transpose(1, 2).Reshape(n, length, width));

            Tensor Split(Tensor t) => t.Reshape(n, length, _heads, size).Transpose(1, 2).Reshape(n * _heads, length, size);
        }
    }

    private sealed class FeedForward : Module
    {
        private readonly ClipActivation _activation;
        private readonly Linear _in;
        private readonly Linear _out;

        internal FeedForward(ClipTransformerOptions options)
        {
            _activation = options.Activation;
            _in = Add("fc1", new Linear(options.Width, options.FeedForwardWidth));
            _out = Add("fc2", new Linear(options.FeedForwardWidth, options.Width));
        }

        internal Tensor Forward(Tensor x) => _out.Forward(ClipActivations.Apply(_activation, _in.Forward(x)));
    }
}
