using Graft.Data;
using Graft.Evaluation;
using Graft.Formats.Images;
using Graft.Networks.Backbones;
using Graft.Torch;

namespace Graft.Tests.Evaluation;

public class FeatureNetworkTests
{
    [Fact]
    public void Features_say_what_they_are_and_do_not_depend_on_the_batch()
    {
        using var network = new BackboneFeatures(EvaluationFixtures.Formula(BackboneKind.SqueezeNet), "0123456789");
        var pictures = MemoryImages.Noise(70, new ImageShape(3, 20, 24)); // more than a batch
        var set = TorchRuntime.Run(() => // on its thread, where nobody else makes any meanwhile
        {
            var before = TorchRuntime.LiveTensors;
            var extracted = network.Extract(pictures);
            TorchRuntime.LiveTensors.ShouldBe(before);
            return extracted;
        });
        (set.Count, set.Dimension, network.Dimension).ShouldBe((70, 512, 512));
        set.Description.ShouldBe(
            "70 x 512 features of 70 pictures of 3 x 20 x 24 in memory; SqueezeNet 1.1, mean of the last 512 channels, weights 01234567; in their own size, normalised as ImageNet");
        foreach (var i in new[] { 0, 63, 64, 69 })
        {
            var alone = network.Extract(new ImageSubset(pictures, [i]));
            for (var k = 0; k < 512; k++)
                set.Values[i, k].ShouldBe(alone.Values[0, k], 1e-5 * (1 + Math.Abs(alone.Values[0, k])));
        }

        // What it computes, written out.
        var due = TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var backbone = EvaluationFixtures.Formula(BackboneKind.SqueezeNet);
            var x = (Tensor.From(pictures[3], 1, 3, 20, 24).To(DType.Float32) / 127.5) - 1.0;
            return backbone.Forward(ImageNet.Normalise(x))[^1].Mean([2, 3]).To(DType.Float64).ToArray<double>();
        });
        Enumerable.Range(0, 512).Select(k => set.Values[3, k]).ShouldBe(due, 1e-5);
    }

    [Fact]
    public void Pictures_are_resized_where_that_was_asked_for()
    {
        using var resized = new BackboneFeatures(EvaluationFixtures.Formula(BackboneKind.SqueezeNet), "h", edge: 32);
        using var plain = new BackboneFeatures(EvaluationFixtures.Formula(BackboneKind.SqueezeNet), "h");
        var pictures = MemoryImages.Noise(2, new ImageShape(1, 10, 14));
        Should.Throw<InputException>(() => plain.Extract(pictures)).Message.ShouldContain("at least 17 pixels, and these are 1 x 10 x 14");
        using var alex = Backbone.Create(BackboneKind.AlexNet);
        Should.Throw<InputException>(() => new BackboneFeatures(alex, "h", edge: 16)).Message.ShouldContain("an edge of 16 is too small");
        var due = plain.Extract(new ResizedImages(pictures, 32, 32, ResizeFilter.Bicubic));
        var set = resized.Extract(pictures);
        set.Values.Cast<double>().ShouldBe(due.Values.Cast<double>());
        Should.Throw<InputException>(() => KernelDistance.Of(set, due)).Message.ShouldContain("prepared in two ways");
    }

    [Fact]
    public void Another_network_can_stand_in()
    {
        using IFeatureNetwork network = new MeanColour();
        var (dark, bright) = (Level(10, 20, 30), Level(110, 120, 130));
        FrechetDistance.Of(network.Extract(dark), network.Extract(bright)).Distance.ShouldBe(100 * 100, 1e-9);
        using var other = new BackboneFeatures(EvaluationFixtures.Formula(BackboneKind.SqueezeNet), "h", edge: 17);
        Should.Throw<InputException>(() => FrechetDistance.Of(network.Extract(dark), other.Extract(bright))).Message.ShouldContain("cannot be compared");

        static MemoryImages Level(params byte[] levels) =>
            new(new ImageShape(1, 2, 2), Array.ConvertAll(levels, l => new[] { l, l, l, l }));
    }

    [Fact]
    public void Views_show_the_same_pictures()
    {
        var pictures = MemoryImages.Noise(4, new ImageShape(3, 9, 7));
        var subset = new ImageSubset(pictures, [3, 1]);
        subset[0].ToArray().ShouldBe(pictures[3].ToArray());
        (subset.Count, subset.Name(1), subset.Description).ShouldBe((2, "1", "2 of 4 pictures of 3 x 9 x 7 in memory"));
        Should.Throw<ArgumentException>(() => new ImageSubset(pictures, [4]));
        Should.Throw<ArgumentException>(() => new ImageSubset(pictures, []));
        var resized = new ResizedImages(subset, 18, 15, ResizeFilter.Bilinear);
        resized[1].ToArray().ShouldBe(Resize.To(pictures.ToPicture(1), 15, 18, ResizeFilter.Bilinear).ToPlanes());
        resized.Description.ShouldEndWith("resized to 18 x 15 by Pillow's bilinear");
    }

    private sealed class MeanColour : IFeatureNetwork
    {
        public string Name => "mean colour";

        public string Hash => "none";

        public string Preparation => "nothing";

        public int Dimension => 1;

        public FeatureSet Extract(IImageSource pictures, CancellationToken cancellationToken = default)
        {
            var values = new double[pictures.Count, 1];
            for (var i = 0; i < pictures.Count; i++)
                values[i, 0] = pictures[i].ToArray().Average(b => (double)b);
            return new FeatureSet { Values = values, Network = Name, NetworkHash = Hash, Preparation = Preparation, Source = pictures.Description };
        }

        public void Dispose()
        {
        }
    }
}
