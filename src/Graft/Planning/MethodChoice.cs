using System.Globalization;

namespace Graft.Planning;

/// <summary>A method's best measurement on a target: the lowest kernel distance among the steps at which few enough samples are copies.</summary>
/// <param name="Target">The target.</param>
/// <param name="Point">The measurement; null: at every step too many samples are copies.</param>
public sealed record BestPoint(string Target, MeasuredPoint? Point);

/// <summary>A method in the order of a choice.</summary>
/// <param name="Name">Its name in the comparison.</param>
/// <param name="Method">What was measured.</param>
/// <param name="MeanRank">Its rank, 1 the best, over the targets.</param>
/// <param name="Best">Its best points.</param>
public sealed record RankedMethod(string Name, MeasuredMethod Method, double MeanRank, IReadOnlyList<BestPoint> Best);

/// <summary>
/// The order of a comparison's methods. Each is judged at its best: on each target at the step with the lowest kernel distance in a
/// space, among the steps whose memorised share stays at or below a bar in every space. The order is that of the mean rank over the
/// targets. The kernel distance decides, since it is unbiased for few pictures, which the Fréchet distance is not.
/// </summary>
public static class MethodChoice
{
    /// <summary>Share of copies that is put up with unless another is named.</summary>
    public const double UsualBar = 0.1;

    /// <summary>Orders the methods, the best first.</summary>
    /// <param name="comparison">The measurements.</param>
    /// <param name="bar">Largest memorised share.</param>
    /// <param name="space">The space; null: the first.</param>
    public static IReadOnlyList<RankedMethod> Rank(MeasuredComparison comparison, double bar, string? space = null)
    {
        ArgumentNullException.ThrowIfNull(comparison);
        space ??= comparison.Spaces[0];
        var targets = comparison.Methods.Values.SelectMany(m => m.Points).Select(p => p.Target).Distinct().ToList();
        var best = comparison.Methods.ToDictionary(m => m.Key, m => targets.ToDictionary(t => t, t => m.Value.Points
            .Where(p => p.Target == t && p.Memorised <= bar).OrderBy(p => p.Kernel[space]).ThenBy(p => p.Step).FirstOrDefault()));
        return [.. comparison.Methods
            .Select(m => new RankedMethod(m.Key, m.Value, targets.Average(t => RankOf(m.Key, t)), [.. targets.Select(t => new BestPoint(t, best[m.Key][t]))]))
            .OrderBy(m => m.MeanRank).ThenBy(m => m.Best.Average(b => b.Point?.Kernel[space] ?? double.MaxValue)).ThenBy(m => m.Name, StringComparer.Ordinal)];

        // One more than the number of methods that are better; those without a point share the last place.
        int RankOf(string method, string target) => best[method][target] is { } own
            ? 1 + best.Values.Count(b => b[target] is { } other && other.Kernel[space] < own.Kernel[space])
            : best.Count;
    }

    /// <summary>The median of the best steps over the targets, the lower one of two; null where no target has one.</summary>
    public static long? StepsOf(RankedMethod method)
    {
        ArgumentNullException.ThrowIfNull(method);
        var steps = method.Best.Select(b => b.Point?.Step).OfType<long>().Order().ToList();
        return steps.Count == 0 ? null : steps[(steps.Count - 1) / 2];
    }

    /// <summary>On how many targets the first lies ahead of the second by more than both deviations over the seeds together, in words.</summary>
    /// <param name="first">A method.</param>
    /// <param name="second">Another.</param>
    /// <param name="space">The space.</param>
    public static string Lead(RankedMethod first, RankedMethod second, string space)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        var pairs = first.Best.Zip(second.Best).Where(p => p.First.Point is not null && p.Second.Point is not null).Select(p => (A: p.First.Point!, B: p.Second.Point!)).ToList();
        if (pairs.Count == 0)
            return $"{second.Name} has no step with so few copies";
        if (pairs.Any(p => !p.A.KernelDeviation.ContainsKey(space) || !p.B.KernelDeviation.ContainsKey(space)))
            return $"one seed alone, so that nobody knows whether the lead over {second.Name} is more than chance";
        var ahead = pairs.Count(p => p.B.Kernel[space] - p.A.Kernel[space] > p.A.KernelDeviation[space] + p.B.KernelDeviation[space]);
        return string.Create(CultureInfo.InvariantCulture, $"ahead of {second.Name} beyond the spread of the seeds on {ahead} of {first.Best.Count} target{(first.Best.Count == 1 ? "" : "s")}");
    }
}
