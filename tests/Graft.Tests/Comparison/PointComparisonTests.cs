using System.Text.Json.Nodes;
using Graft.Comparison;
using Graft.Data;
using Graft.Diffusion;
using Graft.Networks;
using Graft.Recipes;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer.GuidedParts;

namespace Graft.Tests.Comparison;

/// <summary>Comparisons of points: other draws with each seed, rows without training, what is measured and refused.</summary>
public sealed class PointComparisonTests : IDisposable
{
    private const string Mixture = """{"means": [[0.5, -0.5], [-0.5, 0.5]], "variance": 0.1, "count": 10, "seed": 100}""";
    private const string SourceMixture = """{"means": [[0.5, 0.5], [-0.5, -0.5]], "variance": 0.1, "count": 40, "seed": 1}""";
    private readonly TemporaryFolder _temporary = new();

    public PointComparisonTests()
    {
        using var source = DiffusionModel.Create(
            new PointDenoiserOptions { Dimensions = 2, HiddenChannels = 8, Blocks = 1, TimeEmbeddingChannels = 8, TimestepScale = 1000 },
            new ScheduleOptions { BetaSchedule = BetaSchedule.ContinuousVp, ClipSample = false, TimestepSpacing = TimestepSpacing.Trailing },
            seed: 3);
        source.Save(_temporary["source"]);
    }

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Every_method_of_a_seed_sees_the_same_points_and_every_seed_others()
    {
        Run(Bind());
        foreach (var seed in (long[])[1, 2])
        {
            var trained = Cells(seed).Select(c => c["data"]!["training"]!.ToJsonString()).Distinct().ToList();
            trained.Count.ShouldBe(1);
            ((long)JsonNode.Parse(trained[0])!["seed"]!).ShouldBe(100 + seed);
            // What the runs themselves say they were trained on.
            foreach (var method in (string[])["finetune", "scratch"])
                File.ReadAllText(Directory.GetFiles(_temporary[$"out/cells/few/{method}/seed-{seed}/run"], "*.json", SearchOption.AllDirectories).Single(f => File.ReadAllText(f).Contains("\"data\""))).ShouldContain($"seed {100 + seed}");
        }

        var target = Bind().Targets["few"];
        var (one, two) = (Points(target.TrainingOf(1)), Points(target.TrainingOf(2)));
        one.Intersect(two).ShouldBeEmpty();
        one.Length.ShouldBe(20);
        Points(target.ReferenceOf(1, 30)!).Intersect(one).ShouldBeEmpty();
        Points(target.ReferenceOf(1, 30)!).Intersect(Points(target.ReferenceOf(2, 30)!)).ShouldBeEmpty();
        var still = target with { DrawPerSeed = false };
        Points(still.TrainingOf(1)).ShouldBe(Points(still.TrainingOf(2)));

        IEnumerable<JsonNode> Cells(long seed) => Directory.GetFiles(_temporary["out/cells"], "*.json", SearchOption.AllDirectories)
            .Where(f => f.Contains($"seed-{seed}{Path.DirectorySeparatorChar}step-")).Select(f => JsonNode.Parse(File.ReadAllText(f))!);

        static float[] Points(DataOptions data) => ((SampleSet)data.OpenItems()!).Values.ToArray();
    }

    [Fact]
    public void The_floor_is_below_the_oracle_and_the_oracle_below_an_untrained_source()
    {
        var recipe = Bind(r => (r["samples"], r["sample_steps"], r["methods"]) = (2000, 25, JsonNode.Parse("""{"scratch": {"method": "scratch"}}""")));
        Run(recipe);
        var table = new ComparisonTable(recipe);
        var distance = table.Judges.Single();
        distance.Value.ShouldBe("sliced_w2");
        foreach (var column in (ComparisonColumn[])[distance, table.Columns.Single(c => c.Value == "energy_distance")])
        {
            var (floor, oracle, source) = (table.At("few", "target", 0, column)!.Value, table.At("few", "oracle", 0, column)!.Value, table.At("few", "source", 0, column)!.Value);
            floor.Seeds.ShouldBe(2);
            floor.Deviation!.Value.ShouldBeGreaterThan(0); // every seed draws others
            Math.Abs(floor.Mean).ShouldBeLessThan(0.06);
            Math.Abs(oracle.Mean - floor.Mean).ShouldBeLessThan(0.06);
            source.Mean.ShouldBeGreaterThan(0.2);
        }

        // True draws, whose mean density is known: Σ_kl w_k w_l N(μ_k − μ_l; 0, 2Σ).
        var likelihood = table.Columns.Single(c => c.Value == "mean_density");
        likelihood.Higher.ShouldBeNull();
        var known = ((0.5 + (0.5 * Math.Exp(-2 / (4 * 0.1)))) / (4 * Math.PI * 0.1));
        table.At("few", "target", 0, likelihood)!.Value.Mean.ShouldBe(known, 0.03);
        table.At("few", "oracle", 0, likelihood)!.Value.Mean.ShouldBe(known, 0.03);
    }

