using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Tests.Evaluation;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Tests.Training;

/// <summary>The memorisation meter of a run: its terms, its warning, the end that it may bring; and that it changes nothing else.</summary>
public sealed class MeterTests : IDisposable
{
    private static readonly string[] Terms = ["median_distance", "median_distance_ratio", "memorised_share", "memorised_low", "memorised_high", "memorised_of"];
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Readings_are_terms_of_the_log_and_part_of_the_progress()
    {
        using var source = TinyRun.Model();
        var options = TinyRun.Options(5) with { MeterEvery = 2, MeterCount = 3, SampleSteps = 2, LogEvery = 5 };
        var told = new List<TrainingProgress>();
        var logger = new Notes();
        new Finetune { Training = options }.Adapt(source, new TinyPictures(), new TrainingRun
        {
            Folder = _temporary["run"],
            Progress = new TinyRun.Told(told.Add),
            Logger = logger,
        }).Dispose();

        var lines = Log("run");
        lines.Select(l => (long)l["step"]!).ShouldBe([2, 4, 5]); // a reading is logged whatever log_every says
        foreach (var line in lines[..2])
        {
            line.Select(p => p.Key).ShouldBe(["step", "loss", .. Terms, "gradient_norm", "learning_rate", "seconds"]);
            ((int)line["memorised_of"]!).ShouldBe(3);
            ((double)line["memorised_low"]!).ShouldBeLessThanOrEqualTo((double)line["memorised_share"]!);
        }

        lines[2].ContainsKey("memorised_share").ShouldBeFalse();
        told.Select(p => p.Memorisation is not null).ShouldBe([false, true, true, true, true]);
        told[1].Memorisation.ShouldBeSameAs(told[2].Memorisation);
        told[3].Memorisation!.MedianDistance.ShouldBe((double)lines[1]["median_distance"]!);
        logger.Lines[1..].ShouldBe(["Memorisation meter: 3 samples against 6 training pictures, as they are and mirrored; pixel RMS in [0, 1]"]);
    }

    [Fact]
    public void A_reading_is_of_the_averaged_model_and_of_the_same_noise()
    {
        using var source = TinyRun.Model();
        var options = TinyRun.Options(4) with { MeterEvery = 4, MeterCount = 5, SampleSteps = 3 };
        Memorisation? last = null;
        using var adapted = new Finetune { Training = options }.Adapt(
            source, new TinyPictures(), new TrainingRun { Progress = new TinyRun.Told(p => last = p.Memorisation) });
        var samples = adapted.Sample(5, Graft.Sampling.Sampler.Ddim(3), options.Seed);
        for (var i = 0; i < 5; i++)
            ((IImageSource)last!.Samples)[i].ToArray().ShouldBe(samples[i].ToArray());
    }

