using System.Text.Json.Nodes;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Formats.Images;
using Graft.Networks.Backbones;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Evaluation;

/// <summary>Features of pytorch-fid 0.3.0.</summary>
public class InceptionParityTests
{
    [SharedFact("reference/fid/inception.safetensors")]
    public void Equals_pytorch_fid() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var fixture = JsonNode.Parse(File.ReadAllText(SharedFiles.Reference("fid", "inception.json")))!;
        using var file = WeightFile.Open(SharedFiles.Reference("fid", "inception.safetensors"));
        var network = new FidInception();
        CheckNames(network, fixture["parameter_shapes"]!.AsObject());
        FormulaWeights.Fill(network, (double)fixture["gain"]!);
        using var features = new InceptionFeatures(network, "formula", FidResize.LegacyPytorch);
        foreach (var set in fixture["sets"]!.AsArray().Select(s => (string)s!["name"]!))
        {
            var bytes = EvaluationFixtures.Pictures(file, $"{set}/image_uint8");
            using var mode = Autograd.NoGrad();
            var x = Functional.UpsampleBilinear(PictureTensor.FromBytes(bytes).Values, FidInception.Edge, FidInception.Edge);
            var all = network.Features(x);
            for (var i = 0; i < all.Count; i++)
                Match(all[i], $"{set}/features_{FidInception.Dimensions[i]}");
            var extracted = features.Extract(MemoryImages.From(bytes));
            Match(Tensor.From(extracted.Flat(), extracted.Count, extracted.Dimension), $"{set}/features_2048");
        }

        void Match(Tensor actual, string name) => actual.ShouldMatch(file.Read(name), fixture["tolerance"]!["features"]!, name);
    });

    /// <summary>The resizes of both ways, written out; the shallowest features tell them apart.</summary>
    [Fact]
    public void Pictures_are_prepared_as_it_is_said()
    {
        var pictures = MemoryImages.Noise(3, new Graft.Data.ImageShape(1, 20, 33));
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            var network = new FidInception();
            FormulaWeights.Fill(network, 9);
            using var clean = new InceptionFeatures(network, "formula", FidResize.Clean, 64);
            var legacy = new InceptionFeatures(network, "formula", FidResize.LegacyPytorch, 64);
            var values = new float[3 * 3 * 299 * 299];
            for (var plane = 0; plane < 9; plane++)
            {
                var real = Array.ConvertAll(pictures[plane / 3].ToArray(), b => (float)b);
                Resize.Bicubic(real, 33, 20, 299, 299).Select(v => (Math.Clamp(v, 0, 255) - 128) / 128).ToArray().CopyTo(values, plane * 299 * 299);
            }

            var (cleanSet, legacySet) = (clean.Extract(pictures), legacy.Extract(pictures));
            var due = network.Features(Tensor.From(values, 3, 3, 299, 299), 64)[0].To(DType.Float64).ToArray<double>();
            cleanSet.Flat().ShouldBe(due, 1e-5);
            legacySet.Flat().Zip(due, (a, b) => Math.Abs(a - b)).Max().ShouldBeGreaterThan(1e-3);
            Should.Throw<InputException>(() => FrechetDistance.Of(cleanSet, legacySet)).Message
                .ShouldContain("pictures prepared in two ways (resized to 299 x 299 as clean-fid");
            cleanSet.Description.ShouldBe(
                "3 x 64 features of 3 pictures of 1 x 20 x 33 in memory; FID's Inception v3 (2015-12-05), mean of 64 channels, weights formula; "
                + "resized to 299 x 299 as clean-fid (bicubic, antialiased, not rounded)");
        });
    }

    [Fact]
    public void Logits_are_those_of_the_last_layer_without_its_bias()
    {
        using var features = TorchRuntime.Run(() =>
        {
            var network = new FidInception();
            FormulaWeights.Fill(network, 9);
            return new InceptionFeatures(network, "formula");
        });
        var pictures = MemoryImages.Noise(1, new Graft.Data.ImageShape(3, 32, 32));
        var pooled = features.Extract(pictures).Flat();
        var (without, with) = (features.ExtractLogits(pictures), features.ExtractLogits(pictures, bias: true));
        without.Dimension.ShouldBe(1008);
        var weight = FormulaWeights.Values("fc.weight", [1008, 2048], 9);
        var bias = FormulaWeights.Values("fc.bias", [1008], 9);
        foreach (var c in new[] { 0, 500, 1007 })
        {
            var due = Enumerable.Range(0, 2048).Sum(k => pooled[k] * weight[(c * 2048) + k]);
            without.Values[0, c].ShouldBe(due, 1e-3 * (1 + Math.Abs(due)));
            (with.Values[0, c] - without.Values[0, c]).ShouldBe(bias[c], 1e-4 * (1 + Math.Abs(due)));
        }
    }

    private static void CheckNames(FidInception network, JsonObject shapes) =>
        network.Parameters().ToDictionary(p => p.Name, p => string.Join(',', p.Value.Shape.ToArray())).ShouldBe(
            shapes.Where(s => !s.Key.EndsWith("num_batches_tracked", StringComparison.Ordinal))
                .ToDictionary(s => s.Key, s => string.Join(',', s.Value!.AsArray().Select(n => (long)n!))),
            ignoreOrder: true);
}

file static class Extensions
{
    public static double[] Flat(this FeatureSet set) => set.Values.Flat(v => v);
}
