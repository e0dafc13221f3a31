using System.Globalization;
using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Networks;
using Graft.Training;
using Microsoft.Extensions.Logging;

namespace Graft.Recipes;

/// <summary>
/// A classifier trained from a few labelled and many unlabelled pictures, and maybe generated ones, judged on pictures that it was not shown:
/// <c>kind: fixmatch</c>.
/// </summary>
public sealed record FixMatchRecipe : IPretrainRecipe
{
    internal const string ReportFile = "evaluation.json";

    /// <summary><c>fixmatch</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>A short name, which the network takes too unless <see cref="Network"/> names it.</summary>
    public required string Name { get; init; }

    /// <summary>What it makes, from what, and how long it takes.</summary>
    public string About { get; init; } = "";

    /// <summary>The run's folder, which becomes the classifier.</summary>
    public required string Out { get; init; }

    /// <summary><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>Pictures with labels: with <see cref="LabelsPerClass"/> all training pictures, without it the labelled ones.</summary>
    public required DataOptions Data { get; init; }

    /// <summary>
    /// How many pictures of each class of <see cref="Data"/> keep their labels, the first ones of a permutation by <see cref="LabelsSeed"/> (as
    /// <c>per_class</c> and <c>per_class_seed</c> of any data choose them); all others are unlabelled. 0: all keep them.
    /// </summary>
    public int LabelsPerClass { get; init; }

    /// <summary>Seed of that permutation.</summary>
    public long LabelsSeed { get; init; }

    /// <summary>Unlabelled pictures, where <see cref="LabelsPerClass"/> is 0. Labels that they have are used for reports alone.</summary>
    public DataOptions? Unlabelled { get; init; }

    /// <summary>Generated pictures with labels (<c>graft augment</c>), which join the labelled ones; none: there are none.</summary>
    public DataOptions? Generated { get; init; }

    /// <summary>Pictures it is judged on at the end, with labels; none: it is not judged.</summary>
    public DataOptions? Test { get; init; }

    /// <summary>The architecture: keys of <see cref="WideResNetOptions"/>.</summary>
    public JsonObject Network { get; init; } = [];

    /// <summary>FixMatch's settings.</summary>
    public FixMatchOptions Fixmatch { get; init; } = new();

    /// <summary>Unlabelled pictures that pseudo-labels are judged on at the end, the first ones; 0: all.</summary>
    public int JudgedUnlabelled { get; init; } = 10_000;

    /// <summary>The training loop's settings; its batches are of labelled pictures.</summary>
    public TrainingOptions Training { get; init; } = new();

