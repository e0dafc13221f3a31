using System.Globalization;

namespace Graft.Comparison;

/// <summary>How one set of seeds stands against another.</summary>
public enum Standing
{
    /// <summary>Their ranges meet, or one has a single seed: nothing is said.</summary>
    Open,

    /// <summary>Every seed is better than every seed of the other.</summary>
    Better,

    /// <summary>Every seed is worse than every seed of the other.</summary>
    Worse,
}

/// <summary>Values of several seeds: their mean and spread.</summary>
/// <param name="Mean">Mean.</param>
/// <param name="Deviation">Deviation (divisor: seeds less one); null of one seed.</param>
/// <param name="Least">The lowest.</param>
/// <param name="Most">The highest.</param>
/// <param name="Seeds">How many.</param>
public readonly record struct SeedSpread(double Mean, double? Deviation, double Least, double Most, int Seeds)
{
    /// <inheritdoc/>
    public override string ToString() => Deviation is { } deviation
        ? string.Create(CultureInfo.InvariantCulture, $"{Mean:G3} ± {deviation:G2}")
        : Mean.ToString("G3", CultureInfo.InvariantCulture);

    internal static SeedSpread? Of(IReadOnlyList<double> values) => values.Count == 0 ? null : new SeedSpread(
        values.Average(),
        values.Count > 1 ? Math.Sqrt(values.Sum(v => Math.Pow(v - values.Average(), 2)) / (values.Count - 1)) : null,
        values.Min(), values.Max(), values.Count);

    /// <summary>How these seeds stand against others.</summary>
    /// <param name="other">The others.</param>
    /// <param name="higherIsBetter">Which way is better.</param>
    internal Standing Against(SeedSpread other, bool higherIsBetter)
    {
        if (Seeds < 2 || other.Seeds < 2)
            return Standing.Open;
        if (Least > other.Most)
            return higherIsBetter ? Standing.Better : Standing.Worse;
        return Most < other.Least ? (higherIsBetter ? Standing.Worse : Standing.Better) : Standing.Open;
    }
}
