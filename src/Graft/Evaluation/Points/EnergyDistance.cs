using System.Text.Json.Nodes;
using Graft.Data;

namespace Graft.Evaluation;

/// <summary>
/// The energy distance 2E|X − Y| − E|X − X′| − E|Y − Y′| of two sets of points (Székely and Rizzo 2013, eq. 6): 0 for equal
/// distributions only. Estimated without bias (means over pairs of different points), so that it may fall below 0 by chance.
/// </summary>
public static class EnergyDistance
{
    /// <summary>Measures.</summary>
    /// <param name="a">N items, at least 2.</param>
    /// <param name="b">M items of the same shape, at least 2.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">The shapes differ, or a set has one item.</exception>
    public static double Of(ISampleSource a, ISampleSource b, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        PointSets.Check(a, b, least: 2);
        var (x, y) = (a.Numbers(), b.Numbers());
        double n = a.Count, m = b.Count;
        var across = Sum(x, y, upper: false, cancellationToken) / (n * m);
        return (2 * across) - (2 * Sum(x, x, upper: true, cancellationToken) / (n * (n - 1))) - (2 * Sum(y, y, upper: true, cancellationToken) / (m * (m - 1)));
    }

    /// <summary>Σ |x_i − y_j|, over j &gt; i only where the sets are one. Rows are added in order, whatever the number of threads.</summary>
    private static double Sum(double[,] x, double[,] y, bool upper, CancellationToken cancellationToken)
    {
        var rows = new double[x.GetLength(0)];
        Parallel.For(0, rows.Length, new ParallelOptions { CancellationToken = cancellationToken }, i =>
        {
            var own = Matrix.Row(x, i);
            var sum = 0.0;
            for (var j = upper ? i + 1 : 0; j < y.GetLength(0); j++)
                sum += Math.Sqrt(Matrix.SquaredDistance(own, Matrix.Row(y, j)));
            rows[i] = sum;
        });
        return rows.Sum();
    }
}

/// <summary>The energy distance between samples and target, as a metric.</summary>
public sealed class EnergyMetric : IMetric
{
    /// <inheritdoc/>
    public string Name => "energy";

    /// <inheritdoc/>
    public MetricReport Measure(EvaluationInput input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        var found = EnergyDistance.Of(input.Samples, input.Target, cancellationToken);
        return new MetricReport
        {
            Metric = Name,
            Space = EuclideanDistance.Instance.Name,
            Values = [new("energy_distance", found, input.Samples.Count)],
            Settings = new JsonObject { ["target"] = input.Target.Count, ["estimator"] = "unbiased" },
            Notes = [$"Energy distance: {input.Samples.Count} samples against {input.Target.Count} items of the target; unbiased, so that it may fall below 0."],
        };
    }
}

/// <summary>What measures of two sets check alike.</summary>
internal static class PointSets
{
    internal static void Check(ISampleSource a, ISampleSource b, int least)
    {
        if (a.ItemShape != b.ItemShape)
            throw new InputException($"Items of {a.ItemShape} ({a.Description}) cannot be compared with items of {b.ItemShape} ({b.Description}): bring them to one shape.");
        if (Math.Min(a.Count, b.Count) < least)
            throw new InputException($"A distance between distributions takes at least {least} items of each: {a.Description} has {a.Count}, {b.Description} {b.Count}.");
    }
}
