using System.Text.Json.Nodes;
using Graft.Networks;
using Graft.Recipes;
using Graft.Training;

namespace Graft.Tests.Recipes;

public sealed class FixMatchRecipeTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData("network.depth=12", "6n + 4")]
    [InlineData("network.block_strides=[1]", "block_strides")]
    [InlineData("fixmatch.threshold=0", "fixmatch.threshold")]
    [InlineData("fixmatch.tau=0.9", "tau")]
    [InlineData("labels_per_class=0", "labels_per_class")]
    [InlineData("labels_per_class=-1", "labels_per_class must be at least 0")]
    [InlineData("unlabelled={folder: pictures}", "either from data")]
    [InlineData("training.steps=0", "steps must be at least 1")]
    [InlineData("schedule={}", "schedule")]
    public void What_does_not_fit_is_refused_by_name(string assignment, string due)
    {
        var json = Plan();
        Recipe.Set(json, assignment);
        var message = Should.Throw<InputException>(() => PretrainRecipes.Bind(json).Check()).Message;
        message.ShouldContain(due);
        message.ShouldEndWith(".");
    }

    [Fact]
    public void A_run_ends_in_a_classifier_and_its_evaluation_with_generated_pictures_in_the_pool()
    {
        Write("train", 60);
        Write("test", 6);
        Write("more", 9);
        var plan = (FixMatchRecipe)PretrainRecipes.Bind(Plan());
        plan.Resolve().Name.ShouldBe("tiny-fixmatch");
        var again = (FixMatchRecipe)PretrainRecipes.Bind(Recipe.Parse(Recipe.Describe(plan).ToJsonString(), "plan"));
        JsonNode.DeepEquals(Recipe.Describe(again), Recipe.Describe(plan)).ShouldBeTrue();

        ((IPretrainRecipe)plan).Train(new TrainingRun()).ShouldContain("of 6 pictures that it was not shown, 100.00 % (61.0 to 100.0) are told right");
        var json = JsonNode.Parse(File.ReadAllText(_temporary["out/evaluation.json"]))!;
        ((double)json["accuracy"]!).ShouldBe(1);
        ((double)json["low"]!).ShouldBe(6 / (6 + (1.959963984540054 * 1.959963984540054)), 1e-9); // Wilson's at n of n: n / (n + z²)
        ((int)json["labelled_pictures"]!, (int)json["generated_pictures"]!, (int)json["unlabelled_pictures"]!).ShouldBe((6, 9, 54));
        ((int)json["pseudo_labels"]!["of"]!).ShouldBe(50);
        ((int)json["pseudo_labels"]!["right"]!).ShouldBe((int)json["pseudo_labels"]!["confident"]!);
        using (var network = WideResNet.Load(_temporary["out"]))
            network.Fingerprint().ShouldBe((string)json["weights_sha256"]!);

        foreach (var other in (FixMatchRecipe[])[plan with { Generated = null }, plan with { LabelsSeed = 9 }, plan with { Fixmatch = plan.Fixmatch with { Mu = 3 } }])
            Should.Throw<InputException>(() => other.Run(new TrainingRun { Resume = true })).Message.ShouldContain("was started with");
        Should.Throw<InputException>(() => plan.Run(new TrainingRun())).Message.ShouldContain("--resume");

        // Labelled and unlabelled pictures of two places; without a test set nothing is judged but pseudo-labels.
        var two = plan with
        {
            LabelsPerClass = 0, Data = plan.Data with { MaxCount = 9 }, Unlabelled = plan.Data with { Labels = null }, Generated = null, Test = null,
            Training = plan.Training with { Steps = 2 }, Out = _temporary["two"],
        };
        two.Run(new TrainingRun()).ShouldBeNull();
        json = JsonNode.Parse(File.ReadAllText(_temporary["two/evaluation.json"]))!;
        ((int)json["labelled_pictures"]!, (int)json["unlabelled_pictures"]!).ShouldBe((9, 60));
        json["pseudo_labels"]!["right"].ShouldBeNull();
        Should.Throw<InputException>(() => (plan with { LabelsPerClass = 20, Out = _temporary["none"] }).Run(new TrainingRun())).Message.ShouldContain("no picture of");
        Should.Throw<InputException>(() => (plan with { Network = new JsonObject { ["sample_size"] = 8, ["num_classes"] = 2 }, Out = _temporary["none"] }).Run(new TrainingRun())).Message.ShouldContain("has 2 classes");
    }

    private JsonObject Plan() => Recipe.Parse(
        $$"""
        kind: fixmatch
        name: tiny-fixmatch
        out: {{_temporary["out"]}}
        device: cpu
        data: { images: {{_temporary["train-images"]}}, labels: {{_temporary["train-labels"]}} }
        labels_per_class: 2
        labels_seed: 3
        generated: { images: {{_temporary["more-images"]}}, labels: {{_temporary["more-labels"]}} }
        test: { images: {{_temporary["test-images"]}}, labels: {{_temporary["test-labels"]}} }
        network: { sample_size: 8, num_classes: 3, depth: 10, widen_factor: 1, norm_momentum: 0.2 }
        fixmatch: { mu: 2, threshold: 0.8, operations: 0 }
        judged_unlabelled: 50
        training: { steps: 40, batch_size: 6, learning_rate: 0.01, ema_decay: 0.9, seed: 2, checkpoint_every: 0 }
        """,
        "text");

    /// <summary>Flat pictures of 8 x 8 whose brightness is the class.</summary>
    private void Write(string name, int count)
    {
        var labels = Enumerable.Range(0, count).Select(i => (byte)(i % 3)).ToArray();
        File.WriteAllBytes(_temporary[$"{name}-images"], [0, 0, 8, 3, 0, 0, 0, (byte)count, 0, 0, 0, 8, 0, 0, 0, 8, .. labels.SelectMany(l => Enumerable.Repeat((byte)(l * 110), 64))]);
        File.WriteAllBytes(_temporary[$"{name}-labels"], [0, 0, 8, 1, 0, 0, 0, (byte)count, .. labels]);
    }
}
