using System.Text.Json.Nodes;
using Graft.Networks;
using Graft.Recipes;

namespace Graft.Tests.Recipes;

public class RecipeTests
{
    private const string Adapt = """
        name: bags
        source: models/some
        target: { folder: pictures, labels_from_folders: false, background: "#ffffff" }
        method: finetune
        method_options:
          trainable: [up_blocks.*, mid_block.*]
        training: { steps: 10, learning_rate: 1e-4, decay: cosine, flip: true }
        out: runs/some
        sizes:
          ci: { training.steps: 2, method_options.trainable: ["*"] }
        """;

    public static TheoryData<string> Shipped => [.. Directory.EnumerateFiles(Folder, "*.yaml", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(Folder, f)).Order(StringComparer.Ordinal)];

    private static string Folder => Path.Combine(SharedFiles.Repository, "recipes");

    [Theory]
    [MemberData(nameof(Shipped))]
    public void Every_shipped_recipe_binds_in_every_size(string file)
    {
        var sizes = Recipe.Read(Path.Combine(Folder, file))["sizes"]!.AsObject().Select(p => p.Key).ToArray();
        sizes.ShouldContain("ci");
        foreach (var size in (string?[])[null, .. sizes])
        {
            var plan = Resolve(Recipe.Read(Path.Combine(Folder, file)), size);
            Recipe.Describe(plan).ToJsonString().ShouldNotBeEmpty();
        }
    }

    [Fact]
    public void A_step_that_does_not_say_which_it_is_names_its_place()
    {
        var json = Recipe.Parse("kind: ecg_classifier\nname: x\nout: y\nfolder: z\nsteps: [{step: z_score}, {low_hz: 1}]", "recipe");
        var message = Should.Throw<InputException>(() => PretrainRecipes.Bind(json)).Message;
        message.ShouldContain("recipe.steps[1] does not say which it is");
    }

    [Fact]
    public void A_size_overrides_single_values()
    {
        var json = Recipe.Parse(Adapt, "text");
        Recipe.ApplySize(json, "ci");
        var method = Recipe.Bind<AdaptRecipe>(json, "recipe").CreateMethod();
        method.Training.Steps.ShouldBe(2);
        method.Training.LearningRate.ShouldBe(1e-4);
        method.Training.EmaDecay.ShouldBe(0.99); // the method's own default
        ((Graft.Transfer.Finetune)method).Trainable.ShouldBe(["*"]);
        Refused(() => Recipe.ApplySize(Recipe.Parse(Adapt, "text"), "huge")).ShouldContain("no size 'huge': ci are there");
        Refused(() => Recipe.ApplySize([], "ci")).ShouldContain("no sizes");
    }

    [Fact]
    public void A_plan_is_a_recipe()
    {
        var plan = (AdaptRecipe)Resolve(Recipe.Parse(Adapt, "text"), "ci");
        var again = Recipe.Bind<AdaptRecipe>(Recipe.Parse(Recipe.Describe(plan).ToJsonString(), "plan"), "plan");
        JsonNode.DeepEquals(Recipe.Describe(again), Recipe.Describe(plan)).ShouldBeTrue();
    }

    [Theory]
    [InlineData("nam: x", "nam")]
    [InlineData("training: { step: 3 }", "step")]
    [InlineData("training: { steps: three }", "training.steps")]
    [InlineData("training: { steps: 1.5 }", "training.steps")]
    [InlineData("training: { steps: 0 }", "steps must be at least 1")]
    [InlineData("training: { decay: cosinus }", "training.decay")]
    [InlineData("training: { decay: 1 }", "training.decay")]
    [InlineData("training: { flip: 'yes' }", "training.flip")]
    [InlineData("training: 5", "training")]
    [InlineData("training: [steps]", "training")]
    [InlineData("training: ~", "training")]
    [InlineData("target: pictures", "target")]
    [InlineData("target: ~", "target")]
    [InlineData("source: ~", "source")]
    [InlineData("method: no-such", "'no-such' is unknown")]
    [InlineData("method_options: { trainable: 5 }", "trainable")]
    [InlineData("method_options: 5", "method_options")]
    public void What_does_not_fit_is_refused_by_name(string line, string due)
    {
        var json = Recipe.Parse(Adapt, "text");
        foreach (var (key, value) in Recipe.Parse(line, "line"))
            json[key] = value?.DeepClone();
        Refused(() => Resolve(json, null)).ShouldContain(due);
    }

    [Theory]
    [InlineData("source")]
    [InlineData("target")]
    [InlineData("method")]
    [InlineData("out")]
    public void What_is_needed_is_asked_for(string key)
    {
        var json = Recipe.Parse(Adapt, "text");
        json.Remove(key);
        Refused(() => Resolve(json, null)).ShouldContain($"'{key}'");
    }

    [Theory]
    [InlineData("network.block_out_channel=[8, 16]", "network.block_out_channel")]
    [InlineData("schedule.beta_sart=0.1", "schedule.beta_sart")]
    [InlineData("schedule.beta_start=2", "beta_start")]
    [InlineData("network.norm_num_groups=7", "norm_num_groups")]
    [InlineData("network.act_fn=~", null)]
    public void Architecture_and_schedule_are_checked_without_data(string assignment, string? due)
    {
        var json = Recipe.Read(Path.Combine(Folder, "fashion-28.yaml"));
        Recipe.Set(json, assignment);
        if (due is null)
            Resolve(json, null);
        else
            Refused(() => Resolve(json, null)).ShouldContain(due);
    }