    [Fact]
    public void The_meter_does_not_change_the_run()
    {
        using var source = TinyRun.Model(dropout: 0.2);
        Adapt(source, "plain", TinyRun.Options(5) with { CheckpointEvery = 1 });
        Adapt(source, "metered", TinyRun.Options(5) with { CheckpointEvery = 1, MeterEvery = 1, MeterCount = 2, SampleSteps = 2, StopWhenMemorised = 1 });
        TinyRun.ShouldEqual(TinyRun.State(_temporary["metered"], 5), TinyRun.State(_temporary["plain"], 5));
        foreach (var (plain, metered) in Log("plain").Zip(Log("metered")))
        {
            foreach (var key in (string[])["step", "loss", "gradient_norm"])
                JsonNode.DeepEquals(plain[key], metered[key]).ShouldBeTrue();
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(3)]
    public void A_stopped_and_resumed_run_with_a_meter_equals_an_unbroken_one(long stop)
    {
        using var source = TinyRun.Model(dropout: 0.2);
        var options = TinyRun.Options(8) with { MeterEvery = 2, MeterCount = 2, SampleSteps = 2 };
        Adapt(source, "whole", options);
        Should.Throw<TrainingStoppedException>(() => new Finetune { Training = options }.Adapt(source, new TinyPictures(), TinyRun.StopAfter(_temporary["broken"], stop)));
        Adapt(source, "broken", options, resume: true);
        TinyRun.ShouldEqual(TinyRun.State(_temporary["broken"], 8), TinyRun.State(_temporary["whole"], 8));
        Bare("broken").ShouldBe(Bare("whole"));

        string[] Bare(string folder) => [.. Log(folder).Select(line =>
        {
            line.Remove("seconds");
            return line.ToJsonString();
        })];
    }

    [Fact]
    public void Readings_come_as_often_as_grids_unless_said_otherwise()
    {
        new TrainingOptions { SampleEvery = 7 }.MeterPeriod.ShouldBe(7);
        new TrainingOptions { SampleEvery = 7, MeterEvery = 0 }.MeterPeriod.ShouldBe(0);
        new TrainingOptions { SampleEvery = 7, MeterEvery = 3 }.MeterPeriod.ShouldBe(3);
        new TrainingOptions().MeterPeriod.ShouldBe(0);
        Should.Throw<InputException>(new TrainingOptions { StopWhenMemorised = 0.5 }.Validate).Message
            .ShouldBe("The training option meter_every must be above 0, since stop_when_memorised needs its readings.");
        Should.Throw<InputException>(new TrainingOptions { MeterEvery = 1, StopWhenMemorised = 1.5 }.Validate).Message.ShouldContain("stop_when_memorised must be in (0, 1]");
    }

    [Fact]
    public void The_warning_comes_once_at_a_quarter()
    {
        var logger = new Notes();
        Descend("run", step => step < 3 ? 0 : step < 5 ? 1 : 4, new TrainingOptions { Steps = 6, MeterEvery = 1 }, logger).ShouldBe(6);
        logger.Warnings.ShouldBe(["The run has begun to copy: at step 3 25 % (1 of 4, 95 % interval 5 to 70 %) of the samples are copies of training pictures."]);
    }

    [Fact]
    public void A_run_that_copies_ends_as_the_newest_checkpoint_below_the_bar_and_does_so_again()
    {
        var options = new TrainingOptions { Steps = 9, MeterEvery = 2, CheckpointEvery = 1, KeepCheckpoints = 3, StopWhenMemorised = 0.5 };
        var logger = new Notes();
        // Step 5 has no reading of its own in the run, and is refused when it is looked at: it copies already.
        Descend("run", Copies, options, logger).ShouldBe(4);
        Log("run").Select(l => (long)l["step"]!).ShouldBe([1, 2, 3, 4, 5, 6]);
        Log("run").Select(l => (double?)l["memorised_share"]).ShouldBe([null, 0.25, null, 0.25, null, 0.75]);
        logger.Warnings[^1].ShouldBe(
            "At step 6 of 9 75 % (3 of 4, 95 % interval 30 to 95 %) of the samples are copies, which reaches stop_when_memorised 0.5: "
            + "the run ends as the model of step 4, with 25 % (1 of 4, 95 % interval 5 to 70 %).");
        Folders("run").ShouldBe(["checkpoint-0000003", "checkpoint-0000004", "checkpoint-0000005", "checkpoint-0000006"]);

        Descend("run", Copies, options, logger, resume: true).ShouldBe(4);
        Log("run").Count.ShouldBe(6);
        Descend("run", Copies, options with { StopWhenMemorised = 0.9 }, logger, resume: true).ShouldBe(9);

        static int Copies(int step) => step < 5 ? 1 : 3;
    }

    [Theory]
    [InlineData(0)] // no checkpoint at all
    [InlineData(3)] // only one that copies too
    public void Without_a_checkpoint_below_the_bar_the_run_ends_as_it_stands(long checkpointEvery)
    {
        var options = new TrainingOptions { Steps = 9, MeterEvery = 4, CheckpointEvery = checkpointEvery, StopWhenMemorised = 0.5 };
        var logger = new Notes();
        Descend("run", step => step < 3 ? 0 : 2, options, logger).ShouldBe(4);
        logger.Warnings[^1].ShouldEndWith("the run ends as it stands, since no checkpoint from before lies below.");
        Descend("run", step => step < 3 ? 0 : 2, options, logger, resume: true).ShouldBe(4);
        Descend(null, step => step < 3 ? 0 : 2, options, logger).ShouldBe(4);
    }

    [Fact]
    public void A_single_training_picture_gives_no_share_and_never_ends_the_run()
    {
        using var source = TinyRun.Model();
        var logger = new Notes();
        var options = TinyRun.Options(2) with { MeterEvery = 1, MeterCount = 2, SampleSteps = 1, StopWhenMemorised = 0.01 };
        new Finetune { Training = options }.Adapt(source, new TinyPictures(count: 1), new TrainingRun { Folder = _temporary["run"], Logger = logger }).Dispose();
        Log("run").ShouldAllBe(l => l.ContainsKey("median_distance") && !l.ContainsKey("memorised_share"));
        logger.Lines.ShouldContain(l => l.StartsWith("No share is given: with a single training picture", StringComparison.Ordinal));
    }

    [Fact]
    public void Readings_leave_no_tensors_behind() => TorchRuntime.Run(() =>
    {
        using var source = TinyRun.Model();
        var before = TorchRuntime.LiveTensors;
        var live = new List<long>();
        var options = TinyRun.Options(12) with { MeterEvery = 2, MeterCount = 2, SampleSteps = 2, StopWhenMemorised = 1 };
        new Finetune { Training = options }.Adapt(source, new TinyPictures(), new TrainingRun { Progress = new TinyRun.Told(_ => live.Add(TorchRuntime.LiveTensors)) }).Dispose();
        live.Distinct().Count().ShouldBe(1, string.Join(' ', live));
        TorchRuntime.LiveTensors.ShouldBe(before);
    });

    /// <summary>A run whose weight tells the steps that made it, and whose samples copy as those steps say: so many of four.</summary>
    /// <returns>The steps that made the weight in the end.</returns>
    private int Descend(string? folder, Func<int, int> copies, TrainingOptions options, Notes logger, bool resume = false) => TorchRuntime.Run(() =>
    {
        const double Rate = 0.01;
        using var network = new Linear(2, 1);
        network.Initialise(1);
        var start = network.Weight.ToArray<float>()[0];
        var meter = new MemorisationMeter(PictureSet.Pixels(0, 16));
        var stage = new TrainingStage
        {
            Name = "descent",
            Network = network,
            Trainable = [.. network.Parameters()],
            Data = new NoData(),
            Loss = _ => new Loss(network.Weight.Sum()), // AdamW goes down by the rate each step
            Save = path => AtomicFile.WriteText(Path.Combine(path, "model"), "a model"),
            Meter = () => meter.Measure(PictureSet.Pixels([.. Enumerable.Range(0, 4).Select(i => (byte)(i < copies(Steps()) ? 0 : 8))])),
        };
        options = options with { BatchSize = 1, LearningRate = Rate, WeightDecay = 0, EmaDecay = 0, MaxGradientNorm = 0 };
        new Trainer(stage, options, new TrainingRun { Folder = folder is null ? null : _temporary[folder], Resume = resume, Logger = logger }).Train();
        return Steps();

        int Steps() => (int)Math.Round((start - network.Weight.ToArray<float>()[0]) / Rate);
    });

    private void Adapt(DiffusionModel source, string folder, TrainingOptions options, bool resume = false) =>
        new Finetune { Training = options }.Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary[folder], Resume = resume }).Dispose();

    private List<JsonObject> Log(string folder) =>
        [.. File.ReadLines(Path.Combine(_temporary[folder], "log.jsonl")).Select(line => JsonNode.Parse(line)!.AsObject())];

    private string[] Folders(string folder) =>
        [.. Directory.EnumerateDirectories(_temporary[folder], "checkpoint-*").Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal)];

    private sealed class NoData : IBatchSource
    {
        public string Description => "nothing";

        public Batch Read(long step, long[] items) => new(step, items, Tensor.Ones([1]), Tensor.Ones([1]), Tensor.Ones([1]), null);
    }
}
