using System.Globalization;
using System.Runtime.InteropServices;

namespace Graft.Evaluation;

/// <summary>So many of so many, with how uncertain the share is for the small number.</summary>
/// <param name="Count">How many have the property.</param>
/// <param name="Of">How many were looked at, at least 1.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Share(int Count, int Of)
{
    private const double Z = 1.959963984540054; // the normal distribution's 97.5 % quantile

    /// <summary>The share itself, in [0, 1].</summary>
    public double Value => Count / (double)Of;

    /// <summary>
    /// Wilson's 95 % score interval (Wilson 1927): (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n). It stays in [0, 1], and is not
    /// empty for 0 of n.
    /// </summary>
    public (double Low, double High) Interval
    {
        get
        {
            double n = Of;
            var (p, z2) = (Value, Z * Z);
            var middle = p + (z2 / (2 * n));
            var half = Z * Math.Sqrt((p * (1 - p) / n) + (z2 / (4 * n * n)));
            var whole = 1 + (z2 / n);
            // At the ends the bound is 0 or 1 exactly; rounding must not push it out.
            return (Count == 0 ? 0 : (middle - half) / whole, Count == Of ? 1 : (middle + half) / whole);
        }
    }

    /// <summary>As <c>9 % (3 of 32, 95 % interval 3 to 24 %)</c>.</summary>
    public override string ToString()
    {
        var (low, high) = Interval;
        return string.Create(CultureInfo.InvariantCulture, $"{100 * Value:0} % ({Count} of {Of}, 95 % interval {100 * low:0} to {100 * high:0} %)");
    }
}
