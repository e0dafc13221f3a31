using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>
/// The Fréchet distance between Gaussians fitted to two sets of features (Dowson &amp; Landau 1982; FID: Heusel et al. 2017):
/// |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½. The last trace is the nuclear norm of Σ₁^½·Σ₂^½, which is evaluated from the centred
/// features by singular values: real, and exact also where there are fewer pictures than dimensions.
/// </summary>
public static class FrechetDistance
{
    private const string Measure = "The Fréchet distance";

    /// <summary>The distance between two sets of features.</summary>
    /// <param name="reference">The real pictures'.</param>
    /// <param name="samples">The samples'.</param>
    /// <exception cref="InputException">They come from different networks, or a set has fewer than two pictures.</exception>
    public static FrechetResult Of(FeatureSet reference, FeatureSet samples)
    {
        FeatureSet.CheckComparable(reference, samples);
        return Of(reference.Values, samples.Values);
    }

    /// <summary>The distance between two sets of features.</summary>
    /// <param name="reference">[N, D].</param>
    /// <param name="samples">[M, D].</param>
    /// <exception cref="InputException">The dimensions differ, or a set has fewer than two rows.</exception>
    public static FrechetResult Of(double[,] reference, double[,] samples)
    {
        Matrix.Check(reference, samples, Measure);
        var counts = (N: reference.GetLength(0), M: samples.GetLength(0));
        if (Math.Min(counts.N, counts.M) < 2)
            throw new InputException($"{Measure} needs a covariance, and so two pictures or more in each set: these are {counts.N} and {counts.M}.");
        var means = Matrix.SquaredDistance(Matrix.Mean(reference), Matrix.Mean(samples));
        var covariances = TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            var (first, second) = (Root(reference), Root(samples));
            return Covariances(first.Square().Sum(), second.Square().Sum(), first.MatMul(second.Transpose(0, 1)));
        });
        return new FrechetResult
        {
            MeanTerm = means,
            CovarianceTerm = covariances,
            ReferenceCount = counts.N,
            SampleCount = counts.M,
            Dimension = reference.GetLength(1),
        };
    }

    /// <summary>The distance between two Gaussians: for statistics that were published without their features.</summary>
    /// <param name="referenceMean">[D].</param>
    /// <param name="referenceCovariance">[D, D], symmetric.</param>
    /// <param name="sampleMean">[D].</param>
    /// <param name="sampleCovariance">[D, D], symmetric.</param>
    /// <returns>|μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½; by the roots of eigenvalues, hence to about 1e-8 of the largest where Σ is singular.</returns>
    /// <exception cref="InputException">The dimensions differ.</exception>
    public static double OfStatistics(double[] referenceMean, double[,] referenceCovariance, double[] sampleMean, double[,] sampleCovariance)
    {
        ArgumentNullException.ThrowIfNull(referenceMean);
        ArgumentNullException.ThrowIfNull(sampleMean);
        Matrix.Check(referenceCovariance, sampleCovariance, Measure);
        var d = referenceMean.Length;
        if (sampleMean.Length != d || new[] { referenceCovariance, sampleCovariance }.Any(c => c.GetLength(0) != d || c.GetLength(1) != d))
            throw new InputException($"{Measure} compares means [D] and covariances [D, D] of one dimension, and these do not fit each other.");
        var means = Matrix.SquaredDistance(referenceMean, sampleMean);
        var covariances = TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            var (first, second) = (SymmetricRoot(referenceCovariance), SymmetricRoot(sampleCovariance));
            return Covariances(first.Square().Sum(), second.Square().Sum(), first.MatMul(second));
        });
        return Math.Max(0, means + covariances);
    }

    /// <summary>tr Σ₁ + tr Σ₂ − 2‖Σ₁^½·Σ₂^½‖_*.</summary>
    private static double Covariances(Tensor firstTrace, Tensor secondTrace, Tensor product) =>
        (firstTrace + secondTrace - (LinearAlgebra.SingularValues(product).Sum() * 2.0)).Item();

    /// <summary>A matrix A with Σ = Aᵀ·A, of at most as many rows as it has columns.</summary>
    private static Tensor Root(double[,] features)
    {
        var x = Matrix.ToTensor(features);
        var centred = (x - x.Mean([0], keepDims: true)) / Math.Sqrt(x.Size(0) - 1);
        return x.Size(0) > x.Size(1) ? LinearAlgebra.TriangularFactor(centred) : centred;
    }

    private static Tensor SymmetricRoot(double[,] covariance)
    {
        var (values, vectors) = LinearAlgebra.SymmetricEigen(Matrix.ToTensor(covariance));
        return (vectors * values.Clamp(0, null).Sqrt()).MatMul(vectors.Transpose(0, 1));
    }
}

/// <summary>A Fréchet distance and what it was computed from.</summary>
public sealed record FrechetResult
{
    /// <summary>The distance (squared, as FID is), 0 or more; rounding below 0 is cut off.</summary>
    public double Distance => Math.Max(0, MeanTerm + CovarianceTerm);

    /// <summary>|μ₁ − μ₂|².</summary>
    public required double MeanTerm { get; init; }

    /// <summary>tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½.</summary>
    public required double CovarianceTerm { get; init; }

    /// <summary>Pictures of the reference.</summary>
    public required int ReferenceCount { get; init; }

    /// <summary>Pictures that were judged.</summary>
    public required int SampleCount { get; init; }

    /// <summary>Dimensions of the features.</summary>
    public required int Dimension { get; init; }

    /// <summary>What the count is lessened by in the covariance's divisor: 1, the unbiased one, as pytorch-fid and clean-fid do.</summary>
    public static int Ddof => 1;

    /// <summary>What the rows of features are of, in sentences.</summary>
    public string Noun { get; init; } = "pictures";

    /// <summary>A sentence to print beside the value where there are fewer pictures than dimensions; else null.</summary>
    public string? Caution => Math.Min(ReferenceCount, SampleCount) < Dimension
        ? $"{ReferenceCount} and {SampleCount} {Noun} do not determine a covariance of {Dimension} dimensions: the distance is far too large and depends on the counts, so compare it at equal counts only, and trust KID instead."
        : null;
}
