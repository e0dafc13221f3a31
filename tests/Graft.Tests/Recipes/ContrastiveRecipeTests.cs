using System.Text.Json.Nodes;
using Graft.Networks.Clip;
using Graft.Recipes;
using Graft.Training;

namespace Graft.Tests.Recipes;

public sealed class ContrastiveRecipeTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData("network.vision_config.hiden_size=10", "hiden_size")]
    [InlineData("network.text_config.hidden_act=relu", "hidden_act 'relu' is unknown")]
    [InlineData("network.text_config=~", "no network.text_config")]
    [InlineData("network.dim=4", "network.dim")]
    [InlineData("sets={}", "no sets")]
    [InlineData("sets.flat.augmentation.max_shift=-1", "augmentation.max_shift")]
    [InlineData("sets.flat.size=0", "shape 1 x 0 x 0")]
    [InlineData("sets.flat.classes=7", "classes")]
    [InlineData("sets.flat.title=7", "title")]
    [InlineData("training.steps=0", "steps must be at least 1")]
    public void What_does_not_fit_is_refused_by_name(string assignment, string due)
    {
        var json = Plan();
        Recipe.Set(json, assignment);
        var message = Should.Throw<InputException>(() => PretrainRecipes.Bind(json).Check()).Message;
        message.ShouldContain(due);
        message.ShouldEndWith(".");
    }

    [Fact]
    public void A_run_ends_in_a_pair_that_names_pictures_and_another_one_does_not_go_on_from_it()
    {
        Write("train", 30);
        Write("test", 6);
        var plan = PretrainRecipes.Bind(Plan()).ShouldBeOfType<ContrastiveRecipe>();
        var report = plan.Run(new TrainingRun())["flat"];
        (report.Names, report.First.Of).ShouldBe((3, 6));
        report.First.Count.ShouldBe(6); // black, grey and white
        var json = JsonNode.Parse(File.ReadAllText(_temporary["out/evaluation.json"]))!;
        ((double)json["flat"]!["top_1"]!["share"]!).ShouldBe(1);
        using (var model = ImageTextModel.Load(_temporary["out"]))
        {
            model.Name.ShouldBe("tiny-pair");
            model.Tokenizer.Words.ShouldBe(["a", "black", "grey", "picture", "white"]);
        }

        ((IPretrainRecipe)plan).Train(new TrainingRun { Resume = true }).ShouldContain("100.0 % of 6 pictures named right among 3 names");
        var other = Plan();
        Recipe.Set(other, "sets.flat.templates=[\"{}\"]");
        Should.Throw<InputException>(() => PretrainRecipes.Bind(other).Train(new TrainingRun { Resume = true })).Message.ShouldContain("was started with");
    }

    [Fact]
    public void The_shipped_recipe_shows_no_target_emoji_and_nothing_twice()
    {
        var recipes = Path.Combine(SharedFiles.Repository, "recipes");
        var json = Recipe.Read(Path.Combine(recipes, "graft-clip.yaml"));
        Recipe.ApplySize(json, "ci");
        PretrainRecipes.Bind(json).ShouldBeOfType<ContrastiveRecipe>();
        PretrainRecipes.Bind(json).Check();
        var (train, held) = (Read("graft-clip-emoji.csv"), Read("graft-clip-emoji-held-out.csv"));
        (train.Length, held.Length).ShouldBe((1260, 152));
        string[] Files((string File, string Name)[] rows) => [.. rows.Select(r => r.File)];
        Files(train).Intersect(Files(held)).ShouldBeEmpty();
        train.Select(r => r.Name).Intersect(held.Select(r => r.Name)).ShouldBeEmpty();
        var targets = Directory.EnumerateFiles(Path.Combine(SharedFiles.Repository, "samples", "targets", "twemoji"), "*.png").Select(p => Path.GetFileName(p)).ToArray();
        targets.Length.ShouldBe(10);
        targets.Except(Files(held)).ShouldBeEmpty();
        File.ReadAllLines(Path.Combine(recipes, "noto-emoji-32.list")).Where(l => l is [not '#', ..]).Order(StringComparer.Ordinal)
            .ShouldBe(Files([.. train, .. held]).Order(StringComparer.Ordinal));

        (string File, string Name)[] Read(string name) =>
            [.. Graft.Data.LabelTable.Read(Path.Combine(recipes, name), "file_name", "name").Rows.Select(r => (r.File, r.Values[0]))];
    }

    private JsonObject Plan() => Recipe.Parse(
        $$"""
        kind: contrastive
        name: tiny-pair
        out: {{_temporary["out"]}}
        device: cpu
        sets:
          flat:
            data: { images: {{_temporary["train-images"]}}, labels: {{_temporary["train-labels"]}} }
            test: { images: {{_temporary["test-images"]}}, labels: {{_temporary["test-labels"]}} }
            classes: [black, grey, white]
            templates: ["{}", "a picture: {}"]
            channels: 1
            size: 8
        network:
          projection_dim: 8
          vision_config: { hidden_size: 16, intermediate_size: 16, num_hidden_layers: 1, num_attention_heads: 2, image_size: 8, patch_size: 4 }
          text_config: { hidden_size: 16, intermediate_size: 16, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 8 }
        training: { steps: 60, batch_size: 12, learning_rate: 0.01, ema_decay: 0, seed: 2, checkpoint_every: 0 }
        """,
        "text");

    /// <summary>Flat pictures of 8 x 8 whose brightness is the class.</summary>
    private void Write(string name, int count)
    {
        var labels = Enumerable.Range(0, count).Select(i => (byte)(i % 3)).ToArray();
        File.WriteAllBytes(_temporary[$"{name}-images"], [0, 0, 8, 3, 0, 0, 0, (byte)count, 0, 0, 0, 8, 0, 0, 0, 8, .. labels.SelectMany(l => Enumerable.Repeat((byte)(l * 127), 64))]);
        File.WriteAllBytes(_temporary[$"{name}-labels"], [0, 0, 8, 1, 0, 0, 0, (byte)count, .. labels]);
    }
}