    [Fact]
    public void The_table_says_what_is_what_and_the_page_shows_points_and_ratios()
    {
        var recipe = Bind(r =>
        {
            (r["samples"], r["baseline"]) = (60, "finetune");
            r["targets"]!["more"] = r["targets"]!["few"]!.DeepClone();
            r["targets"]!["more"]!["training"]!["mixture"]!["count"] = 20;
            r["methods"]!["tgdp"] = JsonNode.Parse($$$"""{"method": "tgdp", "method_options": {"source_data": {"mixture": {{{SourceMixture}}}}, "classifier_steps": 2, "hidden_channels": 8, "blocks": 1}}""");
            r["training"] = JsonNode.Parse("""{"batch_size": 4, "held_out": 0.2, "validate_every": 1, "patience": 1}""");
        });
        Run(recipe);
        var table = new ComparisonTable(recipe);
        table.Progress.ShouldBe((24, 24));
        table.Columns.Select(c => c.Heading).ShouldBe(["energy ↓", "sliced W2 ↓", "mean likelihood", "memorised ↓", "log-ratio error ↓", "kept step"], ignoreOrder: true);
        table.At("few", "tgdp", 3, table.Columns.Single(c => c.Value == "log_ratio_error"))!.Value.Seeds.ShouldBe(2);
        table.At("few", "finetune", 3, table.Columns.Single(c => c.Value == "log_ratio_error")).ShouldBeNull();
        table.At("few", "finetune", 3, table.Columns.Single(c => c.Value == "kept_step"))!.Value.Least.ShouldBeInRange(1, 3);
        table.Overviews.Single().Value.ShouldBe("sliced_w2");
        var markdown = table.ToMarkdown();
        markdown.ShouldContain("reported, not trusted");
        markdown.ShouldContain("| method | few | more |");
        markdown.ShouldContain("## more: 20 training points, 60 for reference");
        markdown.ShouldContain("| oracle | 0 |");
        markdown.ShouldNotContain("Each method at its lowest");
        var page = ComparisonPage.Of(table);
        page.ShouldContain("samples over the true density");
        page.ShouldContain("as learnt, and the true one");
        page.ShouldContain("over the number of training points");
        Directory.GetFiles(_temporary["out/cells/few/tgdp/seed-1"], "*.png").Select(Path.GetFileName).Order().ShouldBe(["step-000003-ratio.png", "step-000003.png"]);

        Should.Throw<InputException>(() => new ComparisonTable(Bind(r => (r["samples"], r["targets"]!["few"]!["training"]!["mixture"]!["count"]) = (60, 11)))).Message.ShouldContain("data.training.count 10 where the recipe has 11");
    }

    /// <summary>Parameters of 0 make a log ratio of 0: its error is the deviation of the true one.</summary>
    [Fact]
    public void The_error_of_a_ratio_does_not_count_a_constant()
    {
        using var model = DiffusionModel.Load(_temporary["source"]);
        LearntRatio.Of(model).ShouldBeNull();
        var network = TorchRuntime.Run(() => RatioNetwork.Build(new RatioNetworkOptions { ItemSizes = [2], HiddenChannels = 8, Blocks = 1, Timed = true, TimestepScale = 1000 }));
        model.Attach(TorchRuntime.Run(() => new GuidanceAttachment(network, 1, null)));
        var (p, q) = (GaussianMixture.Spheres([1], [[-0.5, 0.5]], 0.1), GaussianMixture.Spheres([1], [[0.5, -0.5]], 0.1));
        var points = new SampleSet(new ItemShape(2), [0.25f, 0, 0, 0.25f, 0.75f, -0.25f, 1, 0.5f], "points");
        double[] ratios = [.. Enumerable.Range(0, 4).Select(i => (points[i][0] - points[i][1]) / 0.1)]; // (|x − μ_p|² − |x − μ_q|²)/2s²
        var due = Math.Sqrt(ratios.Average(r => Math.Pow(r - ratios.Average(), 2)));
        LearntRatio.Of(model)!.ErrorAgainst(new MixtureRatio(p, q, model.Schedule), points).ShouldBe(due, 1e-4);
    }

