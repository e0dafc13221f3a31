using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Training;

namespace Graft.Recipes;

/// <summary>What <c>graft pretrain</c> can run: a recipe that trains a network from nothing.</summary>
public interface IPretrainRecipe
{
    /// <summary>The run's folder, which becomes the model.</summary>
    string Out { get; }

    /// <summary>Checks everything that can be checked without data and without libtorch.</summary>
    /// <exception cref="InputException">A key is unknown, or a value cannot be used.</exception>
    void Check();

    /// <summary>Trains.</summary>
    /// <param name="run">How it is followed; its folder is <see cref="Out"/>.</param>
    /// <returns>What came of it, in a line for people.</returns>
    /// <exception cref="InputException">Data or options cannot be used.</exception>
    string Train(TrainingRun run);
}

/// <summary>The kinds of recipes that <c>graft pretrain</c> runs, by their key <c>kind</c>.</summary>
public static class PretrainRecipes
{
    /// <summary>The recipe of a mapping: <c>kind</c> is <c>denoiser</c> (also where the key is missing), <c>classifier</c>, <c>ecg_classifier</c>, <c>contrastive</c> or <c>fixmatch</c>.</summary>
    /// <exception cref="InputException">The kind or a key is unknown, or a value has another type.</exception>
    public static IPretrainRecipe Bind(JsonObject json) => (json.ContainsKey("kind") ? json["kind"]?.ToJsonString() : "\"denoiser\"") switch
    {
        "\"denoiser\"" => Recipe.Bind<PretrainRecipe>(json, "recipe"),
        "\"classifier\"" => Recipe.Bind<ClassifierRecipe>(json, "recipe"),
        "\"ecg_classifier\"" => Recipe.Bind<EcgClassifierRecipe>(json, "recipe"),
        "\"contrastive\"" => Recipe.Bind<ContrastiveRecipe>(json, "recipe"),
        "\"fixmatch\"" => Recipe.Bind<FixMatchRecipe>(json, "recipe"),
        var kind => throw new InputException($"The recipe's kind {FileFault.Shorten(kind ?? "null")} is unknown: denoiser (as without the key), classifier, ecg_classifier, contrastive and fixmatch are known."),
    };
}
