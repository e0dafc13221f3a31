using System.Globalization;
using System.Text.Json.Nodes;
using Graft.Data;

namespace Graft.Evaluation;

/// <summary>The Fréchet distance between samples and target (FID, where the network is FID's), as a metric.</summary>
public sealed class FrechetMetric(IFeatureSpace space) : IMetric
{
    /// <inheritdoc/>
    public string Name => $"frechet_{space.Name}";

    /// <inheritdoc/>
    public bool ComparesSets => true;

    /// <inheritdoc/>
    public MetricReport Measure(EvaluationInput input, CancellationToken cancellationToken = default)
    {
        var (target, samples) = (space.Of(input.Target, cancellationToken), space.Of(input.Samples, cancellationToken));
        var found = FrechetDistance.Of(target, samples) with { Noun = input.Target.Noun() };
        return new MetricReport
        {
            Metric = Name,
            Space = FeatureReport.SpaceOf(samples),
            SpaceHash = samples.NetworkHash,
            Values = [new("frechet_distance", found.Distance, samples.Count), new("mean_term", found.MeanTerm, samples.Count)],
            Settings = new JsonObject { ["ddof"] = FrechetResult.Ddof, ["target"] = target.Count, ["dimension"] = found.Dimension },
            Notes = [$"{FeatureReport.Title(space, "Fréchet distance")}: {samples.Count} samples against {target.Count} {input.Target.Noun()} of the target, ddof {FrechetResult.Ddof}.", .. found.Caution is { } caution ? [caution] : (string[])[]],
        };
    }
}

/// <summary>The kernel distance between samples and target (KID, where the network is FID's), as a metric.</summary>
public sealed class KernelMetric(IFeatureSpace space) : IMetric
{
    private const int Subsets = 100;
    private const int LargestSubset = 1000;

    /// <inheritdoc/>
    public string Name => $"kernel_{space.Name}";

    /// <inheritdoc/>
    public bool ComparesSets => true;

    /// <inheritdoc/>
    public MetricReport Measure(EvaluationInput input, CancellationToken cancellationToken = default)
    {
        var (target, samples) = (space.Of(input.Target, cancellationToken), space.Of(input.Samples, cancellationToken));
        // Subsets of the whole of both sets would all be the same: half of the smaller leaves room for a spread.
        var size = Math.Clamp(Math.Min(target.Count, samples.Count) / 2, 2, LargestSubset);
        var found = KernelDistance.Of(target, samples, Subsets, size, input.Seed);
        return new MetricReport
        {
            Metric = Name,
            Space = FeatureReport.SpaceOf(samples),
            SpaceHash = samples.NetworkHash,
            Values =
            [
                new("kernel_distance", found.Mean, samples.Count),
                new("deviation_over_subsets", found.StandardDeviation, samples.Count),
            ],
            Settings = new JsonObject { ["subsets"] = found.Subsets, ["subset_size"] = found.SubsetSize, ["seed"] = found.Seed, ["target"] = target.Count },
            Notes = [string.Create(CultureInfo.InvariantCulture, $"{FeatureReport.Title(space, "Kernel distance")}: unbiased, {found.Subsets} subsets of {found.SubsetSize} of {samples.Count} samples and {target.Count} {input.Target.Noun()} of the target.")],
        };
    }
}

/// <summary>Improved precision and recall, density and coverage, as a metric.</summary>
public sealed class PrecisionRecallMetric(IFeatureSpace space) : IMetric
{
    private const int Neighbours = 3;

    /// <inheritdoc/>
    public string Name => $"precision_recall_{space.Name}";

    /// <inheritdoc/>
    public bool ComparesSets => true;

    /// <inheritdoc/>
    public MetricReport Measure(EvaluationInput input, CancellationToken cancellationToken = default)
    {
        var (target, samples) = (space.Of(input.Target, cancellationToken), space.Of(input.Samples, cancellationToken));
        var found = PrecisionRecall.Of(target, samples, Neighbours);
        return new MetricReport
        {
            Metric = Name,
            Space = FeatureReport.SpaceOf(samples),
            SpaceHash = samples.NetworkHash,
            Values =
            [
                new("precision", found.Precision, samples.Count), new("recall", found.Recall, target.Count),
                new("density", found.Density, samples.Count), new("coverage", found.Coverage, target.Count),
            ],
            Settings = new JsonObject { ["k"] = found.K, ["target"] = target.Count },
            Notes = [$"Precision and recall: balls to the {Neighbours}rd neighbour, {samples.Count} samples against {target.Count} {input.Target.Noun()} of the target."],
        };
    }
}

