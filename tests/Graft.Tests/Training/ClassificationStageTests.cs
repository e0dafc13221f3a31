using System.Text.Json.Nodes;
using Graft.Networks;
using Graft.Torch;
using Graft.Training;

namespace Graft.Tests.Training;

public sealed class ClassificationStageTests : IDisposable
{
    private static readonly AugmentationOptions Augmentation = new() { MaxShift = 1, MaxRotation = 5, EraseProbability = 0.5 };
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData(4)]
    [InlineData(1)]
    public void A_stopped_and_resumed_run_equals_an_unbroken_one(long stop)
    {
        using var whole = Train(new TrainingRun { Folder = _temporary["whole"] });
        Should.Throw<TrainingStoppedException>(() => Train(TinyRun.StopAfter(_temporary["broken"], stop)));
        using var broken = Train(new TrainingRun { Folder = _temporary["broken"], Resume = true });
        TinyRun.ShouldEqual(TinyRun.State(_temporary["broken"], 8), TinyRun.State(_temporary["whole"], 8));
        TinyRun.ShouldEqual(TinyClassifier.Weights(broken), TinyClassifier.Weights(whole));
        using var checkpoint = ResNetClassifier.Load(TinyRun.Checkpoint(_temporary["broken"], 8));
        TinyRun.ShouldEqual(TinyClassifier.Weights(checkpoint), TinyClassifier.Weights(whole));
    }

    [Fact]
    public void It_learns_and_its_log_names_the_accuracy()
    {
        var options = TinyRun.Options(60) with { BatchSize = 6, Accumulation = 1, LearningRate = 0.01, LogEvery = 10, CheckpointEvery = 0 };
        using var network = Train(new TrainingRun { Folder = _temporary["run"] }, options, new AugmentationOptions());
        var log = File.ReadLines(_temporary["run/log.jsonl"]).Select(line => JsonNode.Parse(line)!).ToArray();
        log.Length.ShouldBe(6);
        ((double)log[^1]["accuracy"]!).ShouldBe(1);
        ((double)log[^1]["loss"]!).ShouldBeLessThan((double)log[0]["loss"]! / 2);
        ClassificationReport.Measure(network, TinyClassifier.Pictures()).Accuracy.ShouldBe(1);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.3)]
    public void The_loss_is_cross_entropy_with_smoothed_labels(double smoothing) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        double[] logits = [0.5, -1, 2, 0, 0.1, 0.2];
        long[] labels = [2, 0];
        var due = 0.0;
        for (var i = 0; i < 2; i++)
        {
            var row = logits[(3 * i)..(3 * (i + 1))];
            var sum = Math.Log(row.Sum(Math.Exp));
            for (var j = 0; j < 3; j++)
                due -= ((j == labels[i] ? 1 - smoothing : 0) + (smoothing / 3)) * (row[j] - sum) / 2;
        }

        Functional.CrossEntropy(Tensor.From(logits, 2, 3), Tensor.From(labels, 2), smoothing).Item().ShouldBe(due, 1e-12);
    });

    [Fact]
    public void A_folder_with_a_classifier_is_not_overwritten()
    {
        using (var network = TinyClassifier.Create())
            network.Save(_temporary["model"]);
        var before = File.ReadAllBytes(_temporary["model/model.safetensors"]);
        Should.Throw<InputException>(() => Train(new TrainingRun { Folder = _temporary["model"] })).Message.ShouldContain("holds a model, which this run would overwrite");
        File.ReadAllBytes(_temporary["model/model.safetensors"]).ShouldBe(before);
    }

    [Fact]
    public void Pictures_that_do_not_fit_are_refused()
    {
        using var network = TinyClassifier.Create();
        Refused(new TinyPictures(), 0).ShouldContain("0 has no label");
        Refused(new TinyPictures(2, labels: [0, 3]), 0).ShouldContain("is of class 3 and the classifier has 3 classes");
        Refused(TinyClassifier.Pictures(), 1).ShouldContain("label_smoothing");
        using var other = ResNetClassifier.Create(TinyClassifier.Options with { SampleSize = 9 }, 1);
        Should.Throw<InputException>(() => ClassificationReport.Measure(other, TinyClassifier.Pictures())).Message.ShouldContain("1 x 9 x 9");
        using var single = ResNetClassifier.Create(TinyClassifier.Options with { NumClasses = 1 }, 1);
        Should.Throw<InputException>(() => ClassificationStage.Create("c", single, new TinyPictures(1, labels: [0]), TinyRun.Options(1), Augmentation, 0))
            .Message.ShouldContain("at least two classes");

        string Refused(TinyPictures pictures, double smoothing) =>
            Should.Throw<InputException>(() => ClassificationStage.Create("c", network, pictures, TinyRun.Options(1), Augmentation, smoothing)).Message;
    }

    [Fact]
    public void A_report_counts_what_was_taken_for_what()
    {
        using var network = TinyClassifier.Create();
        var pictures = TinyClassifier.Pictures(7);
        var report = ClassificationReport.Measure(network, pictures, count: 5);
        (report.Count, report.Confusion.Count).ShouldBe((5, 3));
        report.Confusion.Select(row => row.Sum()).ShouldBe([2, 2, 1]);
        var fixedReport = new ClassificationReport { Data = "some", Confusion = [[3, 1, 0], [0, 0, 0], [2, 0, 2]] };
        fixedReport.Accuracy.ShouldBe(5 / 8.0);
        fixedReport.AccuracyByClass.ShouldBe([0.75, double.NaN, 0.5]);
        fixedReport.ToJson()["accuracy_by_class"]!.ToJsonString().ShouldBe("[0.75,null,0.5]");
    }

    private static ResNetClassifier Train(TrainingRun run, TrainingOptions? options = null, AugmentationOptions? augmentation = null)
    {
        options ??= TinyRun.Options(8);
        var network = TinyClassifier.Create();
        try
        {
            new Trainer(ClassificationStage.Create("classifier", network, TinyClassifier.Pictures(), options, augmentation ?? Augmentation, 0.1), options, run).Train();
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }
}