    [Fact]
    public void Points_of_a_file_are_compared_without_the_rows_of_a_mixture()
    {
        var mixture = Recipe.Bind<MixtureOptions>(JsonNode.Parse(Mixture)!.AsObject(), "mixture");
        foreach (var (name, seed) in new[] { ("few.csv", 1L), ("rest.csv", 2L) })
        {
            var drawn = (mixture with { Seed = seed }).Draw();
            File.WriteAllLines(_temporary[name], ["x,y", .. Enumerable.Range(0, drawn.Count).Select(i => FormattableString.Invariant($"{drawn[i][0]},{drawn[i][1]}"))]);
        }

        var recipe = Bind(r => r["targets"]!["few"] = new JsonObject
        {
            ["training"] = new JsonObject { ["points"] = _temporary["few.csv"] }, ["reference"] = new JsonObject { ["points"] = _temporary["rest.csv"] },
        });
        Run(recipe);
        var table = new ComparisonTable(recipe);
        table.RowsOf("few").ShouldBe(["source", "finetune", "scratch"]);
        table.Columns.ShouldNotContain(c => c.Value == "mean_density");
        table.Overviews.ShouldBeEmpty();
        table.ToMarkdown().ShouldContain("10 training points, 10 for reference");
    }

    [Theory]
    [InlineData("features", """["?eyes"]""", "look at pictures")]
    [InlineData("methods", """{"oracle": {"method": "finetune"}}""", "a row without training")]
    [InlineData("targets", """{"few": {"training": {"points": "a.csv"}}}""", "nothing to hold samples of few against")]
    [InlineData("targets", """{"few": {"training": {"points": "a.csv"}, "draw_per_seed": true}}""", "only a mixture can be drawn")]
    [InlineData("targets", """{"few": {"training": {"folder": "x"}, "draw_per_seed": true}}""", "only a mixture can be drawn")]
    [InlineData("targets", """{"few": {"training": {"points": "a.csv"}, "reference": {"folder": "x"}}}""", "points and pictures")]
    [InlineData("targets", """{"few": {"training": {"folder": "x"}}, "more": {"training": {"points": "a.csv"}}}""", "points and pictures")]
    public void What_points_cannot_be_compared_with_is_refused(string key, string value, string says) =>
        Should.Throw<InputException>(() => Bind(r => r[key] = JsonNode.Parse(value)).Check()).Message.ShouldContain(says);

    [Fact]
    public void A_source_of_pictures_does_not_fit_points()
    {
        TinyModel.Save(_temporary["pictures"]);
        Should.Throw<InputException>(() => new ComparisonRun(Bind(r => r["source"] = _temporary["pictures"]), new TrainingRun())).Message.ShouldContain("where pictures are due");
    }

    private static void Run(CompareRecipe recipe)
    {
        using var run = new ComparisonRun(recipe, new TrainingRun());
        run.Run();
    }

    private CompareRecipe Bind(Action<JsonObject>? change = null)
    {
        var json = new JsonObject
        {
            ["name"] = "points",
            ["source"] = _temporary["source"],
            ["out"] = _temporary["out"],
            ["targets"] = new JsonObject { ["few"] = new JsonObject { ["training"] = new JsonObject { ["mixture"] = JsonNode.Parse(Mixture) }, ["draw_per_seed"] = true } },
            ["methods"] = new JsonObject { ["finetune"] = new JsonObject { ["method"] = "finetune" }, ["scratch"] = new JsonObject { ["method"] = "scratch" } },
            ["training"] = new JsonObject { ["batch_size"] = 4 },
            ["seeds"] = new JsonArray(1, 2),
            ["at"] = new JsonArray(3),
            ["samples"] = 30,
            ["sampler"] = "dpm-solver-2",
            ["sample_steps"] = 3,
        };
        change?.Invoke(json);
        return Recipe.Bind<CompareRecipe>(json, "recipe");
    }
}
