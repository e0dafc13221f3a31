using System.Text.Json.Nodes;
using Graft.Formats.Images;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Tests.Training;

public sealed class TrainerTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Accumulated_parts_equal_one_batch()
    {
        var states = ((int[])[1, 2, 4]).Select(parts =>
        {
            using var source = TinyRun.Model(dropout: 0.2);
            var options = TinyRun.Options(1) with { Accumulation = parts, MaxGradientNorm = 0 };
            var folder = _temporary[$"parts-{parts}"];
            new Finetune { Training = options }.Adapt(source, new TinyPictures(), new TrainingRun { Folder = folder }).Dispose();
            var loss = (double)JsonNode.Parse(File.ReadLines(Path.Combine(folder, "log.jsonl")).Single())!["loss"]!;
            var gradients = TinyRun.State(folder, 1).Where(p => p.Key.StartsWith("exp_avg.", StringComparison.Ordinal))
                .OrderBy(p => p.Key, StringComparer.Ordinal).SelectMany(p => TinyRun.Floats(p.Value)).ToArray();
            return (loss, gradients);
        }).ToArray();
        foreach (var (loss, gradients) in states[1..])
        {
            loss.ShouldBe(states[0].loss, 1e-6);
            gradients.Zip(states[0].gradients, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(1e-6f);
        }
    }

    [Fact]
    public void The_average_of_the_weights_is_what_the_rule_says()
    {
        var options = TinyRun.Options(4) with { CheckpointEvery = 1, KeepCheckpoints = 9, EmaDecay = 0.5 };
        using var source = TinyRun.Model();
        new Finetune { Training = options }.Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary["run"] }).Dispose();
        var average = new double[72];
        for (var step = 0; step < 4; step++)
        {
            var state = TinyRun.State(_temporary["run"], step + 1);
            var (weights, stored) = (TinyRun.Floats(state["weights.conv_in.weight"]), TinyRun.Floats(state["ema.conv_in.weight"]));
            var decay = options.EmaDecayAt(step);
            for (var i = 0; i < weights.Length; i++)
            {
                average[i] = (decay * average[i]) + ((1 - decay) * weights[i]);
                ((double)stored[i]).ShouldBe(average[i], 1e-6);
            }
        }
    }

    [Fact]
    public void Tensors_do_not_pile_up_over_the_steps() => TorchRuntime.Run(() =>
    {
        // On libtorch's thread from end to end, so that no other test's tensors count.
        using var source = TinyRun.Model(dropout: 0.1);
        var method = new Finetune { Training = TinyRun.Options(200) with { CheckpointEvery = 50, SampleEvery = 50, SampleCount = 2, SampleSteps = 2, KeepCheckpoints = 1 } };
        var before = TorchRuntime.LiveTensors;
        var live = new List<long>();
        method.Adapt(source, new TinyPictures(), new TrainingRun
        {
            Folder = _temporary["run"],
            Progress = new TinyRun.Told(_ => live.Add(TorchRuntime.LiveTensors)),
        }).Dispose();
        live.Count.ShouldBe(200);
        live.Distinct().Count().ShouldBe(1, string.Join(' ', live));
        TorchRuntime.LiveTensors.ShouldBe(before);
    });

    [Fact]
    public void A_stopped_run_without_a_folder_says_that_nothing_was_saved() => TorchRuntime.Run(() =>
    {
        using var source = TinyRun.Model();
        var before = TorchRuntime.LiveTensors;
        var stopped = Should.Throw<TrainingStoppedException>(() => new Finetune { Training = TinyRun.Options(9) }.Adapt(source, new TinyPictures(), TinyRun.StopAfter(null, 3)));
        stopped.Message.ShouldBe("Stopped after step 3 of 9; nothing was saved, since the run has no folder.");
        TorchRuntime.LiveTensors.ShouldBe(before);
    });

    [Theory]
    [InlineData(20, true)]
    [InlineData(19, false)]
    public void Twenty_losses_in_a_row_that_are_not_finite_stop_the_run(int bad, bool stops) => TorchRuntime.Run(() =>
    {
        using var network = new Linear(2, 1);
        network.Initialise(1);
        var weights = network.Weight.ToArray<float>();
        var steps = 0;
        var stage = new TrainingStage
        {
            Name = "nan",
            Network = network,
            Trainable = [.. network.Parameters()],
            Data = new NoData(),
            Loss = batch =>
            {
                steps++;
                return new Loss(network.Weight.Sum() * (batch.Step is >= 3 && batch.Step < 3 + bad ? double.NaN : 1.0));
            },
            Save = _ => { },
        };
        var trainer = new Trainer(stage, new TrainingOptions { Steps = 30, BatchSize = 1 }, new TrainingRun { Folder = _temporary["run"] });
        if (stops)
        {
            var message = Should.Throw<GraftException>(trainer.Train).Message;
            message.ShouldContain("not finite 20 steps in a row, up to step 23: lower the learning rate");
            steps.ShouldBe(23);
            Directory.EnumerateDirectories(_temporary["run"]).ShouldBeEmpty();
        }
        else
        {
            trainer.Train();
            steps.ShouldBe(30);
        }

        network.Weight.ToArray<float>().All(float.IsFinite).ShouldBeTrue();
        network.Weight.ToArray<float>().ShouldNotBe(weights);
        foreach (var line in File.ReadLines(Path.Combine(_temporary["run"], "log.jsonl")))
            JsonNode.Parse(line).ShouldNotBeNull();
    });

    [Fact]
    public void Sample_grids_are_drawn_on_the_way()
    {
        using var source = TinyRun.Model();
        var options = TinyRun.Options(4) with { SampleEvery = 2, SampleCount = 5, SampleSteps = 3 };
        new Finetune { Training = options }.Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary["run"] }).Dispose();
        foreach (var name in (string[])["step-0000002.png", "step-0000004.png"])
            ImageCodec.Load(Path.Combine(_temporary["run"], "samples", name)).Width.ShouldBeGreaterThanOrEqualTo(3 * 8);
    }

    [Fact]
    public void Grids_do_not_change_the_run()
    {
        using var source = TinyRun.Model(dropout: 0.2);
        Run("plain", TinyRun.Options(5));
        Run("drawn", TinyRun.Options(5) with { SampleEvery = 1, SampleCount = 1, SampleSteps = 1, CheckpointEvery = 1 });
        TinyRun.ShouldEqual(TinyRun.State(_temporary["drawn"], 5), TinyRun.State(_temporary["plain"], 5));

        void Run(string folder, TrainingOptions options) =>
            new Finetune { Training = options }.Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary[folder] }).Dispose();
    }

    private sealed class NoData : IBatchSource
    {
        public string Description => "nothing";

        public Batch Read(long step, long[] items) => new(step, items, Tensor.Ones([1]), Tensor.Ones([1]), Tensor.Ones([1]), null);
    }
}
