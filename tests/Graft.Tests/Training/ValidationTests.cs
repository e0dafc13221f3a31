using Graft.Formats;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Tests.Training;

public sealed class ValidationTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_run_ends_as_its_best_model_and_stops_where_nothing_better_comes()
    {
        using var source = TinyRun.Model();
        using var model = Method().Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary["run"] });
        var readings = Readings("run");
        var best = readings.MinBy(r => r.Value);
        readings[^1].Step.ShouldBe(best.Step + 4, "patience is two looks, two steps apart");
        readings[^1].Step.ShouldBeLessThan(40);
        using var file = WeightFile.Open(_temporary["run/best.safetensors"]);
        file.Metadata["step"].ShouldBe($"{best.Step}");
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            foreach (var (name, value) in model.Network.Parameters())
                value.ToBytes().ShouldBe(file.Read(name).ToBytes(), name);
        });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Stopped_and_resumed_it_ends_the_same(int last)
    {
        using var source = TinyRun.Model();
        using var whole = Method().Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary["whole"] });
        Should.Throw<TrainingStoppedException>(() => Method().Adapt(source, new TinyPictures(), TinyRun.StopAfter(_temporary["parts"], last)));
        using var resumed = Method().Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary["parts"], Resume = true });
        resumed.Fingerprint().ShouldBe(whole.Fingerprint());
        using var again = Method().Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary["parts"], Resume = true });
        again.Fingerprint().ShouldBe(whole.Fingerprint(), "a run that has ended ends the same again");
    }

    [Fact]
    public void Nothing_is_trained_on_what_is_held_out()
    {
        var (trained, held) = HeldOutItems.Split(new TinyPictures(count: 10), new TrainingOptions { HeldOut = 0.2, Seed = 4 });
        (trained.Count, held!.Count).ShouldBe((8, 2));
        var pictures = new TinyPictures(count: 10);
        var all = Enumerable.Range(0, 8).Select(trained.Name).Concat(Enumerable.Range(0, 2).Select(held.Name)).Order();
        all.ShouldBe(Enumerable.Range(0, 10).Select(pictures.Name).Order());
        HeldOutItems.Split(pictures, new TrainingOptions()).Held.ShouldBeNull();
        Should.Throw<InputException>(() => HeldOutItems.Split(new TinyPictures(count: 1), new TrainingOptions { HeldOut = 0.2 })).Message.ShouldContain("held_out");
        Should.Throw<InputException>(() => new TrainingOptions { ValidateEvery = 5 }.Validate()).Message.ShouldContain("held_out");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    public void A_look_is_the_mean_over_as_many_draws_as_were_asked_for(int draws)
    {
        var options = TinyRun.Options(40) with { BatchSize = 3, ValidationDraws = draws };
        var seen = new List<long>();
        var mean = TorchRuntime.Run(() => HeldOutItems.Mean(new Counted(), options, batch =>
        {
            seen.AddRange(batch.Items);
            return Tensor.Scalar(batch.Items.Average(), DType.Float64);
        })());
        seen.ShouldBe(Enumerable.Range(0, draws).Select(i => (long)i));
        mean.ShouldBe((draws - 1) / 2.0, 1e-12);
    }

    private sealed class Counted : IBatchSource
    {
        public string Description => "numbers";

        public Batch Read(long step, long[] items) => new(step, items, Tensor.Zeros([0]), Tensor.Zeros([0]), Tensor.Zeros([0]), null);
    }

    /// <summary>So fast that it gets worse soon.</summary>
    private static Finetune Method() => new()
    {
        Training = TinyRun.Options(40) with { LearningRate = 0.05, Decay = LearningRateDecay.Constant, HeldOut = 0.34, ValidateEvery = 2, Patience = 2, WarmupSteps = 0 },
    };

    private List<(long Step, double Value)> Readings(string run) =>
    [
        .. File.ReadLines(_temporary[$"{run}/log.jsonl"]).Select(l => System.Text.Json.Nodes.JsonNode.Parse(l)!)
            .Where(l => l["validation"] is not null).Select(l => ((long)l["step"]!, (double)l["validation"]!)),
    ];
}