    [Theory]
    [InlineData("a: [1, 2", "line")]
    [InlineData("a: 1\na: 2", "a")]
    [InlineData("- a\n- b", "one mapping")]
    [InlineData("", "one mapping")]
    [InlineData("a: 1\n---\nb: 2", "one mapping")]
    [InlineData("[a, b]: 1", "no word")]
    [InlineData("a: *nowhere", "nowhere")]
    [InlineData("a: \"\\ud8\"", "line")]
    public void What_is_no_mapping_is_refused(string text, string due) =>
        Refused(() => Recipe.Parse(text, "text")).ShouldContain(due);

    [Fact]
    public void Deep_nesting_and_repeated_aliases_are_refused()
    {
        Refused(() => Recipe.Parse("a: " + new string('[', 100_000), "text")).ShouldContain("nested deeper");
        Refused(() => Recipe.Parse(string.Concat(Enumerable.Repeat("a: {", 100_000)), "text")).ShouldContain("nested deeper");
        var laughs = string.Join('\n', Enumerable.Range(0, 20).Select(i => $"a{i}: &a{i} [{(i == 0 ? "1" : string.Join(',', Enumerable.Repeat($"*a{i - 1}", 10)))}]"));
        Refused(() => Recipe.Parse(laughs, "text")).ShouldContain("values");
        Refused(() => Recipe.Parse("a: &a [*a, *a]", "text"));
    }

    [Theory]
    [InlineData("training.steps=500", "training", "steps", "500")]
    [InlineData("training.learning_rate=1e-4", "training", "learning_rate", "0.0001")]
    [InlineData("new.flag=true", "new", "flag", "true")]
    [InlineData("new.list=[a, 2, ~]", "new", "list", "[\"a\",2,null]")]
    [InlineData("new.map={a: {b: c}}", "new", "map", "{\"a\":{\"b\":\"c\"}}")]
    [InlineData("new.text='5'", "new", "text", "\"5\"")]
    [InlineData("new.path=a=b.c", "new", "path", "\"a=b.c\"")]
    [InlineData("target.background=#00ff00", "target", "background", "\"#00ff00\"")]
    public void A_value_is_set(string assignment, string outer, string inner, string due)
    {
        var json = Recipe.Parse(Adapt, "text");
        Recipe.Set(json, assignment);
        json[outer]![inner]!.ToJsonString().ShouldBe(due);
    }

    [Fact]
    public void A_value_can_be_emptied()
    {
        var json = Recipe.Parse(Adapt, "text");
        Recipe.Set(json, "training.steps=");
        json["training"]!.AsObject().ContainsKey("steps").ShouldBeTrue();
        json["training"]!["steps"].ShouldBeNull();
    }

    [Theory]
    [InlineData("training.steps")]
    [InlineData("=5")]
    [InlineData("")]
    [InlineData("training.steps.more=5")]
    [InlineData("a=[1")]
    [InlineData("a=b: c")]
    [InlineData("a.b.c.d.e.f.g.h.i.j.k=1")]
    public void What_is_no_assignment_is_refused(string assignment) => Refused(() => Recipe.Set(Recipe.Parse(Adapt, "text"), assignment));

    [Fact]
    public void Text_blocks_stay_text()
    {
        var json = Recipe.Parse("a: |\n  5\nb: >\n  true\nc: 007\nd: +5\ne: .5", "text");
        json.ToJsonString().ShouldBe("{\"a\":\"5\\n\",\"b\":\"true\\n\",\"c\":7,\"d\":5,\"e\":0.5}");
    }

    [Fact]
    public void Describing_the_network_keeps_every_key() =>
        UNet2DOptions.FromJson(new UNet2DOptions().ToJson(), "defaults").ToJson().ToJsonString().ShouldBe(new UNet2DOptions().ToJson().ToJsonString());

    /// <summary>What a dry run does.</summary>
    private static object Resolve(JsonObject json, string? size)
    {
        Recipe.ApplySize(json, size);
        if (json.ContainsKey("network") || json.ContainsKey("data"))
        {
            var plan = PretrainRecipes.Bind(json);
            plan.Check();
            return plan;
        }

        if (json.ContainsKey("targets"))
        {
            var comparison = Recipe.Bind<CompareRecipe>(json, "recipe");
            comparison.Check();
            return comparison;
        }

        if (json.ContainsKey("samples_per_class"))
        {
            var augmentation = Recipe.Bind<AugmentRecipe>(json, "recipe");
            augmentation.Resolve();
            return augmentation;
        }

        var adaptation = Recipe.Bind<AdaptRecipe>(json, "recipe");
        adaptation.CreateMethod();
        return adaptation;
    }

    private static string Refused(Action work)
    {
        var message = Should.Throw<InputException>(work).Message;
        message.ShouldEndWith(".");
        return message;
    }
}
