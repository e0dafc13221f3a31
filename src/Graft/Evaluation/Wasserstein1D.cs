namespace Graft.Evaluation;

/// <summary>
/// The Wasserstein distance W₁ between two sets of numbers: the area between their distribution functions, ∫|F(x) − G(x)| dx, in the numbers' unit.
/// It is the mean distance by which one has to be moved to become the other (Ramdas et al. 2017, "On Wasserstein two sample testing"; SciPy's <c>wasserstein_distance</c>).
/// </summary>
public static class Wasserstein1D
{
    /// <summary>Measures.</summary>
    /// <param name="a">At least one finite number.</param>
    /// <param name="b">At least one finite number; the counts may differ.</param>
    /// <exception cref="ArgumentException">A set is empty, or holds what is not finite.</exception>
    public static double Of(IEnumerable<double> a, IEnumerable<double> b)
    {
        double[] x = [.. a.Order()], y = [.. b.Order()];
        if (x.Length == 0 || y.Length == 0 || !x.All(double.IsFinite) || !y.All(double.IsFinite))
            throw new ArgumentException("finite numbers are needed in both sets", x.Length == 0 || !x.All(double.IsFinite) ? nameof(a) : nameof(b));
        double[] all = [.. x.Concat(y).Order()];
        var (area, i, j) = (0.0, 0, 0);
        for (var k = 0; k + 1 < all.Length; k++)
        {
            while (i < x.Length && x[i] <= all[k])
                i++;
            while (j < y.Length && y[j] <= all[k])
                j++;
            area += Math.Abs((i / (double)x.Length) - (j / (double)y.Length)) * (all[k + 1] - all[k]);
        }

        return area;
    }
}
