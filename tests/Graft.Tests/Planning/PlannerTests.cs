using System.Text.Json.Nodes;
using Graft.Comparison;
using Graft.Data;
using Graft.Formats.Images;
using Graft.Planning;
using Graft.Recipes;
using Graft.Tests.Formats.Images;
using Graft.Tests.Training;

namespace Graft.Tests.Planning;

/// <summary>Plans from a made-up table: none of its numbers was measured.</summary>
public sealed class PlannerTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();
    private readonly PlanSource _source;

    public PlannerTests() => _source = PlanSource.Of(TinyModel.Save(_temporary["source"]));

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void The_best_method_at_its_best_step_with_few_copies_is_taken()
    {
        var plan = Planner.Make(Ask(), SyntheticTable());
        plan.Method.Name.ShouldBe("ddpm-pa"); // finetune comes nearer, with too many copies
        plan.Method.Training.Steps.ShouldBe(200); // the lower median of 200 on a and 400 on b
        plan.Method.Training.BatchSize.ShouldBe(4);
        plan.Settings.ShouldBe(["training.batch_size=4", "training.learning_rate=0.003"]);
        plan.Reasons[0].ShouldContain("at most 10 % copies");
        plan.Reasons[0].ShouldContain("ahead of finetune beyond the spread of the seeds on 1 of 2 targets");
        plan.Reasons[1].ShouldContain("would rank finetune first");
        plan.Warnings.ShouldBeEmpty();
        plan.Seconds!.Value.ShouldBe(200 * 0.5 * (_source.Cost.Operations / 1e9 / 0.01), 1e-9);
        plan.Command("s", "t").ShouldBe("graft adapt --source s --target t --method ddpm-pa --steps 200 --set training.batch_size=4 --set training.learning_rate=0.003 --out runs/NAME");
    }

    [Fact]
    public void With_another_bar_another_method_comes_first()
    {
        Planner.Make(Ask() with { Bar = 1 }, SyntheticTable()).Method.Name.ShouldBe("finetune");
        var none = Planner.Make(Ask() with { Bar = 0 }, SyntheticTable());
        none.Method.Name.ShouldBe("finetune");
        none.Warnings.ShouldHaveSingleItem().ShouldContain("every method has more than 0 % copies");
        none.Seconds.ShouldBeNull();
    }

    [Fact]
    public void Steps_shrink_as_the_batch_grows()
    {
        var plan = Planner.Make(Ask() with { BatchSize = 16 }, SyntheticTable());
        plan.Method.Training.Steps.ShouldBe(50);
        plan.Reasons[^1].ShouldContain("times 4/16");
        Should.Throw<InputException>(() => Planner.Make(Ask() with { BatchSize = 2 }, SyntheticTable())).Message.ShouldContain("needs 3 at a time");
        Should.Throw<InputException>(() => Planner.Make(Ask() with { Method = "ddpm" }, SyntheticTable())).Message.ShouldContain("is unknown");
    }

    [Fact]
    public void Extrapolations_are_called_so()
    {
        Planner.Make(Ask() with { Pictures = 25 }, SyntheticTable()).Warnings.ShouldHaveSingleItem().ShouldContain("Measured only for 10 pictures of 8 x 8 x 1");
        var other = SyntheticTable() with { Comparisons = [.. SyntheticTable().Comparisons.Select(c => c with { Picture = [3, 8, 8], Cells = [3, 9] })] };
        var warnings = Planner.Make(Ask(), other).Warnings;
        warnings[0].ShouldContain("an extrapolation");
        warnings[1].ShouldContain("not finished: 3 of 9 cells");
    }

    [Fact]
    public void Targets_with_other_numbers_of_pictures_have_no_say()
    {
        var mixed = SyntheticTable().Comparisons[0] with { TrainingPictures = new Dictionary<string, int> { ["a"] = 10, ["b"] = 100 } };
        var table = new MeasuredTable { Comparisons = [mixed] };
        var (few, many) = (Planner.Make(Ask(), table), Planner.Make(Ask() with { Pictures = 90 }, table));
        (few.Method.Name, few.Method.Training.Steps).ShouldBe(("ddpm-pa", 200)); // its best step on a; on b it is 400
        (many.Method.Name, many.Method.Training.Steps).ShouldBe(("ddpm-pa", 400));
        many.Warnings.ShouldHaveSingleItem().ShouldContain("Measured only for 100 pictures");
        many.Measured!.TrainingPictures.Keys.ShouldBe(["b"]);

        // A method that was asked for: where it was measured, however many pictures.
        var alone = mixed with { Methods = mixed.Methods.ToDictionary(m => m.Key, m => m.Key == "finetune" ? m.Value with { Points = [.. m.Value.Points.Where(p => p.Target == "b")] } : m.Value) };
        var asked = Planner.Make(Ask() with { Method = "finetune" }, new MeasuredTable { Comparisons = [alone] });
        asked.Method.Training.Steps.ShouldBe(100);
        asked.Warnings.ShouldHaveSingleItem().ShouldContain("Measured only for 100 pictures");

        // As near in pictures and size: the comparison with more targets and seeds.
        var once = SyntheticTable().Comparisons[0] with { Name = "once", Seeds = [1] };
        Planner.Make(Ask(), new MeasuredTable { Comparisons = [once, .. SyntheticTable().Comparisons] }).Measured!.Name.ShouldBe("synthetic");
        var colour = SyntheticTable().Comparisons[0] with { Name = "colour", Picture = [3, 8, 8], Seeds = [1, 2, 3] };
        Planner.Make(Ask(), new MeasuredTable { Comparisons = [colour, .. SyntheticTable().Comparisons] }).Measured!.Name.ShouldBe("synthetic");
    }

    [Fact]
    public void Nothing_measured_is_said_and_not_made_up()
    {
        var plan = Planner.Make(Ask(), new MeasuredTable());
        plan.Method.Name.ShouldBe("finetune");
        plan.Measured.ShouldBeNull();
        plan.Seconds.ShouldBeNull();
        plan.Reasons[0].ShouldContain("Nothing has been measured yet");
        Planner.Make(Ask() with { Method = "lora" }, SyntheticTable()).Reasons[0].ShouldContain("did not measure it");
    }

    [Fact]
    public void Attention_that_keeps_no_scores_is_not_counted_to_keep_them()
    {
        var cost = NetworkCost.Of(TinyModel.Network with { BlockOutChannels = [16, 32] }, 64, 64);
        cost.AttentionWeights.ShouldBeGreaterThan(cost.Activations / 2); // a level of it at 32 x 32 positions, and the middle
        double kept = MemoryEstimate.Of(cost, 0, 1, sourceRuns: false, ownConvolutions: true).Activations;
        double without = MemoryEstimate.Of(cost, 0, 1, sourceRuns: false, ownConvolutions: false).Activations;
        (kept / without).ShouldBe(0.5 * (cost.Activations - cost.AttentionWeights) / cost.Activations, 1e-6);
    }

    [Fact]
    public void A_batch_that_does_not_fit_is_split()
    {
        var whole = Planner.Make(Ask() with { BatchSize = 12 }, SyntheticTable());
        whole.Method.Training.Accumulation.ShouldBe(1);
        var split = Planner.Make(Ask() with { BatchSize = 12, Memory = (whole.Memory.Total * 10 / 8) - 1 }, SyntheticTable());
        split.Method.Training.Accumulation.ShouldBe(2);
        ((double)split.Memory.Activations).ShouldBe(whole.Memory.Activations / 2.0, 1);
        split.Reasons[^1].ShouldContain("accumulation 2");
        var tight = Planner.Make(Ask() with { BatchSize = 12, Memory = 1000 }, SyntheticTable());
        tight.Method.Training.Accumulation.ShouldBe(4); // 3 pictures are the fewest that ddpm-pa compares
        tight.Warnings.ShouldContain(w => w.Contains("may not fit", StringComparison.Ordinal));
    }

    [Fact]
    public void The_shipped_table_can_be_read_and_a_table_survives_its_file()
    {
        MeasuredTable.Own().Format.ShouldBe(1);
        File.WriteAllText(_temporary["table.json"], SyntheticTable().ToJsonText());
        MeasuredTable.Read(_temporary["table.json"]).ToJsonText().ShouldBe(SyntheticTable().ToJsonText());
        File.WriteAllText(_temporary["table.json"], """{"format": 2, "comparisons": []}""");
        Should.Throw<InputException>(() => MeasuredTable.Read(_temporary["table.json"])).Message.ShouldContain("format 2");
    }

    [Fact]
    public void Pictures_are_looked_at()
    {
        Said().ShouldBeEmpty();
        File.Copy(_temporary["pictures/0.png"], _temporary["pictures/twin.png"]);
        ImageCodec.SavePng(_temporary["pictures/wide.png"], PictureFixtures.Noise(20, 9, 1, 50));
        ImageCodec.SavePng(_temporary["pictures/small.png"], PictureFixtures.Noise(6, 6, 1, 51));
        var said = Said();
        said.Count.ShouldBe(4);
        said[0].ShouldContain("1 of the pictures are twins of another (twin.png)");
        said[1].ShouldContain("1 of 7 pictures are smaller");
        said[2].ShouldContain("1 of 7 pictures are larger");
        said[3].ShouldContain("another form");
        TargetCheck.Of(new ImageSubset(Open(), [0]), _temporary["pictures"], _source)[0].ShouldContain("One picture alone");
        TargetCheck.Of(new ImageSubset(Open(), [0, 1]), _temporary["pictures"], _source)[0].ShouldContain("2 pictures");
        var conditional = _source with { Options = _source.Options with { NumClassEmbeds = 3 } };
        TargetCheck.Of(new ImageSubset(Open(), [0, 1, 2]), _temporary["pictures"], conditional)[0].ShouldContain("class-conditional");

        ImageFolder Open() => ImageFolder.Open(_temporary["pictures"], _source.Shape);
        IReadOnlyList<string> Said()
        {
            if (!Directory.Exists(_temporary["pictures"]))
            {
                Directory.CreateDirectory(_temporary["pictures"]);
                for (var i = 0; i < 4; i++)
                    ImageCodec.SavePng(_temporary[$"pictures/{i}.png"], PictureFixtures.Noise(8, 8, 1, (ulong)i + 1));
            }

            return TargetCheck.Of(Open(), _temporary["pictures"], _source);
        }
    }

    [Fact]
    public void A_probe_times_steps_and_changes_nothing()
    {
        using var source = DiffusionModel.Load(_temporary["source"]);
        var before = source.Fingerprint();
        var plan = Planner.Make(Ask(), SyntheticTable());
        var found = Probe.Run(source, new TinyPictures(), plan.Method);
        found.Steps.ShouldBe(Probe.Steps);
        found.SecondsPerStep.ShouldBeGreaterThan(0);
        source.Fingerprint().ShouldBe(before);
    }

    [Fact]
    public void A_comparison_is_distilled_to_means_over_its_seeds()
    {
        var recipe = Recipe.Bind<CompareRecipe>(Recipe.Parse($$"""
            name: made-up
            source: {{_temporary["source"]}}
            out: {{_temporary["out"]}}
            targets: { a: { training: { folder: x }, reference: { folder: y } } }
            methods: { finetune: { method: finetune, training: { batch_size: 4 } } }
            seeds: [1, 2]
            at: [10, 20]
            """, "recipe"), "recipe");
        Should.Throw<InputException>(() => Distillation.Of(recipe)).Message.ShouldContain("no finished cell");
        foreach (var (seed, kernel) in new[] { (1, 0.2), (2, 0.4) })
        {
            var file = new ComparisonCell("a", "finetune", seed, 10).File(recipe.Out);
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, $$"""
                {"source": "abc", "training_pictures": 10, "training_seconds": {{seed}}, "trained_parameters": 100, "graft": "0.0", "threads": 3, "metrics": {
                  "memorisation": {"values": {"memorised_share": {"value": 0.05} } },
                  "memorisation_eye": {"values": {"memorised_share": {"value": 0.25} } },
                  "kernel_eye": {"values": {"kernel_distance": {"value": {{kernel}} } } } } }
                """);
        }

        var found = Distillation.Of(recipe, "command");
        found.Cells.ShouldBe([2, 5]);
        (found.SourceSha256, found.Command).ShouldBe(("abc", "command"));
        found.Threads.ShouldBe([3]);
        found.Spaces.ShouldBe(["eye"]);
        found.Picture.ShouldBe([1, 8, 8]);
        var point = found.Methods["finetune"].Points.ShouldHaveSingleItem();
        (point.Step, point.Seeds, point.Seconds, point.Memorised).ShouldBe((10, 2, 1.5, 0.25));
        point.Kernel["eye"].ShouldBe(0.3, 1e-9);
        point.KernelDeviation["eye"].ShouldBe(0.141421, 1e-9);
        found.Methods["finetune"].BatchSize.ShouldBe(4);
    }

    private PlanRequest Ask() => new() { Source = _source, Pictures = 10 };

    /// <summary>Made up for these tests.</summary>
    private static MeasuredTable SyntheticTable() => new()
    {
        Comparisons =
        [
            new MeasuredComparison
            {
                Name = "synthetic", Seeds = [1, 2], Cells = [9, 9], Source = "nowhere", SourceSha256 = new string('0', 64), Picture = [1, 8, 8], Gigaflop = 0.01, Samples = 4,
                Spaces = ["one", "two"],
                TrainingPictures = new Dictionary<string, int> { ["a"] = 10, ["b"] = 10 },
                Methods = new Dictionary<string, MeasuredMethod>
                {
                    ["finetune"] = Method("finetune", """{"trainable": ["*"]}""",
                        Point("a", 100, 0.5, 0.1, 0.1, 0.01), Point("a", 200, 0.1, 0.6, 0.05, 0.01), Point("b", 100, 0.35, 0.1, 0.1, 0.2), Point("b", 200, 0.1, 0.6, 0.05, 0.01)),
                    ["ddpm-pa"] = Method("ddpm-pa", """{"form": "paper"}""",
                        Point("a", 100, 0.4, 0.02, 0.5, 0.01), Point("a", 200, 0.3, 0.1, 0.4, 0.01), Point("a", 400, 0.2, 0.4, 0.4, 0.01), Point("b", 200, 0.4, 0.05, 0.5, 0.01), Point("b", 400, 0.3, 0.05, 0.4, 0.01)),
                },
            },
        ],
    };

    private static MeasuredMethod Method(string name, string options, params MeasuredPoint[] points) => new()
    {
        Method = name, MethodOptions = JsonNode.Parse(options)!.AsObject(), Training = new JsonObject { ["batch_size"] = 4, ["learning_rate"] = 0.003 }, TrainedShare = 1, Points = points,
    };

    private static MeasuredPoint Point(string target, long step, double kernel, double memorised, double other, double deviation) => new()
    {
        Target = target, Step = step, Seeds = 2, Seconds = step * 0.5, Memorised = memorised,
        Kernel = new Dictionary<string, double> { ["one"] = kernel, ["two"] = other },
        KernelDeviation = new Dictionary<string, double> { ["one"] = deviation, ["two"] = deviation },
    };
}
