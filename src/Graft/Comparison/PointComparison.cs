using System.Text.Json.Nodes;
using Graft.Recipes;
using Graft.Training;

namespace Graft.Comparison;

/// <summary>
/// Comparisons of points: distances between distributions, copies, and likelihood. Where the target is a mixture, rows that need no
/// training say what the numbers mean: fresh draws of it (the floor of each distance), and its closed-form score through the same sampler.
/// </summary>
internal sealed class PointComparison : IComparisonKind
{
    /// <summary>The row of fresh draws of the target.</summary>
    internal const string TargetRow = "target";

    /// <summary>The row of the target's closed-form score.</summary>
    internal const string OracleRow = "oracle";

    internal const string SamplesSuffix = "";
    internal const string RatioSuffix = "-ratio";
    internal const string RatioError = "log_ratio_error";
    internal const string KeptStep = "kept_step";

    private PointComparison()
    {
    }

    internal static PointComparison Instance { get; } = new();

    public string Noun => "points";

    public string Quality => "sliced_w2";

    public string? Diversity => null;

    public string Copies => "memorised_share";

    public bool ShowsBestOfOneStep => false;

    public IReadOnlyList<ComparisonMeasure> Measures =>
    [
        new("energy_distance", "energy", false), new(Quality, "sliced W2", false), new("mean_density", "mean likelihood", null),
        new(Copies, "memorised", false), new(RatioError, "log-ratio error", false), new(KeptStep, "kept step", null),
    ];

    public IReadOnlyList<(string Word, string Meaning)> Meanings =>
    [
        ("energy", "energy distance to fresh draws of the true target, as many as there are samples; unbiased, may come out below 0."),
        ("sliced W2", "root of the mean over 500 directions of the squared 2-Wasserstein distance to the same draws. Not 0 for two sets of one distribution: the row target is its floor."),
        ("mean likelihood", "mean true density of the samples, as the TGDP paper reports. Reported, not trusted: copies, and samples that crowd at the modes, score higher than true draws do. Compare with the row target; neither way is better."),
        ("memorised", "share of samples nearer to a training point than half of the median distance of these to their nearest other. Among many points a true draw does so by chance: the row target says how often."),
        ("log-ratio error", "of a method that guides by a learnt density ratio: root mean square over draws of the target of its log ratio at t = 0 less the true one, without the constant, which guides nothing."),
        ("kept step", "the step whose weights the held-out points chose, where they were asked."),
        ("target, oracle, source", "no methods: fresh draws of the true target; its closed-form score through the same sampler; the source as it is."),
    ];

    public string Footing => "Numbers of different counts of samples cannot be compared.";

    public string Legend =>
        "Rows that are no method: `target` is fresh draws of the true target against others (the floor of each distance), `oracle` the target's closed-form score "
        + "through the same sampler, `source` the source as it is. The mean likelihood is reported, not trusted: copies, and samples that crowd at the modes, exceed "
        + "true draws; neither way is better. Memorised: nearer to a training point than half of the median distance of these to their nearest other; among many points "
        + "true draws lie so near by chance, as often as the row `target` says.";

    public IReadOnlyList<(string Suffix, string Caption, string Style)> Pictures =>
    [
        (SamplesSuffix, "samples over the true density of the target", "sheet"), (RatioSuffix, "log q/p at t = 0: as learnt, and the true one", ""),
    ];

    public ComparisonColumn ColumnOf(string metric, ComparisonMeasure measure) => new(metric, measure.Value, measure.Title, measure.Higher);

    public IReadOnlyList<string> RowsBeside(CompareRecipe recipe, string target) => recipe.Targets[target].ReferenceOf(recipe.Seeds[0], recipe.Samples)?.Mixture is null
        ? [ComparisonCell.SourceName]
        : [TargetRow, OracleRow, ComparisonCell.SourceName];

    public IReadOnlyList<long> SeedsBeside(CompareRecipe recipe) => recipe.Seeds;

    public bool IsOneDomain(CompareRecipe recipe)
    {
        var domains = recipe.Targets.Values.Select(t => t.Training.Mixture is { } mixture ? mixture with { Count = 1, Seed = 0 } : null).ToList();
        return domains.TrueForAll(d => d is not null && JsonNode.DeepEquals(Recipe.Describe(d), Recipe.Describe(domains[0]!)));
    }

    public JsonObject? DataOf(CompareRecipe recipe, ComparisonCell cell)
    {
        var target = recipe.Targets[cell.Target];
        return new JsonObject { ["training"] = Of(target.TrainingOf(cell.Seed)), ["reference"] = Of(target.ReferenceOf(cell.Seed, recipe.Samples)!) };

        static JsonObject Of(DataOptions data) => data.Mixture is { } mixture ? Recipe.Describe(mixture) : new JsonObject { ["points"] = data.Points };
    }

    public void Check(CompareRecipe recipe)
    {
        foreach (var (name, target) in recipe.Targets)
        {
            Require(target.Training.IsPoints && target.Reference is null or { IsPoints: true }, $"has points and pictures among its targets ({name}): compare them apart");
            Require(target.Reference is not null || target.Training.Mixture is not null, $"has nothing to hold samples of {name} against: give targets.{name}.reference, which a mixture alone does without");
            foreach (var row in RowsBeside(recipe, name))
                Require(!recipe.Methods.ContainsKey(row), $"calls a method '{row}', which is the name of a row without training: choose another");
        }

        Require(recipe.Features.Count == 0, "names feature networks, which look at pictures, and its targets are points: leave features out");

        void Require(bool holds, string fault)
        {
            if (!holds)
                throw new InputException($"The comparison {recipe.Name} {fault}.");
        }
    }

    public IComparisonBench Open(CompareRecipe recipe, DiffusionModel source, TrainingRun run) => new PointBench(recipe, source, run);
}