/// <summary>
/// The Inception Score, as a metric: it looks at the samples alone. Over the classes of another network it is called class score, and
/// comparable with no published number.
/// </summary>
/// <param name="network">What classifies.</param>
/// <param name="space">The short name of the space.</param>
public sealed class InceptionScoreMetric(IClassifyingNetwork network, string space) : IMetric
{
    private const int Splits = 10;

    /// <inheritdoc/>
    public string Name => network is InceptionFeatures ? "inception_score" : $"class_score_{space}";

    /// <inheritdoc/>
    public MetricReport Measure(EvaluationInput input, CancellationToken cancellationToken = default)
    {
        var logits = network.ExtractLogits(input.Samples.Pictures(FeatureReport.Need), cancellationToken: cancellationToken);
        // The Inception Score is of 10 splits; its like may do with what there is.
        var splits = network is InceptionFeatures ? Splits : Math.Min(Splits, logits.Count);
        var found = InceptionScore.Of(logits, splits);
        return new MetricReport
        {
            Metric = Name,
            Space = FeatureReport.SpaceOf(logits),
            SpaceHash = logits.NetworkHash,
            Values = [new(network is InceptionFeatures ? "inception_score" : "class_score", found.Mean, logits.Count), new("deviation_over_splits", found.StandardDeviation, logits.Count)],
            Settings = new JsonObject { ["splits"] = splits },
            Notes = [$"{(network is InceptionFeatures ? "Inception Score" : "Class score")}: {splits} splits of {logits.Count} samples; it knows nothing of the target."],
        };
    }
}

/// <summary>Intra-LPIPS by the CDC protocol, as a metric; over another distance it is called by that one's name.</summary>
/// <param name="distance">LPIPS, or another.</param>
/// <param name="space">The short name of the space.</param>
public sealed class IntraLpipsMetric(IPictureDistance distance, string space) : IMetric
{
    /// <inheritdoc/>
    public string Name => $"intra_{space}";

    /// <inheritdoc/>
    public MetricReport Measure(EvaluationInput input, CancellationToken cancellationToken = default)
    {
        var found = IntraLpips.Of(distance, input.Samples.Pictures(FeatureReport.Need), input.Training.Pictures(FeatureReport.Need), IntraLpipsProtocol.Cdc, input.Seed, cancellationToken);
        var counted = found.ClusterMeans.Count(m => m is not null);
        return new MetricReport
        {
            Metric = Name,
            Space = distance.Name,
            SpaceHash = distance.Hash,
            Values =
            [
                new("intra_distance", found.Mean, found.SampleCount),
                new("deviation_over_clusters", found.StandardDeviation, counted),
                new("clusters", counted, found.ClusterMeans.Count, IsCount: true),
            ],
            Settings = new JsonObject { ["protocol"] = "cdc", ["most_members"] = found.MostMembers, ["seed"] = found.Seed },
            Notes = [$"Intra-cluster distance ({distance.Name}): protocol of CDC, at most {found.MostMembers} members a cluster; {counted} of {found.ClusterMeans.Count} training pictures are nearest to two samples or more. Higher is more diverse."],
            Details = new JsonObject { ["cluster_sizes"] = new JsonArray([.. found.ClusterSizes.Select(n => (JsonNode)n)]) },
        };
    }
}

/// <summary>What reports of features say alike.</summary>
internal static class FeatureReport
{
    /// <summary>What needs pictures.</summary>
    internal const string Need = "Networks that look at pictures compare";

    internal static string SpaceOf(FeatureSet features) => $"{features.Network}; {features.Preparation}";

    /// <summary>A published name only for the published network.</summary>
    internal static string Title(IFeatureSpace space, string what) => space is FeatureSpace { Network: InceptionFeatures }
        ? $"{what} (as {(what.StartsWith('F') ? "FID" : "KID")})"
        : $"{what} in {space.Name} (no published one)";
}
