using Graft.Data.Ecg;
using Graft.Networks;
using Graft.Tests.Evaluation.Ecg;
using Graft.Torch;
using Graft.Training;

namespace Graft.Tests.Training;

public sealed class EcgClassificationStageTests : IDisposable
{
    private static readonly XResNet1dOptions Tiny = new XResNet1dOptions
    {
        Name = "tiny", CropSamples = 100, StemChannels = [4, 4, 4], StageChannels = [4, 4], StageBlocks = [1, 1], Expansion = 1, HeadChannels = 4,
    }.For(TinyEcgs.Card);

    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData(4)]
    [InlineData(3)]
    public void A_stopped_and_resumed_run_equals_an_unbroken_one_running_statistics_and_all(long stop)
    {
        var set = TinyEcgs.Set(6, EcgSplit.Train).ForTraining();
        var (whole, broken) = (_temporary["whole"], _temporary["broken"]);
        var one = Run(set, new TrainingRun { Folder = whole });
        Should.Throw<TrainingStoppedException>(() => Run(set, TinyRun.StopAfter(broken, stop)));
        var two = Run(set, new TrainingRun { Folder = broken, Resume = true });
        two.ShouldBe(one);
        var state = TinyRun.State(whole, 8);
        TinyRun.ShouldEqual(TinyRun.State(broken, 8), state);
        state.Keys.ShouldContain("weights.0.1.running_mean");
        state.Keys.ShouldNotContain("exp_avg.0.1.running_mean");
    }

    [Fact]
    public void Crops_are_random_and_lie_within_the_record()
    {
        // The sample's value says where it is.
        EcgRecord[] records = [.. Enumerable.Range(0, 3).Select(r => new EcgRecord($"r{r}", [.. Enumerable.Range(0, 24).Select(i => (float)((100 * r) + i))], 2, EcgSplit.Train) { Statements = r == 1 ? ["A"] : ["B", "A", "other"] })];
        var card = new EcgCard { Name = "s", Leads = ["I", "II"], SamplingRate = 100, Unit = "mV", Classes = ["A", "B"] };
        var set = new EcgSet(card, records).ForTraining();
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            var batches = new EcgBatches(set, crop: 4, seed: 1);
            long[] items = [.. Enumerable.Range(0, 60).Select(i => (long)i)];
            var values = batches.Read(0, items).X0.ToArray<float>();
            var labels = batches.Labels(items).ToArray<float>();
            var starts = new HashSet<int>();
            for (var k = 0; k < 60; k++)
            {
                var crop = values.AsSpan(k * 8, 8).ToArray();
                var record = (int)crop[0] / 100;
                var start = (int)crop[0] % 100;
                starts.Add(start);
                crop.ShouldBe([.. Enumerable.Range(0, 8).Select(i => (float)((100 * record) + start + (i % 4) + (i / 4 * 12)))]);
                labels.AsSpan(k * 2, 2).ToArray().ShouldBe(record == 1 ? [1, 0] : [1, 1]);
            }

            starts.Order().ShouldBe(Enumerable.Range(0, 9));
            // An epoch has each record once.
            Enumerable.Range(0, 3).Select(k => (int)values[k * 8] / 100).Order().ShouldBe([0, 1, 2]);
        });
        Should.Throw<InputException>(() => new EcgBatches(set, crop: 13, seed: 1)).Message.ShouldContain("'r0'");
    }

    [Fact]
    public void The_loss_is_the_mean_binary_cross_entropy() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var (x, y) = (Tensor.From<float>([0, 2, -1, 1000], 2, 2), Tensor.From<float>([1, 0, 0, 1], 2, 2));
        var due = (Math.Log(2) + Math.Log(1 + Math.Exp(2)) + Math.Log(1 + Math.Exp(-1)) + 0) / 4;
        EcgClassificationStage.BinaryCrossEntropy(x, y).Item().ShouldBe(due, 1e-6);
    });

    [Fact]
    public void What_cannot_be_trained_is_refused()
    {
        var set = TinyEcgs.Set(4, EcgSplit.Train).ForTraining();
        Refused(set, Options with { EmaDecay = 0.9 }).ShouldContain("ema_decay");
        Refused(set, Options with { BatchSize = 2, Accumulation = 2 }).ShouldContain("two records");
        Refused(set.WithClasses("SLOW").ForTraining(), Options).ShouldContain("classes SLOW");
        Refused(set.Prepare(new ZScore()).ForTraining(), Options).ShouldContain("is in standard deviations");
        Refused(set.Prepare(new ChooseLeads(["V1"])).ForTraining(), Options).ShouldContain("leads V1");
    }

    private static TrainingOptions Options { get; } = TinyRun.Options(8) with { EmaDecay = 0, Flip = false };

    private static string Refused(EcgTrainingSet set, TrainingOptions options)
    {
        using var network = XResNet1d.Create(Tiny, 1);
        return Should.Throw<InputException>(() => EcgClassificationStage.Create("classifier", network, set, options)).Message;
    }

    private static string Run(EcgTrainingSet set, TrainingRun run)
    {
        using var network = XResNet1d.Create(Tiny, 1);
        new Trainer(EcgClassificationStage.Create("classifier", network, set, Options), Options, run).Train();
        return network.Fingerprint();
    }
}
