using System.Text.Json.Nodes;
using Graft.Networks;
using Graft.Recipes;
using Graft.Training;

namespace Graft.Tests.Recipes;

public sealed class ClassifierRecipeTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData("network.num_clases=10", "num_clases")]
    [InlineData("network.block_strides=[1]", "block_strides")]
    [InlineData("network.norm_num_groups=7", "norm_num_groups")]
    [InlineData("augmentation.max_shift=-1", "augmentation.max_shift")]
    [InlineData("augmentation.max_shift=1.5", "augmentation.max_shift")]
    [InlineData("augmentation.rotation=5", "augmentation.rotation")]
    [InlineData("label_smoothing=1", "label_smoothing")]
    [InlineData("label_smoothing=none", "label_smoothing")]
    [InlineData("training.steps=0", "steps must be at least 1")]
    [InlineData("schedule={}", "schedule")]
    [InlineData("kind=denoiser", "recipe")]
    [InlineData("kind=regressor", "kind \"regressor\" is unknown")]
    [InlineData("kind=~", "kind null is unknown")]
    [InlineData("kind=[classifier]", "is unknown")]
    [InlineData("network=~", "network")]
    [InlineData("data=~", "data")]
    public void What_does_not_fit_is_refused_by_name(string assignment, string due)
    {
        var json = Plan();
        Recipe.Set(json, assignment);
        var message = Should.Throw<InputException>(() => PretrainRecipes.Bind(json).Check()).Message;
        message.ShouldContain(due);
        message.ShouldEndWith(".");
    }

    [Fact]
    public void A_plan_is_a_recipe_and_names_its_network()
    {
        var plan = PretrainRecipes.Bind(Plan()).ShouldBeOfType<ClassifierRecipe>();
        plan.Resolve().Name.ShouldBe("tiny-classes");
        var again = (ClassifierRecipe)PretrainRecipes.Bind(Recipe.Parse(Recipe.Describe(plan).ToJsonString(), "plan"));
        JsonNode.DeepEquals(Recipe.Describe(again), Recipe.Describe(plan)).ShouldBeTrue();
        var named = Plan();
        Recipe.Set(named, "network.name=other");
        ((ClassifierRecipe)PretrainRecipes.Bind(named)).Resolve().Name.ShouldBe("other");
    }

    [Fact]
    public void A_run_ends_in_a_classifier_and_its_evaluation_and_another_one_does_not_go_on_from_it()
    {
        Write("train", 30);
        Write("test", 6);
        var plan = (ClassifierRecipe)PretrainRecipes.Bind(Plan());
        var report = plan.Run(new TrainingRun()).ShouldNotBeNull();
        report.Count.ShouldBe(6);
        report.Accuracy.ShouldBe(1); // black, grey and white
        var json = JsonNode.Parse(File.ReadAllText(_temporary["out/evaluation.json"]))!;
        ((double)json["accuracy"]!).ShouldBe(1);
        json["confusion"]!.ToJsonString().ShouldBe("[[2,0,0],[0,2,0],[0,0,2]]");
        using (var network = ResNetClassifier.Load(_temporary["out"]))
            network.Options.Name.ShouldBe("tiny-classes");

        ((IPretrainRecipe)plan).Train(new TrainingRun { Resume = true }).ShouldContain("100.00 % of 6 pictures that it was not shown");
        foreach (var other in (ClassifierRecipe[])[plan with { LabelSmoothing = 0.2 }, plan with { Augmentation = new AugmentationOptions { MaxShift = 1 } }])
            Should.Throw<InputException>(() => other.Run(new TrainingRun { Resume = true })).Message.ShouldContain("was started with");
        var untested = plan with { Test = null, Out = _temporary["untested"] };
        untested.Run(new TrainingRun()).ShouldBeNull();
        File.Exists(_temporary["untested/evaluation.json"]).ShouldBeFalse();
    }

    private JsonObject Plan() => Recipe.Parse(
        $$"""
        kind: classifier
        name: tiny-classes
        out: {{_temporary["out"]}}
        device: cpu
        data: { images: {{_temporary["train-images"]}}, labels: {{_temporary["train-labels"]}} }
        test: { images: {{_temporary["test-images"]}}, labels: {{_temporary["test-labels"]}} }
        network: { sample_size: 8, num_classes: 3, block_out_channels: [4, 8], block_strides: [1, 2], norm_num_groups: 2 }
        augmentation: { erase_probability: 0.1 }
        label_smoothing: 0.1
        training: { steps: 80, batch_size: 12, learning_rate: 0.01, ema_decay: 0, seed: 2, checkpoint_every: 0 }
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
