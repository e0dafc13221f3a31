using Graft.Data;
using Graft.Torch;

namespace Graft.Diffusion;

/// <summary>
/// The perfect denoiser of a Gaussian mixture: what a network would give that had learnt it exactly. Every sampler draws from it, so it
/// tells a sampler's error from a network's. It computes in double precision on the processor and records no gradients.
/// </summary>
/// <param name="mixture">The mixture.</param>
/// <param name="schedule">The noise; in continuous time or by steps. What it predicts is what the schedule's prediction type says.</param>
public sealed class MixtureOracle(GaussianMixture mixture, NoiseSchedule schedule) : IDenoiser
{
    /// <summary>The mixture.</summary>
    public GaussianMixture Mixture => mixture;

    /// <inheritdoc/>
    /// <param name="x">Noised points, [N, D].</param>
    /// <param name="t">Time steps, int64 [N]; in continuous time t itself, float64 [N].</param>
    /// <param name="condition">Means nothing here.</param>
    /// <returns>ε, x_0 or v, [N, D], of x's type.</returns>
    public Tensor Predict(Tensor x, Tensor t, Condition? condition = null)
    {
        var type = schedule.Options.PredictionType;
        return MixturePoints.Each(mixture, schedule, x, t, (point, alpha, sigma, result) =>
        {
            if (type == PredictionType.Sample)
            {
                mixture.PosteriorMean(point, result, alpha, sigma);
                return;
            }

            mixture.Score(point, result, alpha, sigma);
            for (var i = 0; i < result.Length; i++)
            {
                var noise = -sigma * result[i]; // ∇ log p_t = −ε/σ (Song et al. 2021)
                // v = α·ε − σ·x_0 with x_0 = (x_t − σ·ε)/α; as (ε − σ·x_t)/α it needs no second pass.
                result[i] = type == PredictionType.VPrediction ? (noise - (sigma * point[i])) / alpha : noise;
            }
        });
    }

    /// <summary>The score ∇ log p_t, [N, D] of x's type.</summary>
    /// <param name="x">Noised points, [N, D].</param>
    /// <param name="t">Time steps, int64 [N]; in continuous time t itself, float64 [N].</param>
    public Tensor Score(Tensor x, Tensor t) =>
        MixturePoints.Each(mixture, schedule, x, t, (point, alpha, sigma, result) => mixture.Score(point, result, alpha, sigma));

    /// <summary>log p_t, float64 [N].</summary>
    /// <inheritdoc cref="Score"/>
    public Tensor LogDensity(Tensor x, Tensor t) => MixturePoints.EachValue(mixture, schedule, x, t, mixture.LogDensity);
}

/// <summary>
/// The density ratio of two mixtures under diffusion, in closed form: E[q(x_0)/p(x_0) | x_t] over the source's posterior p(x_0 | x_t) is
/// q_t(x_t)/p_t(x_t), and so ∇ log E[q/p | x_t] = ∇ log q_t − ∇ log p_t: the guidance that makes a model of p one of q (Ouyang et al. 2024).
/// </summary>
/// <param name="source">p.</param>
/// <param name="target">q, of as many dimensions.</param>
/// <param name="schedule">The noise.</param>
public sealed class MixtureRatio(GaussianMixture source, GaussianMixture target, NoiseSchedule schedule)
{
    /// <summary>log q(x)/p(x) of clean points.</summary>
    /// <param name="x">D numbers.</param>
    public double LogRatio(ReadOnlySpan<double> x) => target.LogDensity(x) - source.LogDensity(x);

    /// <summary>log q(x)/p(x) for each point, of x's type, [N].</summary>
    /// <param name="x">Clean points, [N, D].</param>
    public Tensor LogRatio(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        var (points, d) = (x.Detach().To(Device.Cpu).To(DType.Float64).ToArray<double>(), (int)x.Size(1));
        var logs = new double[x.Size(0)];
        for (var i = 0; i < logs.Length; i++)
            logs[i] = LogRatio(points.AsSpan(i * d, d));
        return Tensor.From(logs, logs.Length).To(x.Type).To(x.Device);
    }

    /// <summary>log E[q(x_0)/p(x_0) | x_t], float64 [N].</summary>
    /// <param name="x">Noised points, [N, D].</param>
    /// <param name="t">Time steps, int64 [N]; in continuous time t itself, float64 [N].</param>
    public Tensor LogExpectation(Tensor x, Tensor t) => MixturePoints.EachValue(
        source, schedule, x, t, (point, alpha, sigma) => target.LogDensity(point, alpha, sigma) - source.LogDensity(point, alpha, sigma));

    /// <summary>∇ log E[q(x_0)/p(x_0) | x_t], [N, D] of x's type.</summary>
    /// <inheritdoc cref="LogExpectation"/>
    public Tensor Gradient(Tensor x, Tensor t) => MixturePoints.Each(source, schedule, x, t, (point, alpha, sigma, result) =>
    {
        var own = new double[result.Length];
        target.Score(point, result, alpha, sigma);
        source.Score(point, own, alpha, sigma);
        for (var i = 0; i < result.Length; i++)
            result[i] -= own[i];
    });
}

/// <summary>Goes through points and their levels of noise in double precision.</summary>
internal static class MixturePoints
{
    internal delegate void Vector(ReadOnlySpan<double> point, double alpha, double sigma, Span<double> result);

    internal delegate double Value(ReadOnlySpan<double> point, double alpha, double sigma);

    internal static Tensor Each(GaussianMixture mixture, NoiseSchedule schedule, Tensor x, Tensor t, Vector compute)
    {
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        var (points, alpha, sigma) = Open(mixture, schedule, x, t);
        var (d, results) = (mixture.Dimensions, new double[points.Length]);
        for (var i = 0; i < alpha.Length; i++)
            compute(points.AsSpan(i * d, d), alpha[i], sigma[i], results.AsSpan(i * d, d));
        return Tensor.From(results, x.Shape).To(x.Type).To(x.Device).MoveToOuter();
    }

    internal static Tensor EachValue(GaussianMixture mixture, NoiseSchedule schedule, Tensor x, Tensor t, Value compute)
    {
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        var (points, alpha, sigma) = Open(mixture, schedule, x, t);
        var (d, results) = (mixture.Dimensions, new double[alpha.Length]);
        for (var i = 0; i < alpha.Length; i++)
            results[i] = compute(points.AsSpan(i * d, d), alpha[i], sigma[i]);
        return Tensor.From(results, results.Length).MoveToOuter();
    }

    private static (double[] Points, double[] Alpha, double[] Sigma) Open(GaussianMixture mixture, NoiseSchedule schedule, Tensor x, Tensor t)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(t);
        if (x.Dims != 2 || x.Size(1) != mixture.Dimensions)
            throw new InputException($"{mixture} lies in {mixture.Dimensions} dimensions, and points {x} were given: give [N, {mixture.Dimensions}].");
        var numbers = x.Detach().To(Device.Cpu).To(DType.Float64);
        var level = schedule.At(t, numbers);
        return (numbers.ToArray<double>(), level.Alpha.ToArray<double>(), level.Sigma.ToArray<double>());
    }
}
