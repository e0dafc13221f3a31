using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Formats.Images;
using Graft.Networks.Backbones;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Evaluation;

/// <summary>Distances, layers, maps and gradients of the lpips package 0.1 over torchvision's backbones.</summary>
public class LpipsParityTests
{
    private static readonly JsonNode Exact = JsonNode.Parse("{\"abs\": 0}")!;

    /// <summary>One backbone is in the repository, so that parity is checked on every machine.</summary>
    [Fact]
    public void Equals_lpips_in_the_repository() => Check(EvaluationFixtures.InRepository("lpips"), "squeeze");

    [SharedTheory("reference/lpips")]
    [InlineData("alex")]
    [InlineData("vgg")]
    [InlineData("squeeze")]
    public void Equals_lpips(string name) => Check(SharedFiles.Reference("lpips"), name);

    /// <summary>The published weights, opened as a user opens them.</summary>
    [SharedFact("data/weights/lpips-squeeze")]
    public void Gives_the_published_values_with_the_published_weights()
    {
        var folder = SharedFiles.Data("weights", "lpips-squeeze");
        using var lpips = Lpips.Load(
            BackboneKind.SqueezeNet, Path.Combine(folder, "squeezenet1_1.features.pth"), Path.Combine(folder, "lpips_v0.1_squeeze.pth"));
        var (reference, others) = (Load("ex_ref.png"), new[] { Load("ex_p0.png"), Load("ex_p1.png"), Load("ex_ref.png") });
        var distances = others.Select(other => lpips.Pairs(reference, other)[0]).ToArray();
        distances[0].ShouldBe(0.7110, 5e-5);
        distances[1].ShouldBe(0.1479, 5e-5);
        distances[2].ShouldBe(0);
        lpips.Hash.Length.ShouldBe(129);

        MemoryImages Load(string file)
        {
            var picture = ImageCodec.Load(Path.Combine(folder, file)).ToRgb();
            return new MemoryImages(new ImageShape(3, picture.Height, picture.Width), picture.ToPlanes());
        }
    }

    private static void Check(string folder, string name) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var lpips = EvaluationFixtures.FormulaLpips(folder, name);
        using var file = WeightFile.Open(Path.Combine(folder, "expected.safetensors"));
        var fixture = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "fixture.json")))!;
        CheckNames(lpips.Network.Backbone, fixture["backbone_shapes"]![name]!.AsObject());
        var tolerance = fixture["tolerance"]!;
        foreach (var (set, _) in fixture["sets"]!.AsObject())
        {
            var (a, b) = (EvaluationFixtures.Pictures(file, $"{set}/image0_uint8"), EvaluationFixtures.Pictures(file, $"{set}/image1_uint8"));
            var (first, second) = (PictureTensor.FromBytes(a), PictureTensor.FromBytes(b));
            var network = lpips.Network;
            network.Distance(first, second).ShouldMatch(Due("distance"), tolerance["distance"]!, "distance");
            network.PerLayer(first, second).ShouldMatch(Due("per_layer"), tolerance["per_layer"]!, "per layer");
            network.Unweighted(first, second).ShouldMatch(Due("distance_unweighted"), tolerance["distance"]!, "unweighted");
            network.Distance(first, first).ShouldMatch(Due("self_distance"), Exact, "distance to itself");
            var (images, others) = (MemoryImages.From(a), MemoryImages.From(b));
            Row(lpips.Pairs(images, others)).ShouldMatch(Due("distance"), tolerance["distance"]!, "pairs of pictures");
            var between = lpips.Between(images, others);
            Row([.. Enumerable.Range(0, first.Count).Select(i => between[i, i])]).ShouldMatch(Due("distance"), tolerance["distance"]!, "embedded pictures");
            if (!file.Contains($"{set}/{name}/spatial_0"))
                continue;
            network.Spatial(first, second).Select(0, 0).Select(0, 0).ShouldMatch(Due("spatial_0"), tolerance["spatial"]!, "map");
            if (file.Contains($"{set}/{name}/grad_image0_first"))
                CheckGradient(Gradient(network, a, b), Due("grad_image0_first"), a, tolerance["grad"]!, ties: name != "alex");

            Tensor Due(string what) => file.Read($"{set}/{name}/{what}");
        }

        Tensor Row(double[] values) => Tensor.From(values, values.Length);
    });

    private static Tensor Gradient(LpipsNetwork network, Tensor a, Tensor b)
    {
        var x = (a.Slice(0, 0, 1).To(DType.Float32) / 127.5) - 1.0;
        x.RequiresGrad = true;
        var distance = network.Distance(PictureTensor.FromSigned(x), PictureTensor.FromBytes(b.Slice(0, 0, 1)));
        return Autograd.Gradients(distance.Sum(), [x])[0].Select(0, 0);
    }

    /// <summary>
    /// In a flat patch of the picture, the windows of SqueezeNet's and VGG's first pool hold equal values, and which of them gets the
    /// gradient is decided by the last bit of somebody's convolution. There it is the gradient's sum that must agree.
    /// </summary>
    private static void CheckGradient(Tensor actual, Tensor expected, Tensor picture, JsonNode tolerance, bool ties)
    {
        if (!ties)
        {
            actual.ShouldMatch(expected, tolerance, "gradient");
            return;
        }

        var flat = FlatPixels(picture.Select(0, 0));
        flat.Count(f => f).ShouldBeInRange(flat.Length / 50, flat.Length / 5);
        var outside = Tensor.From(Array.ConvertAll(flat, f => f ? 0f : 1f), 64, 64);
        (actual * outside).ShouldMatch(expected * outside, tolerance, "gradient outside of flat patches");
        var inside = 1.0 - outside;
        var bound = (double)tolerance["rel"]! * expected.Abs().Max().Item();
        ((actual * inside) - (expected * inside)).Sum([1, 2]).Abs().Max().Item().ShouldBeLessThan(bound, "sum of the gradient over flat patches");
    }

    /// <summary>Pixels that some window of 3 x 3 equal pixels covers.</summary>
    private static bool[] FlatPixels(Tensor picture)
    {
        var bytes = picture.ToBytes();
        var flat = new bool[64 * 64];
        for (var y = 1; y < 63; y++)
        {
            for (var x = 1; x < 63; x++)
            {
                var window = (from dy in new[] { -64, 0, 64 } from dx in new[] { -1, 0, 1 } select (y * 64) + x + dy + dx).ToArray();
                if (window.All(i => Enumerable.Range(0, 3).All(c => bytes[(c * 4096) + i] == bytes[(c * 4096) + (y * 64) + x])))
                    Array.ForEach(window, i => flat[i] = true);
            }
        }

        return flat;
    }

    private static void CheckNames(Backbone backbone, JsonObject shapes) =>
        backbone.Parameters().ToDictionary(p => p.Name, p => string.Join(',', p.Value.Shape.ToArray()))
            .ShouldBe(shapes.ToDictionary(s => s.Key, s => string.Join(',', s.Value!.AsArray().Select(n => (long)n!))), ignoreOrder: true);
}
