using Graft.Torch;

namespace Graft.Data;

/// <summary>
/// Σ_k w_k·N(μ_k, Σ_k), with everything about it in closed form and double precision: the density of x, and of α·x + σ·ε with standard
/// normal ε, which is the mixture of N(α·μ_k, α²·Σ_k + σ²·I). That is what diffusion makes of it at a level of noise.
/// </summary>
public sealed class GaussianMixture
{
    private readonly double[] _weights;
    private readonly Component[] _components;

    /// <summary>Makes a mixture.</summary>
    /// <param name="weights">w_k, above 0; they are scaled to sum to 1.</param>
    /// <param name="means">μ_k, each of D numbers.</param>
    /// <param name="covariances">Σ_k, [D, D], symmetric and positive definite.</param>
    /// <exception cref="InputException">The numbers do not fit together, or a covariance is not positive definite.</exception>
    public GaussianMixture(IReadOnlyList<double> weights, IReadOnlyList<double[]> means, IReadOnlyList<double[,]> covariances)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(means);
        ArgumentNullException.ThrowIfNull(covariances);
        if (weights.Count == 0 || means.Count != weights.Count || covariances.Count != weights.Count)
            throw new InputException($"A mixture of {weights.Count} weights has {means.Count} means and {covariances.Count} covariances: give one of each for every component.");
        if (weights.Any(w => !(w > 0 && double.IsFinite(w))))
            throw new InputException("The weights of a mixture must be above 0.");
        Dimensions = means[0].Length;
        if (Dimensions == 0 || means.Any(m => m.Length != Dimensions || !m.All(double.IsFinite)))
            throw new InputException($"The means of a mixture must be points of one dimension; the first has {Dimensions} numbers.");
        var sum = weights.Sum();
        _weights = [.. weights.Select(w => w / sum)];
        _components = [.. means.Zip(covariances, (mean, covariance) => new Component(mean, covariance))];
    }

    /// <summary>D.</summary>
    public int Dimensions { get; }

    /// <summary>Number of components.</summary>
    public int Count => _components.Length;

    /// <summary>w_k; their sum is 1.</summary>
    public IReadOnlyList<double> Weights => _weights;

    /// <summary>μ_k.</summary>
    public IReadOnlyList<IReadOnlyList<double>> Means => [.. _components.Select(c => c.Mean)];

    /// <summary>How far from 0 the mixture reaches along any axis: the largest of |μ| + 4 standard deviations.</summary>
    internal double Reach => _components.Max(c => c.Reach);

    /// <summary>A mixture of spheres: Σ_k = variance·I.</summary>
    /// <inheritdoc cref="GaussianMixture(IReadOnlyList{double}, IReadOnlyList{double[]}, IReadOnlyList{double[,]})"/>
    /// <param name="weights">w_k, above 0; they are scaled to sum to 1.</param>
    /// <param name="means">μ_k, each of D numbers.</param>
    /// <param name="variance">Of every component along every axis.</param>
    public static GaussianMixture Spheres(IReadOnlyList<double> weights, IReadOnlyList<double[]> means, double variance)
    {
        ArgumentNullException.ThrowIfNull(means);
        return new GaussianMixture(weights, means, [.. means.Select(mean =>
        {
            var covariance = new double[mean.Length, mean.Length];
            for (var i = 0; i < mean.Length; i++)
                covariance[i, i] = variance;
            return covariance;
        })]);
    }

    /// <summary>log of the density of α·x_0 + σ·ε; as it stands, of x_0 itself.</summary>
    /// <param name="x">D numbers.</param>
    /// <param name="alpha">α.</param>
    /// <param name="sigma">σ.</param>
    public double LogDensity(ReadOnlySpan<double> x, double alpha = 1, double sigma = 0)
    {
        var y = new double[Dimensions];
        var logs = new double[Count];
        for (var k = 0; k < Count; k++)
            logs[k] = Math.Log(_weights[k]) + _components[k].LogDensity(x, alpha, sigma, y);
        return LogSumExp(logs);
    }

    /// <summary>The score ∇_x log density of α·x_0 + σ·ε.</summary>
    /// <param name="x">D numbers.</param>
    /// <param name="score">Takes D numbers.</param>
    /// <param name="alpha">α.</param>
    /// <param name="sigma">σ.</param>
    public void Score(ReadOnlySpan<double> x, Span<double> score, double alpha = 1, double sigma = 0) =>
        Average(x, score, alpha, sigma, static (component, y, a, s, share, result) => component.AddScore(y, a, s, share, result));

    /// <summary>E[x_0 | α·x_0 + σ·ε = x].</summary>
    /// <param name="x">D numbers.</param>
    /// <param name="mean">Takes D numbers.</param>
    /// <param name="alpha">α.</param>
    /// <param name="sigma">σ, above 0.</param>
    public void PosteriorMean(ReadOnlySpan<double> x, Span<double> mean, double alpha, double sigma) =>
        Average(x, mean, alpha, sigma, static (component, y, a, s, share, result) => component.AddPosteriorMean(y, a, s, share, result));

    /// <summary>
    /// Draws points by <see cref="KeyedRandom"/>: point i is a function of (seed, i). Its component is the first whose cumulated weight
    /// exceeds the uniform number of purpose <c>mixture/component</c>; the point is μ + L·z, with L the Cholesky factor of Σ and z the
    /// standard normal numbers of purpose <c>mixture/point</c>, rounded to single precision.
    /// </summary>
    /// <param name="count">How many, at least 1.</param>
    /// <param name="seed">Which.</param>
    /// <param name="label">Whether each point's label is its component.</param>
    public SampleSet Draw(int count, long seed, bool label = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var items = Enumerable.Range(0, count).Select(i => (long)i).ToArray();
        var noise = TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            return new KeyedRandom(seed, "mixture/point").Normal(0, items, [Dimensions], DType.Float64).ToArray<double>();
        });
        var choice = new KeyedRandom(seed, "mixture/component");
        var (values, labels) = (new float[checked(count * Dimensions)], new int[count]);
        for (var i = 0; i < count; i++)
        {
            var (u, k) = (choice.Uniform(0, i), 0);
            for (var sum = _weights[0]; k < Count - 1 && u >= sum; sum += _weights[k])
                k++;
            labels[i] = k;
            _components[k].Place(noise.AsSpan(i * Dimensions, Dimensions), values.AsSpan(i * Dimensions, Dimensions));
        }

        return new SampleSet(new ItemShape(Dimensions), values, $"{count} points of {this}, seed {seed}{(label ? ", labelled by component" : "")}", label ? labels : null)
        {
            Density = this,
        };
    }

    /// <summary>As <c>a mixture of 2 Gaussians at (0.5, 0.5) and (-0.5, -0.5)</c>; of many, the first three.</summary>
    public override string ToString()
    {
        var shown = _components.Take(3).Select(c => $"({string.Join(", ", c.Mean.Take(4).Select(v => v.ToString("0.###", System.Globalization.CultureInfo.InvariantCulture)))}{(Dimensions > 4 ? ", ..." : "")})").ToList();
        var more = Count > 3 ? $" and {Count - 3} more" : "";
        return $"a mixture of {Count} Gaussian{(Count == 1 ? "" : "s")} at {string.Join(", ", shown)}{more}";
    }

    private delegate void Adding(Component component, ReadOnlySpan<double> y, double alpha, double sigma, double share, Span<double> result);

    /// <summary>Σ_k p(k | x)·what, with the components' posterior shares.</summary>
    private void Average(ReadOnlySpan<double> x, Span<double> result, double alpha, double sigma, Adding add)
    {
        var y = new double[Count, Dimensions];
        var logs = new double[Count];
        for (var k = 0; k < Count; k++)
            logs[k] = Math.Log(_weights[k]) + _components[k].LogDensity(x, alpha, sigma, RowOf(y, k));
        var total = LogSumExp(logs);
        result[..Dimensions].Clear();
        for (var k = 0; k < Count; k++)
            add(_components[k], RowOf(y, k), alpha, sigma, Math.Exp(logs[k] - total), result);
    }

    private static Span<double> RowOf(double[,] rows, int k) =>
        System.Runtime.InteropServices.MemoryMarshal.CreateSpan(ref rows[k, 0], rows.GetLength(1));

    private static double LogSumExp(double[] logs)
    {
        var largest = logs.Max();
        return double.IsNegativeInfinity(largest) ? largest : largest + Math.Log(logs.Sum(l => Math.Exp(l - largest)));
    }

    /// <summary>One normal distribution, in the axes of its covariance: there α²·Σ + σ²·I is diagonal at every level of noise.</summary>
    private sealed class Component
    {
        private readonly double[] _variances;
        private readonly double[,] _axes; // columns
        private readonly double[,] _factor; // Cholesky's, lower

        internal Component(double[] mean, double[,] covariance)
        {
            Mean = [.. mean];
            if (covariance.GetLength(0) != mean.Length || covariance.GetLength(1) != mean.Length)
                throw new InputException($"A covariance of a mixture in {mean.Length} dimensions is {covariance.GetLength(0)} x {covariance.GetLength(1)}: it must be {mean.Length} x {mean.Length}.");
            _factor = SymmetricMatrix.Cholesky(covariance);
            (_variances, _axes) = SymmetricMatrix.Eigen(covariance);
        }

        internal double[] Mean { get; }

        /// <summary>Largest of |μ_i| + 4√Σ_ii; Σ_ii is the length of a row of Cholesky's factor, squared.</summary>
        internal double Reach => Enumerable.Range(0, Mean.Length).Max(
            i => Math.Abs(Mean[i]) + (4 * Math.Sqrt(Enumerable.Range(0, i + 1).Sum(j => _factor[i, j] * _factor[i, j]))));

        /// <summary>log N(x; αμ, α²Σ + σ²I); y takes x − αμ along the axes.</summary>
        internal double LogDensity(ReadOnlySpan<double> x, double alpha, double sigma, Span<double> y)
        {
            var log = 0.0;
            for (var j = 0; j < Mean.Length; j++)
            {
                y[j] = 0;
                for (var i = 0; i < Mean.Length; i++)
                    y[j] += _axes[i, j] * (x[i] - (alpha * Mean[i]));
                var variance = Variance(j, alpha, sigma);
                log -= 0.5 * ((y[j] * y[j] / variance) + Math.Log(2 * Math.PI * variance));
            }

            return log;
        }

        /// <summary>Adds −share·(α²Σ + σ²I)⁻¹(x − αμ).</summary>
        internal void AddScore(ReadOnlySpan<double> y, double alpha, double sigma, double share, Span<double> result)
        {
            for (var j = 0; j < Mean.Length; j++)
            {
                var along = share * y[j] / Variance(j, alpha, sigma);
                for (var i = 0; i < Mean.Length; i++)
                    result[i] -= _axes[i, j] * along;
            }
        }

        /// <summary>Adds share·(μ + αΣ(α²Σ + σ²I)⁻¹(x − αμ)).</summary>
        internal void AddPosteriorMean(ReadOnlySpan<double> y, double alpha, double sigma, double share, Span<double> result)
        {
            for (var i = 0; i < Mean.Length; i++)
                result[i] += share * Mean[i];
            for (var j = 0; j < Mean.Length; j++)
            {
                var along = share * alpha * _variances[j] * y[j] / Variance(j, alpha, sigma);
                for (var i = 0; i < Mean.Length; i++)
                    result[i] += _axes[i, j] * along;
            }
        }

        /// <summary>μ + L·z.</summary>
        internal void Place(ReadOnlySpan<double> noise, Span<float> point)
        {
            for (var i = 0; i < Mean.Length; i++)
            {
                var value = Mean[i];
                for (var j = 0; j <= i; j++)
                    value += _factor[i, j] * noise[j];
                point[i] = (float)value;
            }
        }

        private double Variance(int axis, double alpha, double sigma) => (alpha * alpha * _variances[axis]) + (sigma * sigma);
    }
}
