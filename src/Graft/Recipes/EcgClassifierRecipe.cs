using System.Globalization;
using System.Text.Json.Nodes;
using Graft.Data.Ecg;
using Graft.Evaluation;
using Graft.Evaluation.Ecg;
using Graft.Formats;
using Graft.Networks;
using Graft.Training;
using Microsoft.Extensions.Logging;

namespace Graft.Recipes;

/// <summary>A classifier of ECGs trained from nothing, and judged on the test split: <c>kind: ecg_classifier</c>.</summary>
public sealed record EcgClassifierRecipe : IPretrainRecipe
{
    private const string ReportFile = "evaluation.json";

    /// <summary><c>ecg_classifier</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>A short name, which the network takes too unless <see cref="Network"/> names it.</summary>
    public required string Name { get; init; }

    /// <summary>What it makes, from what, and how long it takes.</summary>
    public string About { get; init; } = "";

    /// <summary>The run's folder, which becomes the classifier.</summary>
    public required string Out { get; init; }

    /// <summary><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>A folder of ECGs that <see cref="EcgFolder"/> knows; records of its training split are trained on.</summary>
    public required string Folder { get; init; }

    /// <summary>The classes; none: those of the folder.</summary>
    public IReadOnlyList<string> Classes { get; init; } = [];

    /// <summary>What is done to each record first.</summary>
    public IReadOnlyList<EcgStep> Steps { get; init; } = [];

    /// <summary>The architecture: keys of <see cref="XResNet1dOptions"/> but those that the records say (leads, classes, rate, unit); none: the benchmark's.</summary>
    public JsonObject Network { get; init; } = [];

    /// <summary>The training loop's settings.</summary>
    public TrainingOptions Training { get; init; } = EcgUtilityOptions.DefaultTraining;

    /// <inheritdoc/>
    void IPretrainRecipe.Check() => Resolve(new EcgCard { Name = Name, Leads = EcgLeads.Standard, SamplingRate = 100, Unit = "mV", Classes = ["class"] });

    /// <summary>Trains. At the end the run's folder is the classifier, and <c>evaluation.json</c> says how good it is.</summary>
    /// <param name="run">How it is followed; its folder is <see cref="Out"/>.</param>
    /// <returns>The macro AUC on the test split with its interval; null where nothing can be judged on it.</returns>
    /// <exception cref="InputException">Data or options cannot be used.</exception>
    public BootstrapInterval? Run(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        Training.Validate();
        var set = EcgFolder.Open(Folder, new EcgOpenOptions { Steps = Steps });
        set = Classes.Count == 0 ? set : set.WithClasses(Classes);
        var options = Resolve(set.Card);
        using var network = XResNet1d.Create(options, Training.Seed, Torch.Device.Parse(Device));
        var training = set.ForTraining();
        run.Logger.LogInformation("{Data}; a network of {Parameters:N0} parameters", training, options.ParameterCount.Trained);
        var stage = EcgClassificationStage.Create("classifier", network, training, Training);
        var identity = (JsonObject)run.Identity.DeepClone();
        (identity["network"], identity["data"]) = (options.ToJson(), set.Card.ToJson());
        new Trainer(stage, Training, run with { Folder = Out, Identity = identity }).Train();
        network.Save(Out);
        var test = set.Of(EcgSplit.Test);
        var auc = new MacroAuc(EcgUtility.Labels(test));
        if (auc.Classes.Count == 0)
            return null;
        var scores = EcgClassification.Probabilities(network, test, cancellationToken: run.CancellationToken);
        var found = auc.Bootstrap(scores, seed: Training.Seed);
        var classes = auc.OfClasses(scores);
        AtomicFile.WriteText(Path.Combine(Out, ReportFile), new JsonObject
        {
            ["test_records"] = test.Count,
            ["macro_auc"] = found.Value,
            ["low"] = found.Low,
            ["high"] = found.High,
            ["resamples"] = found.Resamples,
            ["classes"] = new JsonObject(auc.Classes.Select((c, k) => KeyValuePair.Create(test.Classes[c], (JsonNode?)classes[k]))),
            ["weights_sha256"] = network.Fingerprint(),
            ["data"] = set.Card.ToJson(),
        }.ToJsonString(JsonStyle.Indented) + "\n");
        return found;
    }

    /// <inheritdoc/>
    string IPretrainRecipe.Train(TrainingRun run) => Run(run) is { } found
        ? string.Create(CultureInfo.InvariantCulture, $"The classifier is in {Out}: macro AUC {found.Value:0.000} ({found.Low:0.000} to {found.High:0.000}) on records that it was not shown; {Path.Combine(Out, ReportFile)} says more.")
        : $"The classifier is in {Out}.";

    private XResNet1dOptions Resolve(EcgCard card)
    {
        Training.Validate();
        var options = XResNet1dOptions.FromJson(WithClasses(Network), $"of the recipe {Name}").For(card);
        options.Validate($"of the recipe {Name}");
        return Network.ContainsKey("name") ? options : options with { Name = Name };
    }

    /// <summary>A network of no class is refused, and here the records say the classes later.</summary>
    private static JsonObject WithClasses(JsonObject network)
    {
        var json = (JsonObject)network.DeepClone();
        json["classes"] = new JsonArray("class");
        return json;
    }
}