    /// <summary>Checks everything that can be checked without data and without libtorch.</summary>
    /// <returns>The architecture.</returns>
    /// <exception cref="InputException">A key is unknown, or a value cannot be used.</exception>
    public WideResNetOptions Resolve()
    {
        Training.Validate();
        Fixmatch.Validate();
        if (LabelsPerClass < 0 || JudgedUnlabelled < 0)
            throw new InputException($"The option {(LabelsPerClass < 0 ? "labels_per_class" : "judged_unlabelled")} must be at least 0.");
        if (LabelsPerClass > 0 == Unlabelled is not null)
            throw new InputException("FixMatch takes its unlabelled pictures either from data, those without labels_per_class, or from unlabelled: give one of the two.");
        var options = WideResNetOptions.FromJson(Network, $"of the recipe {Name}");
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
        ArgumentNullException.ThrowIfNull(run);
        var options = Resolve();
        Data.Require(Name, "data");
        Test?.Require(Name, "test");
        Unlabelled?.Require(Name, "unlabelled");
        Generated?.Require(Name, "generated");
        var (labelled, unlabelled) = Split(options.Shape, run);
        var generated = Generated?.Open(options.Shape, Warn, run.CancellationToken);
        var pool = generated is null ? labelled : new JoinedImages(labelled, generated);
        var test = Test?.Open(options.Shape, Warn, run.CancellationToken);
        ClassificationReport.Check(options.Shape, options.NumClasses, pool);
        if (test is not null)
            ClassificationReport.Check(options.Shape, options.NumClasses, test);
        using var network = WideResNet.Create(options, Training.Seed, Torch.Device.Parse(Device));
        run.Logger.LogInformation(
            "{Labelled} labelled pictures, {Generated} generated, {Unlabelled} unlabelled; a network of {Parameters:N0} parameters",
            labelled.Count, generated?.Count ?? 0, unlabelled.Count, options.ParameterCount.Trained);
        var stage = FixMatchStage.Create("fixmatch", network, pool, unlabelled, Training, Fixmatch);
        var settings = new JsonObject
        {
            ["fixmatch"] = Recipe.Describe(Fixmatch),
            ["flip"] = Training.Flip,
            ["network"] = options.ToJson(),
        };
        foreach (var (key, value) in run.Identity)
            settings[key] = value?.DeepClone();
        new Trainer(stage, Training, run with { Folder = Out, Identity = settings }).Train();
        network.Save(Out);
        var report = test is null ? null : ClassificationReport.Measure(network, test, cancellationToken: run.CancellationToken);
        var (confident, right) = PseudoLabels.Measure(
            network, unlabelled, Fixmatch.Threshold, JudgedUnlabelled == 0 ? int.MaxValue : JudgedUnlabelled, run.CancellationToken);
        Save(network, report, confident, right, (labelled.Count, generated?.Count ?? 0, unlabelled.Count));
        if (report is not null)
            run.Logger.LogInformation("Accuracy {Accuracy} on {Data}", Percent(report.Right), report.Data);
        run.Logger.LogInformation(
            "Pseudo-labels at {Threshold}: {Confident} of the unlabelled pictures have one, of which {Right} are right",
            Fixmatch.Threshold.ToString(CultureInfo.InvariantCulture), Percent(confident), right is { } known ? Percent(known) : "an unknown share");
        return report;

        void Warn(string text) => run.Logger.LogWarning("{Warning}", text);
    }

    /// <inheritdoc/>
    string IPretrainRecipe.Train(TrainingRun run) => Run(run) is { } report
        ? $"The classifier is in {Out}: of {report.Count} pictures that it was not shown, {Percent(report.Right)} are told right; {Path.Combine(Out, ReportFile)} says more."
        : $"The classifier is in {Out}.";

    private (IImageSource Labelled, IImageSource Unlabelled) Split(ImageShape shape, TrainingRun run)
    {
        var data = Data.Open(shape, Warn, run.CancellationToken);
        if (Unlabelled is not null)
            return (data, Unlabelled.Open(shape, Warn, run.CancellationToken));
        var (chosen, others) = FewPerClass.Of(data, LabelsPerClass, LabelsSeed);
        return others.Count > 0
            ? (chosen, new ImageSubset(data, others))
            : throw new InputException($"With {LabelsPerClass} labels a class no picture of {data.Description} is left without a label: lower labels_per_class.");

        void Warn(string text) => run.Logger.LogWarning("{Warning}", text);
    }

    private void Save(WideResNet network, ClassificationReport? report, Share confident, Share? right, (int Labelled, int Generated, int Unlabelled) pictures)
    {
        var json = report?.ToJson() ?? [];
        if (report is not null)
            (json["low"], json["high"]) = report.Right.Interval;
        json["pseudo_labels"] = new JsonObject
        {
            ["threshold"] = Fixmatch.Threshold,
            ["of"] = confident.Of,
            ["confident"] = confident.Count,
            ["right"] = right?.Count,
            ["accuracy"] = right?.Value,
            ["low"] = right?.Interval.Low,
            ["high"] = right?.Interval.High,
        };
        json["labelled_pictures"] = pictures.Labelled;
        json["generated_pictures"] = pictures.Generated;
        json["unlabelled_pictures"] = pictures.Unlabelled;
        json["labels_seed"] = LabelsSeed;
        json["seed"] = Training.Seed;
        json["steps"] = Training.Steps;
        json["weights_sha256"] = network.Fingerprint();
        AtomicFile.WriteText(Path.Combine(Out, ReportFile), json.ToJsonString(JsonStyle.Indented) + "\n");
    }

    /// <summary>As <c>83.12 % (82.4 to 83.8)</c>, with its 95 % interval.</summary>
    private static string Percent(Share share) =>
        string.Create(CultureInfo.InvariantCulture, $"{100 * share.Value:0.00} % ({100 * share.Interval.Low:0.0} to {100 * share.Interval.High:0.0})");
}
