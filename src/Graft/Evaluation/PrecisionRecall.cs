using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>
/// Improved precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020). A set stands for the union of
/// balls around its points, each reaching to the k-th nearest other point of the set.
/// </summary>
public static class PrecisionRecall
{
    private const string Measure = "Precision and recall";

    /// <inheritdoc cref="Of(double[,], double[,], int)"/>
    public static PrecisionRecallResult Of(FeatureSet reference, FeatureSet samples, int k = 3)
    {
        FeatureSet.CheckComparable(reference, samples);
        return Of(reference.Values, samples.Values, k);
    }

    /// <summary>All four measures.</summary>
    /// <param name="reference">The real pictures' features, [N, D].</param>
    /// <param name="samples">The samples', [M, D].</param>
    /// <param name="k">Which neighbour a ball reaches to.</param>
    /// <exception cref="InputException">They come from different networks, dimensions differ, or a set has no more than k pictures.</exception>
    public static PrecisionRecallResult Of(double[,] reference, double[,] samples, int k = 3)
    {
        Matrix.Check(reference, samples, Measure);
        var (realRadii, fakeRadii) = (Radii(reference, k), Radii(samples, k));
        var (n, m) = (reference.GetLength(0), samples.GetLength(0));
        var balls = new int[m]; // real balls that hold sample j
        var covered = new bool[n]; // whether the ball of real picture i holds a sample
        var recalled = new bool[n]; // whether the ball of a sample holds real picture i
        Parallel.For(0, n, TorchRuntime.Parallelism(), i =>
        {
            for (var j = 0; j < m; j++)
            {
                var distance = Math.Sqrt(Matrix.SquaredDistance(Matrix.Row(reference, i), Matrix.Row(samples, j)));
                recalled[i] |= distance <= fakeRadii[j];
                if (distance > realRadii[i])
                    continue;
                covered[i] = true;
                Interlocked.Increment(ref balls[j]);
            }
        });
        return new PrecisionRecallResult
        {
            Precision = balls.Count(b => b > 0) / (double)m,
            Recall = recalled.Count(r => r) / (double)n,
            Density = balls.Sum(b => (long)b) / ((double)k * m),
            Coverage = covered.Count(c => c) / (double)n,
            K = k,
            ReferenceCount = n,
            SampleCount = m,
        };
    }

    /// <summary>For each point the distance to its k-th nearest neighbour, itself not counted.</summary>
    /// <param name="features">[N, D].</param>
    /// <param name="k">Which neighbour.</param>
    /// <exception cref="InputException">There are no more than k points.</exception>
    public static double[] Radii(double[,] features, int k)
    {
        ArgumentNullException.ThrowIfNull(features);
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        var n = features.GetLength(0);
        if (n <= k)
            throw new InputException($"{Measure} with k = {k} need more than {k} pictures in each set, and one has {n}.");
        var radii = new double[n];
        Parallel.For(0, n, TorchRuntime.Parallelism(), i =>
        {
            var distances = new double[n - 1];
            for (var j = 0; j < n; j++)
            {
                if (j != i)
                    distances[j < i ? j : j - 1] = Matrix.SquaredDistance(Matrix.Row(features, i), Matrix.Row(features, j));
            }

            Array.Sort(distances);
            radii[i] = Math.Sqrt(distances[k - 1]);
        });
        return radii;
    }

    /// <summary>For each point whether it lies in the ball of at least one reference point, its rim included.</summary>
    /// <param name="points">[M, D].</param>
    /// <param name="reference">[N, D].</param>
    /// <param name="radii">Of the reference points, [N].</param>
    public static bool[] Inside(double[,] points, double[,] reference, double[] radii)
    {
        Matrix.Check(points, reference, Measure);
        ArgumentNullException.ThrowIfNull(radii);
        var inside = new bool[points.GetLength(0)];
        Parallel.For(0, inside.Length, TorchRuntime.Parallelism(), j =>
        {
            for (var i = 0; i < radii.Length && !inside[j]; i++)
                inside[j] = Math.Sqrt(Matrix.SquaredDistance(Matrix.Row(reference, i), Matrix.Row(points, j))) <= radii[i];
        });
        return inside;
    }
}

/// <summary>Precision, recall, density and coverage.</summary>
public sealed record PrecisionRecallResult
{
    /// <summary>Share of samples inside the real set's balls: how many look real.</summary>
    public required double Precision { get; init; }

    /// <summary>Share of real pictures inside the samples' balls: how much of the real variety is there.</summary>
    public required double Recall { get; init; }

    /// <summary>Mean number of real balls that hold a sample, over k; above 1 where samples crowd together. Less moved by outliers than precision.</summary>
    public required double Density { get; init; }

    /// <summary>Share of real pictures whose ball holds a sample. Less moved by outliers than recall.</summary>
    public required double Coverage { get; init; }

    /// <summary>Which neighbour a ball reaches to.</summary>
    public required int K { get; init; }

    /// <summary>Pictures of the reference.</summary>
    public required int ReferenceCount { get; init; }

    /// <summary>Pictures that were judged.</summary>
    public required int SampleCount { get; init; }
}
