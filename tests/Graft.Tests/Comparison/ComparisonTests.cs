using System.Text.Json.Nodes;
using Graft.Comparison;
using Graft.Data;
using Graft.Formats.Images;
using Graft.Recipes;
using Graft.Tests.Training;
using Graft.Training;

namespace Graft.Tests.Comparison;

public sealed class ComparisonTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public ComparisonTests()
    {
        TinyModel.Save(_temporary["source"]);
        var pictures = new TinyPictures(count: 10);
        foreach (var (folder, from, to) in new[] { ("few", 0, 4), ("rest", 4, 10) })
        {
            Directory.CreateDirectory(_temporary[folder]);
            for (var i = from; i < to; i++)
                ImageCodec.SavePng(_temporary[$"{folder}/{i}.png"], pictures.ToPicture(i));
        }
    }

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Finished_cells_are_kept_and_missing_ones_come_out_the_same()
    {
        var recipe = Bind();
        Run(recipe);
        var cells = Directory.GetFiles(_temporary["out"], "step-*.json", SearchOption.AllDirectories).Order().ToList();
        cells.Count.ShouldBe(1 + (2 * 2 * 2));
        var before = cells.ToDictionary(c => c, Values);
        File.Delete(cells[^1]);
        var kept = cells[0..^1].ToDictionary(c => c, File.GetLastWriteTimeUtc);
        Run(recipe);
        foreach (var (cell, time) in kept)
            File.GetLastWriteTimeUtc(cell).ShouldBe(time);
        Values(cells[^1]).ShouldBe(before[cells[^1]]);

        static string Values(string path)
        {
            var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
            json.Remove("training_seconds");
            json.Remove("sampling_seconds");
            return json.ToJsonString();
        }
    }

    [Fact]
    public void Measuring_on_the_way_changes_nothing_at_the_end()
    {
        Run(Bind());
        Run(Bind(r => (r["at"], r["out"]) = (new JsonArray(4), _temporary["other"])));
        Model("out").ShouldBe(Model("other"));

        string Model(string folder) =>
            (string)JsonNode.Parse(File.ReadAllText(_temporary[$"{folder}/cells/tiny/finetune/seed-2/step-000004.json"]))!["model"]!;
    }

    [Fact]
    public void The_report_gathers_seeds_and_needs_no_other_file()
    {
        var recipe = Bind();
        Run(recipe);
        var table = new ComparisonTable(recipe);
        table.Progress.ShouldBe((9, 9));
        var column = table.Columns.Single(c => c.Value == "memorised_share");
        var spread = table.At("tiny", "finetune", 4, column)!.Value;
        spread.Seeds.ShouldBe(2);
        table.BestStep("tiny", "slow", column).ShouldNotBeNull();
        table.Judges.ShouldBeEmpty();
        table.Write();
        var markdown = File.ReadAllText(_temporary["out/results.md"]);
        markdown.ShouldContain("| source | 0 |");
        markdown.ShouldContain("| slow | 4 |");
        JsonNode.Parse(File.ReadAllText(_temporary["out/results.json"]))!.AsArray().Count.ShouldBe(9);
        var page = File.ReadAllText(ComparisonPage.Write(table));
        page.ShouldContain("data:image/png;base64,");
        page.ShouldContain("a &lt;b&gt; name");
        page.ShouldNotContain("src=\"http");
        page.ShouldNotContain("<b> name");
    }

    [Fact]
    public void A_method_is_ahead_of_the_baseline_only_where_all_its_seeds_are()
    {
        // Shares of copies (lower is better) by hand in finished cells; kernel distances decide the best step.
        var recipe = Bind(r => r["baseline"] = "finetune");
        Cells("finetune", 2, [0.5, 0.6], [3, 3]);
        Cells("finetune", 4, [0.8, 0.9], [1, 2]);
        Cells("slow", 2, [0.1, 0.2], [2, 1]);
        Cells("slow", 4, [0.7, 0.85], [4, 5]);
        var table = new ComparisonTable(recipe);
        var (copies, quality) = (table.Columns.Single(c => c.Value == "memorised_share"), table.Judges.Single());
        table.Against("tiny", "slow", 2, 2, copies).ShouldBe(Standing.Better);
        table.Against("tiny", "slow", 4, 4, copies).ShouldBe(Standing.Open);
        table.Against("tiny", "slow", 4, 2, copies).ShouldBe(Standing.Worse);
        table.Against("tiny", "finetune", 4, 2, copies).ShouldBe(Standing.Open);
        table.BestStep("tiny", "finetune", quality).ShouldBe(4);
        table.BestStep("tiny", "slow", quality).ShouldBe(2);
        table.BestStep("tiny", "finetune", quality, 0.6).ShouldBe(2);
        table.BestStep("tiny", "finetune", quality, 0.1).ShouldBeNull();
        var best = table.ToMarkdown().Split("Each method at its lowest", 3)[1];
        best.ShouldContain("| finetune | 4 | 7 ± 0 | 1.5 ± 0.71 | 0.85 ± 0.071 |");
        best.ShouldContain("| slow | 2 | 7 ± 0 | 1.5 ± 0.71 | 0.15 ± 0.071 ▲ |");
        table.ToMarkdown().ShouldContain("| slow | 4 | 7 ± 0 | 4.5 ± 0.71 ▼ | 0.775 ± 0.11 |");

        void Cells(string method, long step, double[] copied, double[] distances)
        {
            for (var i = 0; i < 2; i++)
            {
                var folder = Directory.CreateDirectory(_temporary[$"out/cells/tiny/{method}/seed-{i + 1}"]).FullName;
                var values = new JsonObject { ["memorised_share"] = new JsonObject { ["value"] = copied[i] }, ["kernel_distance"] = new JsonObject { ["value"] = distances[i] } };
                File.WriteAllText(Path.Combine(folder, $"step-{step:D6}.json"), new JsonObject
                {
                    ["training_pictures"] = 4, ["reference_pictures"] = 6, ["training_seconds"] = 7, ["metrics"] = new JsonObject { ["some_net"] = new JsonObject { ["values"] = values } },
                }.ToJsonString());
            }
        }
    }

    [Theory]
    [InlineData("samples", "5", "samples.count 4 where the recipe has 5")]
    [InlineData("sample_steps", "3", "samples.steps 2 where the recipe has 3")]
    [InlineData("training", """{"batch_size": 2}""", "settings.training.batch_size 4 where the recipe has 2")]
    [InlineData("methods", """{"finetune": {"method": "finetune", "training": {"learning_rate": 0.5}}}""", "settings.training.learning_rate")]
    [InlineData("methods", """{"slow": {"method": "lora", "method_options": {"rank": 2}}}""", "settings.method_options.rank 1 where the recipe has 2")]
    [InlineData("methods", """{"slow": {"method": "adapter"}}""", "settings.method \"lora\" where the recipe has \"adapter\"")]
    public void Cells_of_other_settings_do_not_get_into_a_table(string key, string value, string says)
    {
        Run(Bind(r => r["seeds"] = new JsonArray(1)));
        var other = Bind(r => (r["seeds"], r[key]) = (new JsonArray(1), JsonNode.Parse(value)));
        Should.Throw<InputException>(() => new ComparisonTable(other)).Message.ShouldContain(says);
        Should.Throw<InputException>(() => Run(other)).Message.ShouldContain(says);
        new ComparisonTable(Bind(r => r["training"] = JsonNode.Parse("""{"batch_size": 4, "log_every": 7}"""))).Progress.ShouldBe((5, 9));
    }

    [Fact]
    public void Cells_of_another_source_do_not_get_into_a_table()
    {
        Run(Bind(r => r["at"] = new JsonArray(2)));
        Directory.Delete(_temporary["source"], recursive: true);
        using (var other = TinyModel.Create(seed: 7))
            other.Save(_temporary["source"]);
        Should.Throw<InputException>(() => Run(Bind())).Message.ShouldContain("from another source");
    }

    [Fact]
    public void Checkpoints_stay_out_of_the_documents()
    {
        Bind().Trainings.ShouldBe(_temporary["out"]);
        Bind(r => r["out"] = "docs/results/few-shot/").Trainings.ShouldBe(Path.Combine("runs", "few-shot"));
        Bind(r => r["out"] = "documents/few-shot").Trainings.ShouldBe("documents/few-shot");
        var apart = Bind(r => (r["runs"], r["at"], r["seeds"]) = (_temporary["trainings"], new JsonArray(2), new JsonArray(1)));
        var after = 0;
        using (var run = new ComparisonRun(apart, new TrainingRun()))
            run.Run(() => after++);
        after.ShouldBe(3);
        Directory.GetFiles(_temporary["out"], "*", SearchOption.AllDirectories).Select(Path.GetExtension).Distinct().Order().ShouldBe([".json", ".png"]);
        Directory.GetFiles(_temporary["trainings"], "log.jsonl", SearchOption.AllDirectories).Length.ShouldBe(2);
    }

    [Fact]
    public void Without_reference_pictures_no_set_is_compared()
    {
        var recipe = Bind(r =>
        {
            (r["at"], r["seeds"], r["features"]) = (new JsonArray(2), new JsonArray(1), new JsonArray(_temporary["eyes"]));
            r["samples"] = 8; // more than training pictures: one of these is nearest to two
            r["targets"]!["alone"] = new JsonObject { ["training"] = r["targets"]!["tiny"]!["training"]!.DeepClone() };
        });
        var eyes = Graft.Networks.ResNetClassifierOptions.FromJson(
            JsonNode.Parse("""{"name": "eyes", "sample_size": 8, "in_channels": 1, "num_classes": 2, "block_out_channels": [4], "block_strides": [1], "norm_num_groups": 2}""")!.AsObject(), "of the test");
        using (var network = Graft.Networks.ResNetClassifier.Create(eyes, 1))
            network.Save(_temporary["eyes"]);
        Run(recipe);
        var table = new ComparisonTable(recipe);
        var frechet = table.Columns.Single(c => c.Metric == "frechet_eyes");
        table.At("tiny", "finetune", 2, frechet).ShouldNotBeNull();
        table.At("alone", "finetune", 2, frechet).ShouldBeNull();
        table.At("alone", "finetune", 2, table.Columns.Single(c => c is { Metric: "memorisation_eyes", Value: "memorised_share" })).ShouldNotBeNull();
        table.ToMarkdown().ShouldContain("## alone: 4 training pictures, none for reference");
    }

    [Fact]
    public void A_report_can_be_written_of_cells_without_their_pictures()
    {
        var recipe = Bind(r => (r["at"], r["seeds"]) = (new JsonArray(2), new JsonArray(1)));
        Run(recipe);
        foreach (var picture in Directory.GetFiles(_temporary["out"], "*.png", SearchOption.AllDirectories))
            File.Delete(picture);
        var table = new ComparisonTable(recipe) { Command = "graft compare 'a b.yaml'" };
        ComparisonPage.Of(table).ShouldContain("graft compare &#39;a b.yaml&#39;");
        table.ToMarkdown().ShouldContain("Made again by `graft compare 'a b.yaml'`.");
    }

    [Theory]
    [InlineData("at", "[4, 2]", "rising steps")]
    [InlineData("at", "[]", "rising steps")]
    [InlineData("seeds", "[1, 1]", "a seed twice")]
    [InlineData("baseline", "\"none\"", "baseline 'none'")]
    [InlineData("copies_at_most", "2", "no share")]
    [InlineData("samples", "1", "2 or more")]
    [InlineData("sampler", "\"euler\"", "euler")]
    [InlineData("methods", """{"../x": {"method": "finetune"}}""", "../x")]
    [InlineData("methods", """{"x": {"method": "finetuned"}}""", "finetuned")]
    [InlineData("methods", """{"x": {"method": "lora", "method_options": {"rang": 2}}}""", "rang")]
    [InlineData("methods", """{"x": null}""", "at least one of targets, methods and seeds")]
    [InlineData("methods", """{"x": {}}""", "both or neither of method and like")]
    [InlineData("methods", """{"x": {"method": "finetune", "like": "x"}}""", "both or neither of method and like")]
    [InlineData("methods", """{"x": {"like": "y"}}""", "like 'y'")]
    [InlineData("methods", """{"y": {"method": "finetune"}, "x": {"like": "y", "training": {"batch_size": 2}}}""", "no options beside it")]
    [InlineData("methods", """{"x": {"method": "finetune", "conditioning": {"mask_rate": 1.5}}}""", "mask rate")]
    [InlineData("training", """{"decay": "cosine"}""", "training.decay constant")]
    [InlineData("training", """{"stepps": 3}""", "stepps")]
    public void What_cannot_be_compared_is_refused(string key, string value, string says) =>
        Should.Throw<InputException>(() => Bind(r => r[key] = JsonNode.Parse(value)).Check()).Message.ShouldContain(says);

    [Fact]
    public void With_one_mark_the_learning_rate_may_fall() => Bind(r =>
    {
        r["at"] = new JsonArray(4);
        r["training"]!["decay"] = "cosine";
    }).Check();

    [Fact]
    public void A_method_can_share_anothers_models()
    {
        var recipe = Masked(0.5);
        ComparisonRun.Cells(recipe).Select(c => (c.Method, c.Step)).ShouldBe([("source", 0), ("anl", 2), ("masked", 2), ("anl", 4), ("masked", 4)]);
        Run(recipe);
        var (plain, masked) = (Cell("anl"), Cell("masked"));
        ((string?)masked["model"]).ShouldBe((string?)plain["model"]);
        ((double)masked["settings"]!["conditioning"]!["mask_rate"]!).ShouldBe(0.5);
        plain["settings"]!.AsObject().ContainsKey("conditioning").ShouldBeFalse();
        masked["metrics"]!.ToJsonString().ShouldNotBe(plain["metrics"]!.ToJsonString());
        Directory.Exists(_temporary["out/cells/tiny/masked/seed-1/run"]).ShouldBeFalse();
        new ComparisonTable(recipe).ToMarkdown().ShouldContain("What each method costs");
        Should.Throw<InputException>(() => new ComparisonTable(Masked(0.25))).Message.ShouldContain("mask_rate");

        JsonObject Cell(string method) => JsonNode.Parse(File.ReadAllText(_temporary[$"out/cells/tiny/{method}/seed-1/step-000004.json"]))!.AsObject();

        CompareRecipe Masked(double rate) => Bind(r =>
        {
            var options = new JsonObject { ["variant"] = "lean", ["places"] = "attention", ["encoder"] = Path.Combine(SharedFiles.Repository, "models", "fashion-features") };
            r["methods"] = new JsonObject
            {
                ["masked"] = new JsonObject { ["like"] = "anl", ["conditioning"] = new JsonObject { ["mask_rate"] = rate } },
                ["anl"] = new JsonObject { ["method"] = "anl", ["method_options"] = options },
            };
            r["training"]!["learning_rate"] = 0.05;
            r["seeds"] = new JsonArray(1);
        });
    }

    [Fact]
    public void Targets_and_methods_without_a_value_are_left_out()
    {
        var recipe = Bind(r => (r["methods"]!["slow"], r["targets"]!["other"]) = (null, null));
        recipe.Check();
        recipe.Methods.Keys.ShouldBe(["finetune"]);
        recipe.Targets.Keys.ShouldBe(["tiny"]);
    }

    [Fact]
    public void A_feature_network_that_is_not_there_is_left_out_only_where_the_recipe_allows_it()
    {
        using var allowed = new ComparisonRun(Bind(r => r["features"] = new JsonArray("?nothing-here")), new TrainingRun());
        Should.Throw<InputException>(() => new ComparisonRun(Bind(r => r["features"] = new JsonArray("nothing-here")), new TrainingRun())).Message.ShouldContain("nothing-here");
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
            ["name"] = "a <b> name",
            ["source"] = _temporary["source"],
            ["out"] = _temporary["out"],
            ["targets"] = new JsonObject
            {
                ["tiny"] = new JsonObject
                {
                    ["training"] = new JsonObject { ["folder"] = _temporary["few"] },
                    ["reference"] = new JsonObject { ["folder"] = _temporary["rest"] },
                },
            },
            ["methods"] = new JsonObject
            {
                ["finetune"] = new JsonObject { ["method"] = "finetune" },
                ["slow"] = new JsonObject { ["method"] = "lora", ["method_options"] = new JsonObject { ["rank"] = 1 }, ["training"] = new JsonObject { ["learning_rate"] = 1e-6 } },
            },
            ["training"] = new JsonObject { ["batch_size"] = 4 },
            ["seeds"] = new JsonArray(1, 2),
            ["at"] = new JsonArray(2, 4),
            ["samples"] = 4,
            ["sample_steps"] = 2,
        };
        change?.Invoke(json);
        return Recipe.Bind<CompareRecipe>(json, "recipe");
    }
}
