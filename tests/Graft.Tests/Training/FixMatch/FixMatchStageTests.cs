using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Networks;
using Graft.Torch;
using Graft.Training;

namespace Graft.Tests.Training;

public sealed class FixMatchStageTests : IDisposable
{
    private static readonly WideResNetOptions Tiny = new() { Name = "tiny", SampleSize = 8, NumClasses = 3, Depth = 10, WidenFactor = 1 };
    private static readonly FixMatchOptions Few = new() { Mu = 2, Threshold = 0.4 };
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void The_losses_are_those_of_the_paper_by_hand() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        double[] labelled = [1, 0, -1, 0, 2, 0.5];
        double[] weak = [4, 0, 0, 0, 1, 0.5, 0, 0, 5]; // confident of 0; not confident; confident of 2
        double[] strong = [0.3, -0.2, 1, 9, 9, 9, -1, 0.4, 0.1];
        var due = (-LogSoftmax(labelled[..3], 1) - LogSoftmax(labelled[3..], 2)) / 2;
        var dueUnlabelled = (-LogSoftmax(strong[..3], 0) - LogSoftmax(strong[6..], 2)) / 3; // the mean over all three, masked or not
        var (supervised, unsupervised, pseudo) = FixMatchStage.Losses(
            Tensor.From(labelled, 2, 3), Tensor.From([1L, 2], 2), Tensor.From(weak, 3, 3), Tensor.From(strong, 3, 3), threshold: 0.95);
        supervised.Item().ShouldBe(due, 1e-12);
        unsupervised.Item().ShouldBe(dueUnlabelled, 1e-12);
        pseudo.Classes.ShouldBe([0, 1, 2]);
        pseudo.IsConfident.ShouldBe([true, false, true]);
        pseudo.Confident.ShouldBe(2);
        // exp(4) / (exp(4) + 2) = 0.9647: at that threshold it counts still, above it no more.
        var exact = Math.Exp(4) / (Math.Exp(4) + 2);
        PseudoLabels.Of(Tensor.From(weak, 3, 3), exact - 1e-12).IsConfident[0].ShouldBeTrue();
        PseudoLabels.Of(Tensor.From(weak, 3, 3), exact + 1e-9).IsConfident[0].ShouldBeFalse();
        PseudoLabels.Of(Tensor.From([double.NaN, 0.0, 0], 1, 3), 0.1).IsConfident[0].ShouldBeFalse();
        FixMatchStage.Losses(Tensor.From(labelled, 2, 3), Tensor.From([1L, 2], 2), Tensor.From(weak, 3, 3), Tensor.From(strong, 3, 3), 1).Unlabelled.Item().ShouldBe(0);
    });

    [Fact]
    public void Gradients_run_through_strong_confident_pictures_alone() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var weak = Tensor.From([4.0, 0, 0, 0, 1, 0.5], 2, 3);
        var strong = Tensor.From([0.3, -0.2, 1, 0.1, 0.2, 0.3], 2, 3);
        weak.RequiresGrad = strong.RequiresGrad = true;
        var (_, unsupervised, _) = FixMatchStage.Losses(Tensor.From([1.0, 0, 0], 1, 3), Tensor.From([0L], 1), weak, strong, 0.95);
        Autograd.Backward(unsupervised);
        weak.Grad.ShouldBeNull();
        var gradient = strong.Grad!.ToArray<double>();
        // (softmax - onehot(0)) / 2 of the first, nothing of the second.
        double[] row = [0.3, -0.2, 1];
        for (var j = 0; j < 3; j++)
            gradient[j].ShouldBe((Math.Exp(LogSoftmax(row, j)) - (j == 0 ? 1 : 0)) / 2, 1e-12);
        gradient[3..].ShouldBe([0, 0, 0]);
    });

    [Fact]
    public void A_batch_holds_labelled_weak_and_strong_pictures_of_the_same_draws() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var (labelled, unlabelled) = (TinyClassifier.Pictures(), new TinyPictures(9, seed: 7, labels: [.. Enumerable.Range(0, 9)]));
        var plain = Few with { MaxShift = 0, Operations = 0, Cutout = 0 };
        var batch = new FixMatchBatches(labelled, unlabelled, plain, seed: 1, flip: false);
        var read = batch.Read(0, [4, 5, 6]);
        read.X0.Shape.ToArray().ShouldBe([15, 1, 8, 8]);
        var values = Bytes(read);
        values[3..9].Zip(values[9..]).ShouldAllBe(p => p.First.SequenceEqual(p.Second));
        var labels = read.ClassLabels!.ToArray<long>();
        for (var k = 0; k < 3; k++)
        {
            var index = Enumerable.Range(0, 6).Single(i => labelled[i].SequenceEqual(values[k]));
            labels[k].ShouldBe(labelled.Label(index)!.Value);
        }

        var truth = batch.Truth([4, 5, 6]);
        for (var k = 0; k < 6; k++)
            truth[k].ShouldBe(Enumerable.Range(0, 9).Single(i => unlabelled[i].SequenceEqual(values[3 + k])));

        // An epoch of the unlabelled ones is each of them once: draws 0 to 8 are those of items 0 to 4.
        batch.Truth([0, 1, 2, 3, 4])[..9].Order().ShouldBe(Enumerable.Range(0, 9).Select(i => (int?)i));

        // Varied, a picture depends on its draw alone.
        var varied = new FixMatchBatches(labelled, unlabelled, Few, seed: 1, flip: true);
        var (all, one) = (Bytes(varied.Read(0, [4, 5, 6])), Bytes(varied.Read(9, [5])));
        one.Zip([all[1], all[5], all[6], all[11], all[12]]).ShouldAllBe(p => p.First.SequenceEqual(p.Second));
        all[5].ShouldNotBe(all[11]);

        static byte[][] Bytes(Batch batch) => [.. batch.X0.ToArray<float>().Select(v => (byte)Math.Round((v + 1) * 127.5)).Chunk(64)];
    });

    [Theory]
    [InlineData(4)]
    [InlineData(3)]
    public void A_stopped_and_resumed_run_equals_an_unbroken_one_running_statistics_and_all(long stop)
    {
        var (whole, broken) = (_temporary["whole"], _temporary["broken"]);
        var one = Train(new TrainingRun { Folder = whole });
        Should.Throw<TrainingStoppedException>(() => Train(TinyRun.StopAfter(broken, stop)));
        Train(new TrainingRun { Folder = broken, Resume = true }).ShouldBe(one);
        var state = TinyRun.State(whole, 8);
        TinyRun.ShouldEqual(TinyRun.State(broken, 8), state);
        state.Keys.ShouldContain("weights.bn1.running_mean");
        state.Keys.ShouldNotContain("exp_avg.bn1.running_mean");
        using var checkpoint = WideResNet.Load(TinyRun.Checkpoint(whole, 8));
        checkpoint.Fingerprint().ShouldBe(one);
    }

    [Fact]
    public void It_learns_and_its_log_names_what_is_confident_and_right()
    {
        // Brightness is the class; of the unlabelled pictures nobody says so.
        var (labelled, unlabelled) = (Bright(3, 1), Bright(30, 2));
        var options = TinyRun.Options(40) with { BatchSize = 6, Accumulation = 1, LearningRate = 0.01, LogEvery = 10, CheckpointEvery = 0 };
        using var network = WideResNet.Create(Tiny with { NormMomentum = 0.2 }, 3);
        var plain = new FixMatchOptions { Mu = 2, Operations = 0, Threshold = 0.8 };
        new Trainer(FixMatchStage.Create("fixmatch", network, labelled, unlabelled, options, plain), options, new TrainingRun { Folder = _temporary["run"] }).Train();
        var last = JsonNode.Parse(File.ReadLines(_temporary["run/log.jsonl"]).Last())!;
        ((double)last["confident"]!).ShouldBeGreaterThan(0.5);
        ((double)last["confident_right"]!).ShouldBe((double)last["confident"]!);
        ((double)last["loss"]!).ShouldBe((double)last["labelled"]! + (double)last["unlabelled"]!, 1e-5);
        var (confident, right) = PseudoLabels.Measure(network, unlabelled, 0.8, count: 20);
        (confident.Of, right!.Value.Value).ShouldBe((20, 1));
        confident.Value.ShouldBeGreaterThan(0.5);
        PseudoLabels.Measure(network, new TinyPictures(5), 1).Right.ShouldBeNull();
        ClassificationReport.Measure(network, unlabelled).Right.Value.ShouldBe(1);
    }

    [Fact]
    public void Pictures_that_do_not_fit_are_refused()
    {
        using var network = WideResNet.Create(Tiny, 1);
        Refused(new TinyPictures(), new TinyPictures()).ShouldContain("0 has no label");
        Refused(new TinyPictures(2, labels: [0, 3]), new TinyPictures()).ShouldContain("is of class 3 and the classifier has 3 classes");
        Refused(TinyClassifier.Pictures(), new Evaluation.PictureSet(new ImageShape(1, 1, 1), [[1]])).ShouldContain("must be the same");

        string Refused(IImageSource labelled, IImageSource unlabelled) =>
            Should.Throw<InputException>(() => FixMatchStage.Create("f", network, labelled, unlabelled, TinyRun.Options(1), Few)).Message;
    }

    private static string Train(TrainingRun run)
    {
        var options = TinyRun.Options(8);
        using var network = WideResNet.Create(Tiny, 3);
        new Trainer(FixMatchStage.Create("fixmatch", network, TinyClassifier.Pictures(), new TinyPictures(9, seed: 7), options, Few), options, run).Train();
        return network.Fingerprint();
    }

    private static SampledPictures Bright(int count, ulong seed) => new(count, seed);

    private static double LogSoftmax(double[] row, int j) => row[j] - Math.Log(row.Sum(Math.Exp));

    /// <summary>Pictures of 8 x 8 that are dark, grey or bright, with a little noise; that is their class.</summary>
    private sealed class SampledPictures(int count, ulong seed) : IImageSource
    {
        private readonly byte[][] _pictures = Make(count, seed);

        public int Count => count;

        public ImageShape Shape => new(1, 8, 8);

        public IReadOnlyList<string> Classes => [];

        public string Description => $"{count} pictures of three brightnesses";

        public ReadOnlySpan<byte> this[int index] => _pictures[index];

        public string Name(int index) => $"{index}";

        public int? Label(int index) => index % 3;

        private static byte[][] Make(int count, ulong seed)
        {
            var random = new SplitMix(seed);
            return [.. Enumerable.Range(0, count).Select(i => Enumerable.Range(0, 64).Select(_ => (byte)((i % 3 * 110) + random.Next(30))).ToArray())];
        }
    }
}
