using Graft.Data.Ecg;
using Graft.Recipes;
using Graft.Sampling;
using Graft.Training;

namespace Graft.Tests.Recipes;

/// <summary>The recipes of ECGs in their smallest size: a source of PTB-XL's subset, and TGDP to the ten records of CPSC-2018.</summary>
public sealed class EcgRecipeTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [SharedFact("data/ecg/ptbxl-subset")]
    public void A_source_is_trained_and_adapted()
    {
        var json = Recipe.Read(Path.Combine(SharedFiles.Repository, "recipes", "ecg-ptbxl-source.yaml"));
        Recipe.ApplySize(json, "ci");
        var pretrain = Recipe.Bind<PretrainRecipe>(json, "recipe");
        pretrain = pretrain with { Out = _temporary["source"], Device = "cpu", Data = new DataOptions { Ecg = pretrain.Data.Ecg! with { Folder = SharedFiles.Data("ecg", "ptbxl-subset") } } };
        pretrain.Training.Steps.ShouldBe(5);
        pretrain.Run(new TrainingRun());

        json = Recipe.Read(Path.Combine(SharedFiles.Repository, "recipes", "paper", "ptbxl-icbeb.yaml"));
        ((string)json["about"]!).ShouldContain("NEVER RUN IN FULL");
        Recipe.ApplySize(json, "ci");
        json["source"] = _temporary["source"];
        json["out"] = _temporary["guided"];
        json["device"] = "cpu";
        json["target"]!["ecg"]!["folder"] = SharedFiles.Data("ecg", "cpsc2018-samples");
        json["method_options"]!["source_data"]!["ecg"]!["folder"] = SharedFiles.Data("ecg", "ptbxl-subset");
        using var guided = Recipe.Bind<AdaptRecipe>(json, "recipe").Run(new TrainingRun());
        guided.Ecg!.Card.Name.ShouldBe("CPSC-2018");
        guided.Ecg.LabelSets.Sum(s => s.Count).ShouldBe(8);
        guided.Ecg.Card.Leads.ShouldBe(EcgLeads.Independent);
        guided.SampleValues(2, Sampler.Ddim(2), 1).Values.ToArray().ShouldAllBe(v => float.IsFinite(v));
    }
}
