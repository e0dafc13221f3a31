using Graft.Data;
using Graft.Evaluation;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Tests.Evaluation;

public sealed class FeatureSpaceTests : IDisposable
{
    private static readonly ResNetClassifierOptions Options = new()
    {
        Name = "tiny", SampleSize = 12, BlockOutChannels = [8, 16], BlockStrides = [1, 2], NormNumGroups = 4, NumClasses = 3,
    };

    private readonly TemporaryFolder _temporary = new();

    public FeatureSpaceTests()
    {
        using var network = ResNetClassifier.Create(Options, seed: 2);
        network.Save(_temporary["tiny"]);
    }

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void The_distance_of_vectors_is_the_distance_of_the_maps()
    {
        using var network = ResNetClassifier.Load(_temporary["tiny"]);
        var (a, b) = (Pictures(3, 1), Pictures(4, 2));
        var between = new ClassifierDistance(network).Between(a, b);
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            for (var i = 0; i < 3; i++)
            {
                for (var j = 0; j < 4; j++)
                {
                    var due = Features(a, i).Distance(Features(b, j)).Item();
                    between[i, j].ShouldBe(due, 1e-5 * due);
                }
            }
        });
        new ClassifierDistance(network).Within(a)[1, 1].ShouldBe(0);

        ClassifierFeatures Features(IImageSource pictures, int index) =>
            network.Features((Tensor.From(pictures[index].ToArray(), 1, 1, 12, 12).To(DType.Float32) / 127.5) - 1.0);
    }

    [Fact]
    public void Every_metric_of_a_space_reports_under_its_name()
    {
        using var space = FeatureSpace.Open(_temporary["tiny"]);
        space.Name.ShouldBe("tiny");
        var (samples, training) = (Pictures(30, 1), Pictures(5, 2));
        var input = new EvaluationInput { Samples = samples, Target = Pictures(20, 3), Training = training, Seed = 4 };
        var report = EvaluationReport.Of(input, metrics: space.Metrics());
        report.Reports.Select(r => r.Metric).ShouldBe(["frechet_tiny", "kernel_tiny", "precision_recall_tiny", "class_score_tiny", "intra_tiny", "memorisation_tiny"]);
        foreach (var found in report.Reports)
        {
            found.SpaceHash.ShouldBe(space.Network.Hash);
            found.Values.ShouldAllBe(v => v.Value != null && double.IsFinite(v.Value.Value) && v.N > 0);
        }

        report.Reports[0].Notes.ShouldContain(n => n.Contains("no published one"));
        report.Reports[^1].Pictures.Keys.ShouldBe(["nearest-tiny.png", "memorisation-tiny.png"]);
        _ = report.ToJsonText();
    }

    [Fact]
    public void Equal_sets_lie_together_and_unlike_ones_apart()
    {
        using var space = FeatureSpace.Open(_temporary["tiny"]);
        var target = Pictures(40, 1);
        Distance(target, target).ShouldBe(0, 1e-6);
        Distance(target, Bright(40)).ShouldBeGreaterThan(10 * Distance(target, Pictures(40, 2)));

        double Distance(IImageSource a, IImageSource b) =>
            new FrechetMetric(space).Measure(new EvaluationInput { Samples = a, Target = b, Training = b }).Values[0].Value!.Value;
    }

    [Theory]
    [InlineData("nothing-here", "models/fashion-features")]
    [InlineData("squeeze:a.pth", "squeeze:BACKBONE.pth:LPIPS-HEADS.pth")]
    [InlineData("inception:nothing-here.pth", "nothing-here.pth")]
    [InlineData("squeeze:nothing-here.pth:b.pth", "nothing-here.pth")]
    public void What_is_no_space_is_refused(string text, string says) =>
        Should.Throw<InputException>(() => FeatureSpace.Open(text)).Message.ShouldContain(says);

    [Fact]
    public void Pictures_of_other_channels_are_refused()
    {
        using var space = FeatureSpace.Open(_temporary["tiny"]);
        var colour = new PictureSet(new ImageShape(3, 12, 12), [.. Enumerable.Range(0, 4).Select(i => new byte[432])]);
        var input = new EvaluationInput { Samples = colour, Target = colour, Training = colour };
        Should.Throw<InputException>(() => EvaluationReport.Of(input, metrics: space.Metrics())).Message.ShouldContain("takes pictures of 1 channels");
    }

    private static PictureSet Pictures(int count, ulong seed)
    {
        var random = new SplitMix(seed);
        return new PictureSet(new ImageShape(1, 12, 12), [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, 144).Select(_ => (byte)random.Next(200)).ToArray())]);
    }

    private static PictureSet Bright(int count) =>
        new(new ImageShape(1, 12, 12), [.. Enumerable.Range(0, count).Select(i => Enumerable.Range(0, 144).Select(k => (byte)(255 - ((i + k) % 3))).ToArray())]);
}
