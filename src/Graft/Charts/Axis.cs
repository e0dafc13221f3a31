using System.Globalization;

namespace Graft.Charts;

/// <summary>Where an axis has its ticks, and how they are labelled.</summary>
internal static class Axis
{
    /// <summary>Round numbers within a range, 1, 2 or 5 times a power of ten apart.</summary>
    /// <param name="from">The lower end.</param>
    /// <param name="to">The upper end, above it.</param>
    /// <param name="most">At most so many ticks, at least 2.</param>
    internal static double[] Ticks(double from, double to, int most)
    {
        var step = Step(from, to, most);
        var first = (long)Math.Ceiling((from / step) - 1e-9);
        var last = (long)Math.Floor((to / step) + 1e-9);
        return [.. Enumerable.Range(0, (int)(last - first + 1)).Select(i => (first + i) * step)];
    }

    /// <summary>Labels of ticks, all with as many decimals as the distance between them needs.</summary>
    internal static string[] Labels(IReadOnlyList<double> ticks)
    {
        if (ticks.Count < 2)
            return [.. ticks.Select(t => t.ToString("G4", CultureInfo.InvariantCulture))];
        var (largest, step) = (ticks.Max(Math.Abs), ticks[1] - ticks[0]);
        if (largest >= 1e6 || (step < 1e-5 && largest > 0))
            return [.. ticks.Select(t => t.ToString("0.##e0", CultureInfo.InvariantCulture))];
        var decimals = Math.Max(0, -(int)Math.Floor(Math.Log10(step) + 1e-9));
        return [.. ticks.Select(t => (Math.Abs(t) < step / 2 ? 0 : t).ToString($"F{decimals}", CultureInfo.InvariantCulture))];
    }

    /// <summary>A range that ends at round numbers and holds all values; one of no extent is widened.</summary>
    internal static (double From, double To) Around(IEnumerable<double> values)
    {
        var finite = values.Where(double.IsFinite).DefaultIfEmpty(0).ToArray();
        var (low, high) = (finite.Min(), finite.Max());
        if (high - low <= 1e-12 * Math.Max(Math.Abs(low), Math.Abs(high)))
            (low, high) = low == 0 ? (0, 1) : (low - (Math.Abs(low) / 2), high + (Math.Abs(high) / 2));
        var step = Step(low, high, 6);
        return (Math.Floor((low / step) + 1e-9) * step, Math.Ceiling((high / step) - 1e-9) * step);
    }

    private static double Step(double from, double to, int most)
    {
        var rough = (to - from) / Math.Max(1, most - 1);
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var factor = (rough / power) switch
        {
            <= 1 + 1e-9 => 1,
            <= 2 + 1e-9 => 2,
            <= 5 + 1e-9 => 5,
            _ => 10,
        };
        return factor * power;
    }
}
