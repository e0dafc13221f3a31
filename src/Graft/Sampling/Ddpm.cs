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

    /// <summary>Guidance in the mean: x_s ~ N(μ + s·Σ·∇ log p(y | x_t), Σ) (Dhariwal and Nichol 2021, algorithm 1); none if null.</summary>
    public Guidance? Guidance { get; init; }

    /// <inheritdoc/>
    public override string Name => SamplerName;

    /// <inheritdoc/>
    protected override Tensor Run(SamplingTask task)
    {
        var schedule = task.Schedule;
        var plan = SamplingLoop.Plan(this, schedule);
        return SamplingLoop.Run(this, task, [.. plan.Select(p => p.From)], null, Update);

        Tensor Update(SamplingLoop.Context step)
        {
            var (from, to) = plan[step.Index];
            var posterior = schedule.Posterior(from, to);
            var mean = (posterior.OriginalCoefficient * step.Original) + (posterior.CurrentCoefficient * step.X); // eq. 7
            if (to < 0)
                return Guidance is not null && LastVariance(step) is { } last ? mean + (last * Guidance.At(step.X, step.T, task.Condition)) : mean;
            var logVariance = LogVariance(posterior, step.Output.Variance, schedule.Options);
            if (Guidance is not null)
                mean += logVariance.Exp() * Guidance.At(step.X, step.T, task.Condition);
            return mean + ((logVariance * 0.5).Exp() * task.NoiseFor(step.Index, step.X));
        }

        // The last update adds no noise, and still is guided by the variance that the process has there, as in openai's code.
        Tensor? LastVariance(SamplingLoop.Context step) =>
            schedule.Options.VarianceType is VarianceType.FixedSmall or VarianceType.FixedSmallLog
                ? null // β̃ itself is 0
                : new ReverseProcess(schedule, [.. plan.Select(p => p.From)]).LogVariance(step.Output, step.X, step.T).Exp();
    }

    /// <summary>The update's log variance: a scalar where the schedule fixes it, [N, C, ...] where the network gives it.</summary>
    private static Tensor LogVariance(Posterior posterior, Tensor? learned, ScheduleOptions options)
    {
        Tensor Fixed(double value) => Tensor.Scalar(value, DType.Float64);
        if (!options.LearnsVariance)
            return Fixed(posterior.LogVariance(options.VarianceType));
        if (learned is null)
            throw NetworkOutput.LacksVariance();
        return options.VarianceType == VarianceType.Learned
            ? learned
            : ReverseProcess.Interpolated(learned, Fixed(posterior.LogVariance(VarianceType.FixedSmall)), Fixed(posterior.LogUpper(options.LearnedRangeUpper)));
    }
}
