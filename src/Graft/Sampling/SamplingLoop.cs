using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Sampling;

/// <summary>An update's way: from a training step to an earlier one, or to −1, the clean sample.</summary>
internal readonly record struct Transition(int From, int To);

/// <summary>What every sampler shares: which steps, the prediction of each, and memory that stays flat.</summary>
internal static class SamplingLoop
{
    /// <summary>An update.</summary>
    /// <param name="Index">The update, from 0.</param>
    /// <param name="Step">Its way.</param>
    /// <param name="X">The samples before it.</param>
    /// <param name="Output">What the denoiser gave.</param>
    /// <param name="Original">The clean samples that this implies, clipped as the schedule says.</param>
    internal readonly record struct Context(int Index, Transition Step, Tensor X, NetworkOutput Output, Tensor Original);

    public static Tensor Run(
        Sampler sampler,
        IDenoiser denoiser,
        NoiseSchedule schedule,
        Tensor xT,
        Condition? condition,
        Action<SamplingStep>? onStep,
        Func<Context, Tensor> update,
        CancellationToken cancellationToken)
    {
        using var mode = Autograd.NoGrad();
        using var run = new TensorScope();
        var plan = Plan(sampler, schedule);
        var x = xT;
        for (var k = 0; k < plan.Length; k++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var step = new TensorScope();
            var now = plan[k].From;
            var t = Tensor.Full(now, [x.Size(0)], DType.Int64, x.Device);
            var output = NetworkOutput.Split(denoiser.Predict(x, t, condition), x.Size(1));
            var original = Clip(Original(schedule, output.Prediction, x, now), schedule.Options);
            var next = update(new Context(k, plan[k], x, output, original));
            onStep?.Invoke(new SamplingStep(k, plan.Length, now, next, original));
            next.MoveToOuter();
            if (!ReferenceEquals(x, xT))
                x.Dispose();
            x = next;
        }

        return x.MoveToOuter();
    }

    /// <summary>The updates of a run.</summary>
    public static Transition[] Plan(Sampler sampler, NoiseSchedule schedule)
    {
        var listed = sampler.Timesteps is not null || schedule.Options.PreviousTimestep == PreviousTimestep.Listed;
        var steps = sampler.Timesteps?.ToArray() ?? schedule.Timesteps(sampler.Steps == 0 ? schedule.Count : sampler.Steps);
        if (steps.Length == 0 || steps[0] >= schedule.Count || steps[^1] < 0 || steps.Zip(steps.Skip(1)).Any(pair => pair.First <= pair.Second))
            throw new InputException($"The sampler's time steps must fall, from at most {schedule.Count - 1} to at least 0, without repeats.");
        var plan = new Transition[steps.Length];
        for (var k = 0; k < steps.Length; k++)
        {
            var next = listed ? (k + 1 < steps.Length ? steps[k + 1] : -1) : steps[k] - (schedule.Count / steps.Length);
            plan[k] = new Transition(steps[k], Math.Max(next, -1));
        }

        return plan;
    }

    private static Tensor Original(NoiseSchedule schedule, Tensor prediction, Tensor x, int t)
    {
        var type = schedule.Options.PredictionType;
        if (type == PredictionType.Epsilon && schedule.AlphasCumulative[t] == 0)
        {
            // At ᾱ = 0 the sample is the noise, and knowing the noise says nothing about x_0 (Lin et al. 2024, section 3.2).
            throw new InputException(
                $"Step {t} is pure noise, from which a network that predicts noise cannot start: use prediction_type v_prediction, or timestep_spacing leading.");
        }

        return schedule.At(t).Original(type, prediction, x);
    }

    private static Tensor Clip(Tensor original, ScheduleOptions options)
    {
        if (options.Thresholding)
            return DynamicThreshold.Apply(original, options.DynamicThresholdingRatio, options.SampleMaxValue);
        return options.ClipSample ? original.Clamp(-options.ClipSampleRange, options.ClipSampleRange) : original;
    }
}
