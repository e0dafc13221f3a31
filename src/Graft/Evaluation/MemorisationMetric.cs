using System.Text.Json.Nodes;
using Graft.Data;

namespace Graft.Evaluation;

/// <summary>How many samples are copies of training pictures, as a metric: see <see cref="Memorisation"/>.</summary>
/// <param name="options">How; pixels if null.</param>
/// <param name="space">The short name of the space, part of the metric's and its pictures' names; null for pixels.</param>
public sealed class MemorisationMetric(MemorisationOptions? options = null, string? space = null) : IMetric
{
    private readonly MemorisationOptions _options = options ?? new MemorisationOptions();

    /// <inheritdoc/>
    public string Name => space is null ? "memorisation" : $"memorisation_{space}";

    /// <inheritdoc/>
    public MetricReport Measure(EvaluationInput input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        cancellationToken.ThrowIfCancellationRequested();
        var found = new MemorisationMeter(input.Training, _options with { Mirrored = input.Mirrored, Seed = input.Seed }).Measure(input.Samples);
        return new MetricReport
        {
            Metric = Name,
            Space = found.Distance.Name,
            SpaceHash = found.Distance.Hash,
            Values = [.. Values(found)],
            Settings = new JsonObject
            {
                ["bar"] = Memorisation.Bar,
                ["mirrored"] = found.Mirrored,
                ["training"] = found.TrainingTotal,
                ["compared_with"] = found.Training.Count,
                ["left_out"] = found.LeftOut.Count,
                ["seed"] = input.Seed,
            },
            Notes = [.. Notes(found)],
            Details = Details(found),
            Pictures = MemorisationPictures.Of(found).ToDictionary(
                p => space is null ? p.Key : $"{Path.GetFileNameWithoutExtension(p.Key)}-{space}{Path.GetExtension(p.Key)}", p => p.Value),
        };
    }

    private static IEnumerable<MetricValue> Values(Memorisation found)
    {
        var (samples, training) = (found.Nearest.Count, found.LeaveOneOut.Count);
        var share = found.Memorised;
        yield return new("memorised_share", share?.Value, samples, share?.Interval.Low, share?.Interval.High);
        yield return new("median_distance_ratio", found.MedianRatio, samples);
        yield return new("median_distance", found.MedianDistance, samples);
        yield return new("smallest_distance", found.Nearest.Min(n => n.Distance), samples);
        yield return new("median_leave_one_out", found.MedianLeaveOneOut, training);
        yield return new("duplicate_pairs", training == 0 ? null : found.Duplicates.Count, training, IsCount: true);
    }

    private static IEnumerable<string> Notes(Memorisation found)
    {
        yield return $"Memorisation: {found.Description}; memorised is what lies nearer than half of the median leave-one-out distance.";
        if (found.NoShare is { } reason)
            yield return reason;
        if (found.LeftOut.Count is > 0 and var left && left < found.Training.Count)
            yield return FormattableString.Invariant($"Leave-one-out distances are those of {left:N0} training {found.Training.Noun()}, drawn by the seed, to all others.");
        var twins = found.Duplicates;
        if (twins.Count > 0)
            yield return $"{twins.Count} pair{(twins.Count == 1 ? "" : "s")} of training {found.Training.Noun()} are equal{(twins.Count > 5 ? ", as" : "")}: {string.Join("; ", twins.Take(5).Select(t => Pair(found, t)))}.";
    }

    private static string Pair(Memorisation found, (int First, int Second, bool Mirrored) twin) =>
        $"{found.Training.Name(twin.First)} and {found.Training.Name(twin.Second)}{(twin.Mirrored ? " (mirrored)" : "")}";

    private static JsonObject Details(Memorisation found) => new()
    {
        ["distance_quantiles"] = Quantile(found.Nearest),
        ["leave_one_out_quantiles"] = found.LeaveOneOut.Count == 0 ? null : Quantile(found.LeaveOneOut),
        ["curve"] = new JsonArray([.. found.Curve.Select(point => (JsonNode)new JsonObject
        {
            ["multiple"] = point.Multiple,
            ["share"] = point.Share.Value,
            ["low"] = point.Share.Interval.Low,
            ["high"] = point.Share.Interval.High,
            ["n"] = point.Share.Of,
        })]),
        ["duplicates"] = new JsonArray([.. found.Duplicates.Select(t => (JsonNode)new JsonObject
        {
            ["first"] = found.Training.Name(t.First),
            ["second"] = found.Training.Name(t.Second),
            ["mirrored"] = t.Mirrored,
        })]),
        ["samples"] = new JsonArray([.. found.Nearest.Select((n, i) => Row(found.Samples.Name(i), found, n))]),
        ["training"] = new JsonArray([.. found.LeftOut.Zip(found.LeaveOneOut, (i, n) => Row(found.Training.Name(i), found, n))]),
    };

    private static JsonObject Row(string name, Memorisation found, Neighbour neighbour) => new()
    {
        ["name"] = name,
        ["nearest"] = found.Training.Name(neighbour.Index),
        ["mirrored"] = neighbour.Mirrored,
        ["distance"] = neighbour.Distance,
    };

    private static JsonObject Quantile(IReadOnlyList<Neighbour> neighbours) => new(
        Quantiles.Reported.Select(q => KeyValuePair.Create(
            q.ToString(System.Globalization.CultureInfo.InvariantCulture), (JsonNode?)Quantiles.At(neighbours.Select(n => n.Distance), q))));
}
