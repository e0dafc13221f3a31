using System.Text.Json.Nodes;
using Graft.Data.Ecg;
using Graft.Recipes;
using Graft.Training;

namespace Graft.Comparison;

/// <summary>
/// Comparisons of ECGs: rhythm, copies, distances between sets in the networks of the recipe, and what samples are good for. Rows that need no
/// training say what the numbers mean: the few training records themselves, and all that there are.
/// </summary>
internal sealed class EcgComparison : IComparisonKind
{
    /// <summary>The row of the few training records.</summary>
    internal const string FewRow = "few";

    /// <summary>The row of all training records of the target.</summary>
    internal const string AllRow = "all";

    /// <summary>The row of the source asked for the target's sets of labels, which it is where it is guided: what asking alone does.</summary>
    internal const string AskedRow = "source-asked";

    internal const string SheetSuffix = "";
    internal const string NearestSuffix = "-nearest";
    internal const string Utility = "utility";
    internal const string UtilityWithFew = "utility_with_few";
    internal const string Auc = "auc";
    internal const string AucWithFew = "auc_with_few";
    internal const string RhythmAuc = "rhythm_auc";
    internal const string RhythmAucWithFew = "rhythm_auc_with_few";

    private static readonly EcgComparison OfUtility = new(utility: true);
    private static readonly EcgComparison OfSets = new(utility: false);

    private EcgComparison(bool utility) => Quality = utility ? Auc : "kernel_distance";

    /// <summary>With a utility it decides when a method is at its best, else the kernel distance.</summary>
    internal static EcgComparison For(CompareRecipe recipe) => recipe.Utility is null ? OfSets : OfUtility;

    public string Noun => "records";

    public string Quality { get; }

    public string? Diversity => null;

    public string Copies => "memorised_share";

    public bool ShowsBestOfOneStep => false;

    public IReadOnlyList<ComparisonMeasure> Measures =>
    [
        new("heart_rate_distance", "heart rate W1", false), new("sdnn_distance", "SDNN W1", false), new("rmssd_distance", "RMSSD W1", false),
        new("no_rhythm_share", "no rhythm", false), new("breaking_share", "breaks lead equations", false), new(Copies, "memorised", false),
        new("frechet_distance", "Fréchet", false), new("kernel_distance", "kernel", false), new("precision", "precision", true), new("recall", "recall", true),
        new(Auc, "AUC", true), new(RhythmAuc, "rhythm AUC", null), new(AucWithFew, "AUC with few", true), new(RhythmAucWithFew, "rhythm AUC with few", null),
    ];

    public IReadOnlyList<(string Word, string Meaning)> Meanings =>
    [
        ("heart rate W1, SDNN W1, RMSSD W1", "Wasserstein distance between samples and held-out real records, in beats a minute and in milliseconds. The rows few and all say what real records are apart."),
        ("no rhythm", "share of samples in which fewer than three beats are found."),
        ("memorised", "share of samples nearer to a training record than half of the median distance of these to their nearest other."),
        ("Fréchet, kernel, precision, recall", "between samples and held-out records in the hidden layer of the classifier in brackets. With fewer records than dimensions the Fréchet distance is far too large."),
        ("AUC", "of a small classifier on real test records: trained on real records without the class, and the row's samples in place of those with it. Repeated to as many, so that few records do not lose for being few."),
        ("rhythm AUC", "the same of a logistic regression on four numbers of the RR intervals: a network that tells no more has learnt no more than the rhythm. Reported, not trusted: beats found in noise are irregular too, and noise in place of fibrillation scores high."),
        ("with few", "the few real training records and as many draws of the samples together."),
        ("few, all, source, source-asked", "no methods: the few training records themselves; all training records that the target has; the source as it is, which draws labels as its own records have them; the source asked for labels as the target's have them, so far as it has learnt them."),
    ];

    public string Footing => "Numbers of different counts of samples, of different networks or of other targets cannot be compared.";

    public string Legend =>
        "Rows that are no method: `few` is the few real training records themselves, `all` every real training record of the target (the ceiling), `source` the source as it is, `source-asked` the source asked for labels as the target's records have them (those that it has learnt), as a guided source is. "
        + "W1: Wasserstein distance to held-out real records, in beats a minute and milliseconds. AUC: of a small classifier on real test records, trained on real records without the class "
        + "and on the row's records in place of those with it; with few: on the few real ones as well. Rhythm AUC: of a regression on RR intervals, reported and not trusted, since beats found in noise are as irregular as fibrillation. Memorised: nearer to a training record than half of the median distance of these to their nearest other.";

