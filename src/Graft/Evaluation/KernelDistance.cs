using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>
/// KID, the kernel distance between two sets of features (Bińkowski et al. 2018): the unbiased estimate of the squared maximum mean
/// discrepancy under the kernel (x·y/D + 1)³, as the mean over subsets. Unlike a Fréchet distance it is unbiased for few pictures,
/// and so may come out below 0.
/// </summary>
public static class KernelDistance
{
    private const string Measure = "KID";
    private const int WholeKernel = 3000;

    /// <inheritdoc cref="Of(double[,], double[,], int, int, long)"/>
    public static KernelResult Of(FeatureSet reference, FeatureSet samples, int subsets = 100, int subsetSize = 1000, long seed = 0)
    {
        FeatureSet.CheckComparable(reference, samples);
        return Of(reference.Values, samples.Values, subsets, subsetSize, seed);
    }

    /// <summary>KID as the mean over random subsets without repetition, with their deviation.</summary>
    /// <param name="reference">The real pictures' features, [N, D].</param>
    /// <param name="samples">The samples', [M, D].</param>
    /// <param name="subsets">How many subsets.</param>
    /// <param name="subsetSize">Pictures of each set in a subset; lessened to the smaller set where that is smaller.</param>
    /// <param name="seed">Which subsets.</param>
    /// <exception cref="InputException">They come from different networks, dimensions differ, or a set has fewer than two pictures.</exception>
    public static KernelResult Of(double[,] reference, double[,] samples, int subsets = 100, int subsetSize = 1000, long seed = 0)
    {
        Matrix.Check(reference, samples, Measure);
        ArgumentOutOfRangeException.ThrowIfLessThan(subsets, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(subsetSize, 2);
        var (n, m) = (reference.GetLength(0), samples.GetLength(0));
        var size = Math.Min(subsetSize, Math.Min(n, m));
        CheckSize(size);
        // Subsets that are the whole of both sets are all the same.
        var whole = size == n && size == m;
        var (first, second) = (new KeyedRandom(seed, "kid/reference"), new KeyedRandom(seed, "kid/samples"));
        var choices = Enumerable.Range(0, whole ? 1 : subsets)
            .Select(s => (first.Permutation(s, n)[..size], second.Permutation(s, m)[..size]));
        var values = OfSubsets(reference, samples, [.. choices]);
        var mean = values.Average();
        return new KernelResult
        {
            Mean = mean,
            StandardDeviation = whole ? null : Math.Sqrt(values.Average(v => (v - mean) * (v - mean))),
            Subsets = values.Length,
            SubsetSize = size,
            Seed = seed,
            ReferenceCount = n,
            SampleCount = m,
        };
    }

    /// <summary>The unbiased estimate of the squared maximum mean discrepancy from all pictures at once.</summary>
    /// <param name="reference">[N, D].</param>
    /// <param name="samples">[M, D].</param>
    /// <exception cref="InputException">Dimensions differ, or a set has fewer than two rows.</exception>
    public static double Unbiased(double[,] reference, double[,] samples)
    {
        Matrix.Check(reference, samples, Measure);
        CheckSize(Math.Min(reference.GetLength(0), samples.GetLength(0)));
        return OfSubsets(reference, samples, [([.. Enumerable.Range(0, reference.GetLength(0))], [.. Enumerable.Range(0, samples.GetLength(0))])])[0];
    }

    /// <summary>The estimate of each given pair of subsets.</summary>
    /// <param name="reference">[N, D].</param>
    /// <param name="samples">[M, D].</param>
    /// <param name="subsets">Row numbers of either set, two or more of each.</param>
    public static double[] OfSubsets(double[,] reference, double[,] samples, IReadOnlyList<(int[] Reference, int[] Samples)> subsets)
    {
        ArgumentNullException.ThrowIfNull(subsets);
        Matrix.Check(reference, samples, Measure);
        return TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            var (x, y) = (Matrix.ToTensor(reference), Matrix.ToTensor(samples));
            // Sets that are small enough get their kernel once, whatever the number of subsets.
            var kernels = subsets.Count > 1 && Math.Max(x.Size(0), y.Size(0)) <= WholeKernel
                ? (XX: Kernel(x, x), YY: Kernel(y, y), XY: Kernel(x, y))
                : default((Tensor XX, Tensor YY, Tensor XY)?);
            return subsets.Select(subset =>
            {
                using var inner = new TensorScope();
                var (i, j) = (Index(subset.Reference), Index(subset.Samples));
                if (kernels is { } k)
                    return Estimate(Choose(k.XX, i, i), Choose(k.YY, j, j), Choose(k.XY, i, j));
                var (a, b) = (x.IndexSelect(0, i), y.IndexSelect(0, j));
                return Estimate(Kernel(a, a), Kernel(b, b), Kernel(a, b));
            }).ToArray();
        });
    }

    private static void CheckSize(int size)
    {
        if (size < 2)
            throw new InputException($"{Measure} needs two pictures or more in each set.");
    }

    private static Tensor Index(int[] rows) => Tensor.From(Array.ConvertAll(rows, r => (long)r), rows.Length);

    private static Tensor Choose(Tensor kernel, Tensor rows, Tensor columns) => kernel.IndexSelect(0, rows).IndexSelect(1, columns);

    private static Tensor Kernel(Tensor a, Tensor b)
    {
        using var scope = new TensorScope();
        var k = (a.MatMul(b.Transpose(0, 1)) / a.Size(1)) + 1.0;
        return (k * k * k).MoveToOuter();
    }

    /// <summary>Mean of both kernels without their diagonals, less twice the mean of the one between.</summary>
    private static double Estimate(Tensor xx, Tensor yy, Tensor xy) =>
        WithoutDiagonal(xx) + WithoutDiagonal(yy) - (2 * xy.Mean().Item());

    private static double WithoutDiagonal(Tensor kernel)
    {
        var n = kernel.Size(0);
        var diagonal = kernel.Contiguous().Reshape(-1).Slice(0, 0, n * n, n + 1);
        return (kernel.Sum() - diagonal.Sum()).Item() / ((double)n * (n - 1));
    }
}

/// <summary>A kernel distance and how it was estimated.</summary>
public sealed record KernelResult
{
    /// <summary>Mean over the subsets. Often printed times 1000.</summary>
    public required double Mean { get; init; }

    /// <summary>Deviation over the subsets (divisor: their number); null where a subset is the whole of both sets, so that there is one only.</summary>
    public required double? StandardDeviation { get; init; }

    /// <summary>How many subsets were taken.</summary>
    public required int Subsets { get; init; }

    /// <summary>Pictures of either set in a subset.</summary>
    public required int SubsetSize { get; init; }

    /// <summary>The seed they were drawn by.</summary>
    public required long Seed { get; init; }

    /// <summary>Pictures of the reference.</summary>
    public required int ReferenceCount { get; init; }

    /// <summary>Pictures that were judged.</summary>
    public required int SampleCount { get; init; }
}
