using System.Text.Json.Nodes;
using Graft.Networks;
using Graft.Recipes;
using Graft.Training;

namespace Graft.Tests.Recipes;

public sealed class EcgClassifierRecipeTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [SharedFact("data/ecg/ptbxl-subset")]
    public void A_small_network_learns_to_tell_atrial_fibrillation_in_seconds()
    {
        var recipe = Recipe(SharedFiles.Data("ecg", "ptbxl-subset"), 150);
        var found = recipe.Run(new TrainingRun())!;
        // Chance is 0.5; long trainings reach 0.97 and more.
        found.Value.ShouldBeGreaterThan(0.65);
        found.Low!.Value.ShouldBeGreaterThan(0.5);
        using var network = XResNet1d.Load(_temporary["out"]);
        network.Options.Classes.ShouldBe(["AFIB"]);
        (network.Options.Name, network.Options.Unit).ShouldBe(("af", "standard deviations of the lead"));
        var json = JsonNode.Parse(File.ReadAllText(_temporary["out/evaluation.json"]))!;
        ((double)json["macro_auc"]!).ShouldBe(found.Value);
        ((int)json["test_records"]!).ShouldBe(194);
        ((string)json["weights_sha256"]!).ShouldBe(network.Fingerprint());
    }

    [Fact]
    public void Recipes_are_checked_without_data()
    {
        IPretrainRecipe recipe = Recipe("nowhere", 10);
        recipe.Check();
        Should.Throw<InputException>(() => recipe.Train(new TrainingRun())).Message.ShouldContain("nowhere");
        Should.Throw<InputException>(() => ((IPretrainRecipe)(Recipe("nowhere", 10) with { Network = new JsonObject { ["kernel_size"] = 4 } })).Check()).Message.ShouldContain("kernel_size");
        Should.Throw<InputException>(() => ((IPretrainRecipe)(Recipe("nowhere", 10) with { Training = new TrainingOptions { Steps = 0 } })).Check()).Message.ShouldContain("steps");
    }

    private EcgClassifierRecipe Recipe(string folder, int steps)
    {
        var json = Graft.Recipes.Recipe.Parse(
            $$"""
            kind: ecg_classifier
            name: af
            out: {{_temporary["out"]}}
            folder: {{folder}}
            classes: [AFIB]
            network: { stem_channels: [8, 8, 16], stage_channels: [16, 24, 32], stage_blocks: [1, 1, 1], expansion: 1, head_channels: 32, head_dropout: 0.2 }
            training: { steps: {{steps}}, batch_size: 32, learning_rate: 0.005, warmup_steps: 10, decay: cosine, ema_decay: 0, checkpoint_every: 0 }
            """,
            "recipe");
        return PretrainRecipes.Bind(json).ShouldBeOfType<EcgClassifierRecipe>();
    }
}
