using System.Globalization;
using System.Text.Json.Nodes;
using Graft.Networks;
using Graft.Training;
using Microsoft.Extensions.Logging;

namespace Graft.Recipes;

/// <summary>A classifier trained from nothing, and judged on pictures that it was not shown: <c>kind: classifier</c>.</summary>
public sealed record ClassifierRecipe : IPretrainRecipe
{
    private const string ReportFile = "evaluation.json";

    /// <summary><c>classifier</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>A short name, which the network takes too unless <see cref="Network"/> names it.</summary>
    public required string Name { get; init; }

    /// <summary>What it makes, from what, and how long it takes.</summary>
    public string About { get; init; } = "";

    /// <summary>The run's folder, which becomes the classifier.</summary>
    public required string Out { get; init; }

    /// <summary><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>The pictures it is trained on, with labels.</summary>
    public required DataOptions Data { get; init; }

    /// <summary>Pictures it is judged on at the end, with labels; none: it is not judged.</summary>
    public DataOptions? Test { get; init; }

    /// <summary>The architecture: keys of <see cref="ResNetClassifierOptions"/>.</summary>
    public required JsonObject Network { get; init; }

    /// <summary>How the training pictures are varied.</summary>
    public AugmentationOptions Augmentation { get; init; } = new();

    /// <summary>Share of the wanted probability that is spread evenly over all classes, in [0, 1).</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>The training loop's settings.</summary>
    public TrainingOptions Training { get; init; } = new();

    /// <summary>Checks everything that can be checked without data and without libtorch.</summary>
    /// <returns>The architecture.</returns>
    /// <exception cref="InputException">A key is unknown, or a value cannot be used.</exception>
    public ResNetClassifierOptions Resolve()
    {
        Training.Validate();
        Augmentation.Validate();
        if (LabelSmoothing is not (>= 0 and < 1))
            throw new InputException("The option label_smoothing must be at least 0 and below 1.");
        var options = ResNetClassifierOptions.FromJson(Network, $"of the recipe {Name}");
        return Network.ContainsKey("name") ? options : options with { Name = Name };
    }

    /// <inheritdoc/>
    void IPretrainRecipe.Check() => Resolve();

    /// <summary>Trains. At the end the run's folder is the classifier, with averaged weights, and <c>evaluation.json</c> says how good it is.</summary>
    /// <param name="run">How it is followed; its folder is <see cref="Out"/>.</param>
    /// <returns>How it does on <see cref="Test"/>; null without.</returns>
    /// <exception cref="InputException">Data or options cannot be used.</exception>
    public ClassificationReport? Run(TrainingRun run)
    {
        var options = Resolve();
        Data.Require(Name, "data");
        Test?.Require(Name, "test");
        var images = Data.Open(options.Shape, Warn, run.CancellationToken);
        var test = Test?.Open(options.Shape, Warn, run.CancellationToken);
        if (test is not null)
            ClassificationReport.Check(options, test);
        using var network = ResNetClassifier.Create(options, Training.Seed, Torch.Device.Parse(Device));
        run.Logger.LogInformation("{Data}; a network of {Parameters:N0} parameters", images.Description, options.ParameterCount);
        var stage = ClassificationStage.Create("classifier", network, images, Training, Augmentation, LabelSmoothing);
        var settings = new JsonObject
        {
            ["augmentation"] = Recipe.Describe(Augmentation),
            ["flip"] = Training.Flip,
            ["label_smoothing"] = LabelSmoothing,
            ["network"] = options.ToJson(),
        };
        foreach (var (key, value) in run.Identity)
            settings[key] = value?.DeepClone();
        new Trainer(stage, Training, run with { Folder = Out, Identity = settings }).Train();
        network.Save(Out);
        if (test is null)
            return null;
        var report = ClassificationReport.Measure(network, test, cancellationToken: run.CancellationToken);
        report.Save(Path.Combine(Out, ReportFile));
        run.Logger.LogInformation(
            "Accuracy {Accuracy} on {Data}", report.Accuracy.ToString("P2", CultureInfo.InvariantCulture), report.Data);
        return report;

        void Warn(string text) => run.Logger.LogWarning("{Warning}", text);
    }

    /// <inheritdoc/>
    string IPretrainRecipe.Train(TrainingRun run) => Run(run) is { } report
        ? string.Create(CultureInfo.InvariantCulture, $"The classifier is in {Out}: {report.Accuracy:P2} of {report.Count} pictures that it was not shown are told right; {Path.Combine(Out, ReportFile)} says more.")
        : $"The classifier is in {Out}.";
}
