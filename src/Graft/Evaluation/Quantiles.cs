namespace Graft.Evaluation;

/// <summary>Quantiles by linear interpolation between order statistics (type 7 of Hyndman and Fan 1996, NumPy's default).</summary>
public static class Quantiles
{
    /// <summary>The shares that reports list.</summary>
    public static IReadOnlyList<double> Reported { get; } = [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1];

    /// <summary>The value below which a share of the values lies.</summary>
    /// <param name="values">At least one, in any order.</param>
    /// <param name="share">0 (the smallest) to 1 (the largest).</param>
    public static double At(IEnumerable<double> values, double share)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(share);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(share, 1);
        var sorted = values.Order().ToArray();
        ArgumentOutOfRangeException.ThrowIfZero(sorted.Length, nameof(values));
        var position = share * (sorted.Length - 1);
        var below = (int)position;
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((position - below) * (sorted[above] - sorted[below]));
    }

    /// <summary>The median; of an even number of values the mean of the middle two.</summary>
    public static double Median(IEnumerable<double> values) => At(values, 0.5);
}
