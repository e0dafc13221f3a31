using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Sampling;

/// <summary>
/// DDPM's ancestral sampling (Ho et al. 2020, algorithm 2), respaced as in Nichol and Dhariwal 2021, section 4:
/// x_s = mean of q(x_s | x_t, x̂_0) + √variance·z, with the schedule's <see cref="VarianceType"/>.
/// The update that reaches the clean sample adds no noise, as in the paper.
/// </summary>
public sealed record DdpmSampler : Sampler
{
    internal const string SamplerName = "ddpm";

    /// <inheritdoc/>
    public override string Name => SamplerName;

    /// <inheritdoc/>
    public override Tensor Sample(
        IDenoiser denoiser,
        NoiseSchedule schedule,
        Tensor xT,
        StepNoise noise,
        Condition? condition = null,
        Action<SamplingStep>? onStep = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(noise);
        return SamplingLoop.Run(this, denoiser, schedule, xT, condition, onStep, Update, cancellationToken);

        Tensor Update(SamplingLoop.Context step)
        {
            var (x, original) = (step.X, step.Original);
            var posterior = schedule.Posterior(step.Step.From, step.Step.To);
            var mean = (posterior.OriginalCoefficient * original) + (posterior.CurrentCoefficient * x); // eq. 7
            if (step.Step.To < 0)
                return mean;
            var z = noise(step.Index, x.Shape).To(x.Type).To(x.Device);
            return mean + (Deviation(posterior, step.Output.Variance, schedule.Options) is { } deviation
                ? deviation * z
                : z * Math.Exp(0.5 * posterior.LogVariance(schedule.Options.VarianceType)));
        }
    }

    /// <summary>√variance where the network gives it, [N, C, ...]; null where the schedule fixes it.</summary>
    private static Tensor? Deviation(Posterior posterior, Tensor? variance, ScheduleOptions options)
    {
        if (!options.LearnsVariance)
            return null;
        if (variance is null)
            throw new InputException("The schedule says that the network learned the variance, but its output has no channels for it: set variance_type fixed_small.");
        if (options.VarianceType == VarianceType.Learned)
            return (variance * 0.5).Exp();

        // log variance = f·log β + (1 − f)·log β̃, with the network's −1 to 1 as f = 0 to 1 (Nichol and Dhariwal 2021, eq. 15).
        var (low, high) = (posterior.LogVariance(VarianceType.FixedSmall), posterior.LogUpper(options.LearnedRangeUpper));
        var fraction = (variance + 1.0) * 0.5;
        return (((fraction * (high - low)) + low) * 0.5).Exp();
    }
}
