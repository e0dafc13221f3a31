using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Tests.Sampling;

/// <summary>The analytic model of the reference trajectories: 0.95·(t/1000)·x + 0.1·sin(t/100), and 0.6·sin(x + t/200) for the variance.</summary>
internal sealed class ReferenceToy(bool learnsVariance) : IDenoiser
{
    public Tensor Predict(Tensor x, Tensor t, Condition? condition = null)
    {
        double step = t.ToArray<long>()[0];
        var output = (x * (0.95 * (step / 1000))) + (0.1 * Math.Sin(step / 100));
        return learnsVariance ? Tensor.Cat([output, (x + (step / 200)).Sin() * 0.6], 1) : output;
    }
}

/// <summary>The exact model of x_0 ~ N(mean, deviation²): E[ε | x_t] = σ(x_t − α·mean)/(α²·deviation² + σ²).</summary>
internal sealed class GaussianDenoiser(NoiseSchedule schedule, double mean, double deviation) : IDenoiser
{
    public Tensor Predict(Tensor x, Tensor t, Condition? condition = null)
    {
        var signal = schedule.AlphasCumulative[(int)t.ToArray<long>()[0]];
        var (alpha, sigma) = (Math.Sqrt(signal), Math.Sqrt(1 - signal));
        var noise = (x - (alpha * mean)) * (sigma / ((signal * deviation * deviation) + (1 - signal)));
        var original = (x - (noise * sigma)) / alpha;
        return new NoiseLevel(Tensor.Scalar(alpha, DType.Float64), Tensor.Scalar(sigma, DType.Float64))
            .Target(schedule.Options.PredictionType, original, noise);
    }
}