    public IReadOnlyList<(string Suffix, string Caption, string Style)> Pictures =>
    [
        (SheetSuffix, "the first samples, none left out, beside held-out real records", ""), (NearestSuffix, "the most copied samples beside their nearest training records", ""),
    ];

    public ComparisonColumn ColumnOf(string metric, ComparisonMeasure measure)
    {
        var network = Networks.Select(n => metric.StartsWith(n, StringComparison.Ordinal) ? $" ({metric[n.Length..]})" : null).FirstOrDefault(n => n is not null);
        return new ComparisonColumn(metric, measure.Value, measure.Title + network, measure.Higher);
    }

    public IReadOnlyList<string> RowsBeside(CompareRecipe recipe, string target) =>
    [
        FewRow,
        .. recipe.Targets.Values.Any(t => t.Training.Ecg?.MaxCount > 0) ? (string[])[AllRow] : [],
        ComparisonCell.SourceName,
        .. recipe.Targets[target].Training.Ecg?.Labels is { Count: > 0 } ? (string[])[AskedRow] : [],
    ];

    public IReadOnlyList<long> SeedsBeside(CompareRecipe recipe) => recipe.Seeds;

    public bool IsOneDomain(CompareRecipe recipe)
    {
        var domains = recipe.Targets.Values.Select(t => Recipe.Describe(t.Training.Ecg! with { MaxCount = 0, Shuffle = false, Train = null, Seed = 0 })).ToList();
        return domains.TrueForAll(d => JsonNode.DeepEquals(d, domains[0]));
    }

    public JsonObject? DataOf(CompareRecipe recipe, ComparisonCell cell)
    {
        var target = recipe.Targets[cell.Target];
        var data = new JsonObject
        {
            ["training"] = Recipe.Describe(target.TrainingOf(cell.Seed).Ecg!),
            ["reference"] = Recipe.Describe(target.ReferenceOf(cell.Seed, recipe.Samples)!.Ecg!),
        };
        if (recipe.Utility is { } utility)
            data["utility"] = Recipe.Describe(utility);
        return data;
    }

    public void Check(CompareRecipe recipe)
    {
        foreach (var (name, target) in recipe.Targets)
        {
            Require(target.Training.Ecg is not null && target.Reference is null or { Ecg: not null }, $"has ECGs and other items among its targets ({name}): compare them apart");
            var (training, reference) = (target.Training.Ecg!, target.ReferenceOf(recipe.Seeds[0], recipe.Samples)?.Ecg);
            Require(reference is not null, $"has nothing to hold samples of {name} against: give targets.{name}.reference, which data alone do without that say how many records are for training (train)");
            Require(training.Split == EcgSplit.Train, $"trains on the split {Word(training.Split)} of {name}: nothing but train is for training");
            Require(reference!.Split != EcgSplit.Train, $"holds samples of {name} against records that may be trained on: give targets.{name}.reference.ecg.split test");
            Require(!target.DrawPerSeed || training.Train is not null || training is { Shuffle: true, MaxCount: > 0 }, $"asks for other draws of {name} with each seed, and nothing of it is drawn: give max_count with shuffle, or train");
            foreach (var row in RowsBeside(recipe, name))
                Require(!recipe.Methods.ContainsKey(row), $"calls a method '{row}', which is the name of a row without training: choose another");
        }

        if (recipe.Utility is { } utility)
        {
            Require(utility.Steps >= 1, "has utility.steps below 1");
            Require(utility.Negatives.Split == EcgSplit.Train, "trains on utility.negatives, which are of another split than train");
            Require(utility.Test.Split != EcgSplit.Train, "judges on utility.test, which may be trained on: give utility.test.split test");
        }

        void Require(bool holds, string fault)
        {
            if (!holds)
                throw new InputException($"The comparison {recipe.Name} {fault}.");
        }
    }

    public IComparisonBench Open(CompareRecipe recipe, DiffusionModel source, TrainingRun run) => new EcgBench(recipe, source, run);

    private static readonly string[] Networks = ["frechet_", "kernel_", "precision_recall_"];

    private static string Word(EcgSplit split) => split.ToString().ToLowerInvariant();
}
