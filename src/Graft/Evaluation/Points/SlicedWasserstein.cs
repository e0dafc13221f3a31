using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>
/// The sliced 2-Wasserstein distance √(mean over directions of W_2²) of two sets of points (Bonneel et al. 2015, eq. 8): along a line
/// W_2 is exact, by sorting. Of two finite sets of one distribution it is not 0; it falls as one over the root of their size.
/// </summary>
public static class SlicedWasserstein
{
    /// <summary>Directions that reports take.</summary>
    public const int Projections = 500;

    /// <summary>Measures.</summary>
    /// <param name="a">N items.</param>
    /// <param name="b">M items of the same shape.</param>
    /// <param name="projections">Directions, each uniform on the sphere.</param>
    /// <param name="seed">Of the directions.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">The shapes differ.</exception>
    public static double Of(ISampleSource a, ISampleSource b, int projections = Projections, long seed = 0, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        ArgumentOutOfRangeException.ThrowIfLessThan(projections, 1);
        PointSets.Check(a, b, least: 1);
        var (x, y) = (a.Numbers(), b.Numbers());
        var squares = new double[projections];
        Parallel.For(0, projections, new ParallelOptions { CancellationToken = cancellationToken }, k =>
        {
            var direction = Direction(seed, k, a.ItemShape.Elements);
            squares[k] = SquaredOnLine(Project(x, direction), Project(y, direction));
        });
        return Math.Sqrt(squares.Sum() / projections);
    }

    /// <summary>W_2² of two sets of numbers: their quantile functions' mean squared difference, whatever the two sizes.</summary>
    /// <param name="a">Sorted in place.</param>
    /// <param name="b">Sorted in place.</param>
    internal static double SquaredOnLine(double[] a, double[] b)
    {
        Array.Sort(a);
        Array.Sort(b);
        // Both quantile functions are staircases: between two ends of stairs, in units of 1/(N·M), both are constant.
        var (sum, at, i, j) = (0.0, 0L, 0, 0);
        long n = a.Length, m = b.Length;
        while (i < n && j < m)
        {
            var end = Math.Min((i + 1) * m, (j + 1) * n);
            sum += (end - at) * (a[i] - b[j]) * (a[i] - b[j]);
            at = end;
            if ((i + 1) * m == end)
                i++;
            if ((j + 1) * n == end)
                j++;
        }

        return sum / ((double)n * m);
    }

    /// <summary>A direction, uniform on the sphere: standard normal numbers (Box and Muller's) over their length.</summary>
    private static double[] Direction(long seed, int number, int dimensions)
    {
        var random = new KeyedRandom(seed, "sliced/direction");
        var direction = new double[dimensions];
        for (var i = 0; i < dimensions; i++)
        {
            var radius = Math.Sqrt(-2 * Math.Log(1 - random.Uniform(0, number, 2 * i)));
            direction[i] = radius * Math.Cos(2 * Math.PI * random.Uniform(0, number, (2 * i) + 1));
        }

        var length = Math.Sqrt(direction.Sum(v => v * v));
        return length > 0 ? Array.ConvertAll(direction, v => v / length) : [1, .. new double[dimensions - 1]];
    }

    private static double[] Project(double[,] points, double[] direction)
    {
        var along = new double[points.GetLength(0)];
        for (var i = 0; i < along.Length; i++)
        {
            for (var k = 0; k < direction.Length; k++)
                along[i] += points[i, k] * direction[k];
        }

        return along;
    }
}

/// <summary>The sliced 2-Wasserstein distance between samples and target, as a metric.</summary>
public sealed class SlicedWassersteinMetric : IMetric
{
    /// <inheritdoc/>
    public string Name => "sliced_wasserstein";

    /// <inheritdoc/>
    public MetricReport Measure(EvaluationInput input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        var found = SlicedWasserstein.Of(input.Samples, input.Target, SlicedWasserstein.Projections, input.Seed, cancellationToken);
        return new MetricReport
        {
            Metric = Name,
            Space = EuclideanDistance.Instance.Name,
            Values = [new("sliced_w2", found, input.Samples.Count)],
            Settings = new JsonObject { ["target"] = input.Target.Count, ["projections"] = SlicedWasserstein.Projections, ["seed"] = input.Seed },
            Notes = [$"Sliced 2-Wasserstein distance: {input.Samples.Count} samples against {input.Target.Count} items of the target, {SlicedWasserstein.Projections} directions. It is not 0 for two finite sets of one distribution; compare at equal numbers only."],
        };
    }
}
