using System.Text.Json.Nodes;
using Graft.Adapters;
using Graft.Data;
using Graft.Sampling;
using Graft.Tests.Training;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;
using Graft.Transfer.GuidedParts;

namespace Graft.Tests.Transfer;

public sealed class GuidedTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData(RatioLoss.Ratio)]
    [InlineData(RatioLoss.LogRatio)]
    [InlineData(RatioLoss.Logistic)]
    [InlineData(RatioLoss.ItakuraSaito)]
    public void The_source_stays_as_it_is_and_the_samples_move(RatioLoss form)
    {
        using var source = TinyRun.Model();
        var before = source.Fingerprint();
        using var guided = (Method() with { RatioLoss = form }).Adapt(source, new TinyPictures());
        source.Fingerprint().ShouldBe(before);
        TinyRun.ShouldEqual(TinyRun.Weights(guided), TinyRun.Weights(source));
        var (plain, moved) = (source.SampleValues(3, Sampler.Ddim(5), seed: 2), guided.SampleValues(3, Sampler.Ddim(5), seed: 2));
        Distance(plain, moved).ShouldBeGreaterThan(1e-5);
    }

    [Fact]
    public void Without_strength_the_samples_are_the_sources()
    {
        using var source = TinyRun.Model();
        using var guided = (Method() with { Scale = 0 }).Adapt(source, new TinyPictures());
        Distance(source.SampleValues(3, Sampler.Ddim(5), seed: 2), guided.SampleValues(3, Sampler.Ddim(5), seed: 2)).ShouldBeLessThan(1e-5);
    }

    [Fact]
    public void Its_folder_is_small_names_its_source_and_opens_as_any_other_model()
    {
        using (var made = TinyRun.Model())
            made.Save(_temporary["source"]);
        using var source = DiffusionModel.Load(_temporary["source"]);
        using var guided = Method().Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary["run"] });
        AdapterFolder.Is(_temporary["run"]).ShouldBeTrue();
        Directory.Exists(_temporary["run/unet"]).ShouldBeFalse();
        using var opened = DiffusionModel.Load(_temporary["run"]);
        Distance(guided.SampleValues(3, Sampler.Ddim(5), seed: 2), opened.SampleValues(3, Sampler.Ddim(5), seed: 2)).ShouldBe(0);
        Should.Throw<InputException>(() => opened.Clone()).Message.ShouldContain("GRAFT_GUIDANCE");
    }

    [Theory]
    [InlineData(2, false)] // in the classifier
    [InlineData(6, false)] // in the noise-aware one
    [InlineData(9, false)] // in the guidance
    [InlineData(9, true)]
    public void A_run_that_was_stopped_in_any_stage_ends_the_same(int reports, bool byRatio)
    {
        using var source = TinyRun.Model();
        var method = Method() with { DrawByRatio = byRatio, RatioLoss = byRatio ? RatioLoss.Logistic : RatioLoss.Ratio };
        using var whole = method.Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary["whole"] });
        using var stop = new CancellationTokenSource();
        var told = 0;
        Should.Throw<TrainingStoppedException>(() => method.Adapt(source, new TinyPictures(), new TrainingRun
        {
            Folder = _temporary["parts"],
            CancellationToken = stop.Token,
            Progress = new TinyRun.Told(_ =>
            {
                if (++told == reports)
                    stop.Cancel();
            }),
        }));
        using var resumed = method.Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary["parts"], Resume = true });
        resumed.Fingerprint().ShouldBe(whole.Fingerprint());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Held_out_items_choose_among_the_weights_of_every_stage(bool byRatio)
    {
        using var source = TinyRun.Model();
        var method = Method() with { DrawByRatio = byRatio, RatioLoss = RatioLoss.Logistic, ClassifierNoise = 0.1 };
        method = method with { Training = method.Training with { HeldOut = 0.34, ValidateEvery = 2 } };
        using var guided = method.Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary["run"] });
        foreach (var stage in new[] { "classifier", "noise-aware-classifier", "guidance" })
            File.Exists(_temporary[$"run/{stage}/best.safetensors"]).ShouldBeTrue(stage);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Regularisers_have_no_say_in_when_h_is_stopped(bool byRatio)
    {
        using var source = TinyRun.Model();
        var method = Method() with { DrawByRatio = byRatio, RatioLoss = RatioLoss.Logistic, CycleWeight = 1e6, ConsistencyWeight = 1e6 };
        method = method with { Training = method.Training with { HeldOut = 0.34, ValidateEvery = 2, LearningRate = 1e-4 } };
        using var guided = method.Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary["run"] });
        var readings = File.ReadLines(_temporary["run/guidance/log.jsonl"]).Select(l => JsonNode.Parse(l)!["validation"]).OfType<JsonNode>().Select(v => (double)v).ToList();
        readings.Count.ShouldBe(2);
        readings.ShouldAllBe(v => v > 0 && v < 100);
    }

    [Fact]
    public void What_is_drawn_from_a_source_is_drawn_once_for_equal_settings()
    {
        using var source = TinyRun.Model();
        var run = new TrainingRun();
        var first = SourceDraws.Of(source, 4, Sampler.Ddim(2), 0, run);
        SourceDraws.Of(source, 4, Sampler.Ddim(2), 0, run).ShouldBeSameAs(first);
        SourceDraws.Of(source, 4, Sampler.Ddim(3), 0, run).ShouldNotBeSameAs(first);
        var other = SourceDraws.Of(source, 4, Sampler.Ddim(2), 1, run);
        other.ShouldNotBeSameAs(first);
        TorchRuntime.Run(() =>
        {
            using var mode = Autograd.NoGrad();
            source.Parameters().First().Value.CopyFrom(source.Parameters().First().Value * 0.0);
        });
        SourceDraws.Of(source, 4, Sampler.Ddim(2), 1, run).ShouldNotBeSameAs(other);
    }

    [Fact]
    public void Drawing_from_a_source_can_be_stopped()
    {
        using var source = TinyRun.Model();
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Should.Throw<OperationCanceledException>(() => Method().Adapt(source, new TinyPictures(), new TrainingRun { CancellationToken = stop.Token }));
    }

    [Fact]
    public void Each_of_several_classifiers_is_stopped_by_its_own_share()
    {
        using var source = TinyRun.Model();
        var method = Method() with { ClassifierFolds = 3, ClassifierOdds = 10 };
        method = method with { Training = method.Training with { HeldOut = 0.34, ValidateEvery = 2 } };
        using var guided = method.Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary["run"] });
        var readings = Enumerable.Range(1, 3).Select(k => File.ReadLines(_temporary[$"run/classifier-{k}/log.jsonl"])
            .Select(l => JsonNode.Parse(l)!["validation"]).OfType<JsonNode>().Select(v => (double)v).First()).ToList();
        readings.Distinct().Count().ShouldBe(3);
    }

    [Fact]
    public void Several_classifiers_without_a_rule_to_stop_by_are_refused()
    {
        using var source = TinyRun.Model();
        Should.Throw<InputException>(() => (Method() with { ClassifierFolds = 3 }).Adapt(source, new TinyPictures())).Message.ShouldContain("held_out");
        var method = Method() with { ClassifierFolds = 1000 };
        method = method with { Training = method.Training with { HeldOut = 0.34, ValidateEvery = 2 } };
        Should.Throw<InputException>(() => method.Adapt(source, new TinyPictures())).Message.ShouldContain("at most as many");
    }

    [Fact]
    public void Items_lie_as_far_apart_as_the_median_of_their_nearest_others()
    {
        var points = new SampleSet(new ItemShape(2), [0, 0, 1, 0, 3, 0], "a line"); // 1, 1 and 2 from the nearest other
        Guided.Spacing(points).ShouldBe(1 / Math.Sqrt(2), 1e-12);
        Should.Throw<InputException>(() => Guided.Spacing(points.Subset([0]))).Message.ShouldContain("classifier_noise");
    }

    [Fact]
    public void Every_item_is_held_out_in_one_fold()
    {
        var held = new List<float>();
        var items = new TinyPictures();
        for (var k = 0; k < 3; k++)
        {
            var (trained, fold) = Graft.Training.HeldOutItems.Fold(items, new TrainingOptions { Seed = 5 }, k, 3);
            (trained.Count + fold.Count).ShouldBe(items.Count);
            var firsts = FirstNumbers(fold);
            firsts.Intersect(FirstNumbers(trained)).ShouldBeEmpty();
            held.AddRange(firsts);
        }

        held.Order().ShouldBe(FirstNumbers(items).Order());

        static List<float> FirstNumbers(ISampleSource source)
        {
            var (numbers, item) = (new List<float>(), new float[source.ItemShape.Elements]);
            for (var i = 0; i < source.Count; i++)
            {
                source.Read(i, item);
                numbers.Add(item[0]);
            }

            return numbers;
        }
    }

    [Fact]
    public void Guidance_that_is_not_stopped_takes_all_its_steps()
    {
        using var source = TinyRun.Model();
        var method = Method() with { StopGuidance = false };
        method = method with { Training = method.Training with { Steps = 9, HeldOut = 0.34, ValidateEvery = 1, Patience = 1, LearningRate = 10 } };
        using var guided = method.Adapt(source, new TinyPictures(), new TrainingRun { Folder = _temporary["run"] });
        File.ReadLines(_temporary["run/guidance/log.jsonl"]).Count().ShouldBe(9);
        File.ReadAllText(_temporary["run/guidance/log.jsonl"]).ShouldNotContain("validation");
        File.ReadAllText(_temporary["run/classifier/log.jsonl"]).ShouldContain("validation");
    }

    [Fact]
    public void A_sampler_of_the_source_that_is_none_is_refused()
    {
        using var source = TinyRun.Model();
        Should.Throw<InputException>(() => (Method() with { SourceSampler = "euler" }).Adapt(source, new TinyPictures())).Message.ShouldContain("euler");
        Should.Throw<InputException>(() => (Method() with { SourceSampler = "dpm-solver-2" }).Adapt(source, new TinyPictures())).Message.ShouldContain("continuous");
    }

    [Theory]
    [InlineData("cycle_weight", -1)]
    [InlineData("consistency_weight", double.NaN)]
    [InlineData("scale", double.PositiveInfinity)]
    [InlineData("log_ratio_limit", 0)]
    [InlineData("source_count", 1)]
    [InlineData("classifier_noise", -0.1)]
    [InlineData("classifier_odds", 0)]
    [InlineData("classifier_folds", 0)]
    [InlineData("logistic_odds", double.NaN)]
    public void Options_out_of_range_are_refused(string option, double value)
    {
        using var source = TinyRun.Model();
        var method = option switch
        {
            "cycle_weight" => Method() with { CycleWeight = value },
            "consistency_weight" => Method() with { ConsistencyWeight = value },
            "scale" => Method() with { Scale = value },
            "classifier_noise" => Method() with { ClassifierNoise = value },
            "classifier_folds" => Method() with { ClassifierFolds = (int)value },
            "classifier_odds" => Method() with { ClassifierOdds = value },
            "logistic_odds" => Method() with { LogisticOdds = value },
            "log_ratio_limit" => Method() with { LogRatioLimit = value },
            _ => Method() with { SourceCount = (int)value },
        };
        Should.Throw<InputException>(() => method.Adapt(source, new TinyPictures())).Message.ShouldContain(option);
    }

    [Fact]
    public void What_is_not_linear_in_the_ratio_is_not_drawn_by_it()
    {
        using var source = TinyRun.Model();
        var method = Method() with { DrawByRatio = true, RatioLoss = RatioLoss.LogRatio };
        Should.Throw<InputException>(() => method.Adapt(source, new TinyPictures())).Message.ShouldContain("draw_by_ratio");
    }

    private static Guided Method() => new()
    {
        Training = new TrainingOptions { Steps = 5, BatchSize = 4, LearningRate = 1e-2, EmaDecay = 0.9, Seed = 3, CheckpointEvery = 2 },
        ClassifierSteps = 4,
        HiddenChannels = 8,
        Blocks = 2,
        SourceCount = 8,
        SourceSampleSteps = 3,
    };

    private static double Distance(Graft.Data.SampleSet a, Graft.Data.SampleSet b)
    {
        var (x, y, most) = (new float[a.ItemShape.Elements], new float[a.ItemShape.Elements], 0.0);
        for (var i = 0; i < a.Count; i++)
        {
            a.Read(i, x);
            b.Read(i, y);
            most = Math.Max(most, x.Zip(y).Max(p => Math.Abs(p.First - p.Second)));
        }

        return most;
    }
}
