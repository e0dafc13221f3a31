using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Sampling;

/// <summary>An update's way: from a training step to an earlier one, or to −1, the clean sample.</summary>
/// <param name="From">The training step, which the network is told.</param>
/// <param name="To">The step after it.</param>
internal readonly record struct Transition(int From, int To);

/// <summary>What every sampler shares: which steps, the prediction of each, and memory that stays flat.</summary>
internal static class SamplingLoop
{
    /// <summary>An update.</summary>
    /// <param name="Index">The update, from 0.</param>
    /// <param name="X">The samples before it.</param>
    /// <param name="T">The training step that the network was told, for each item.</param>
    /// <param name="Level">The noise in them.</param>
    /// <param name="Output">What the denoiser gave.</param>
    /// <param name="Original">The clean samples that this implies, clipped as the sampler or the schedule says.</param>
    internal readonly record struct Context(int Index, Tensor X, Tensor T, NoiseLevel Level, NetworkOutput Output, Tensor Original);

    /// <summary>Runs the updates from first to last.</summary>
    /// <param name="sampler">Whose run it is.</param>
    /// <param name="task">Over what.</param>
    /// <param name="timesteps">The training steps that the network is told.</param>
    /// <param name="levels">ᾱ of the samples before each update; null: those of the schedule at <paramref name="timesteps"/>.</param>
    /// <param name="update">The sampler's equation. It may hand tensors to the scope outside, and then must dispose them itself.</param>
    /// <param name="times">The times that the network is told, in continuous time; null: those of <paramref name="timesteps"/>.</param>
    public static Tensor Run(
        Sampler sampler, SamplingTask task, IReadOnlyList<int> timesteps, IReadOnlyList<double>? levels, Func<Context, Tensor> update, IReadOnlyList<double>? times = null)
    {
        using var mode = Autograd.NoGrad();
        using var run = new TensorScope();
        var clipping = sampler.Clipping ?? Clipping.Of(task.Schedule.Options);
        var x = task.XT;
        for (var k = 0; k < timesteps.Count; k++)
        {
            task.CancellationToken.ThrowIfCancellationRequested();
            using var step = new TensorScope();
            RefusePureNoise(task.Schedule, levels?[k] ?? task.Schedule.AlphasCumulative[timesteps[k]], timesteps[k]);
            var level = levels is null ? task.Schedule.At(timesteps[k]) : NoiseLevel.Of(levels[k]);
            var t = times is null ? task.Schedule.TimeTensor(timesteps[k], x.Size(0), x.Device) : Tensor.Full(times[k], [x.Size(0)], DType.Float64, x.Device);
            var next = update(Ask(task, clipping, k, x, t, level, out var original));
            task.OnStep?.Invoke(new SamplingStep(k, timesteps.Count, timesteps[k], next, original));
            next.MoveToOuter();
            if (!ReferenceEquals(x, task.XT))
                x.Dispose();
            x = next;
        }

        return x.MoveToOuter();
    }

    /// <summary>Asks the denoiser about samples at a level of noise.</summary>
    public static Context Ask(SamplingTask task, Clipping clipping, int index, Tensor x, Tensor t, NoiseLevel level, out Tensor original)
    {
        var output = NetworkOutput.Split(task.Denoiser.Predict(x, t, task.Condition), x.Size(1));
        original = clipping.Apply(level.Original(task.Schedule.Options.PredictionType, output.Prediction, x));
        return new Context(index, x, t, level, output, original);
    }

    /// <summary>The updates of a run over training steps.</summary>
    public static Transition[] Plan(Sampler sampler, NoiseSchedule schedule)
    {
        var listed = sampler.Timesteps is not null || schedule.Options.PreviousTimestep == PreviousTimestep.Listed;
        var steps = sampler.Timesteps?.ToArray() ?? schedule.Timesteps(sampler.Steps == 0 ? schedule.Count : sampler.Steps);
        RequireFalling(steps, schedule);
        var plan = new Transition[steps.Length];
        for (var k = 0; k < steps.Length; k++)
        {
            var next = listed ? (k + 1 < steps.Length ? steps[k + 1] : -1) : steps[k] - (schedule.Count / steps.Length);
            plan[k] = new Transition(steps[k], Math.Max(next, -1));
        }

        return plan;
    }

    /// <summary>Refuses a list of steps that does not fall through the schedule.</summary>
    public static void RequireFalling(int[] steps, NoiseSchedule schedule)
    {
        if (steps.Length == 0 || steps[0] >= schedule.Count || steps[^1] < 0 || steps.Zip(steps.Skip(1)).Any(pair => pair.First <= pair.Second))
            throw new InputException($"The sampler's time steps must fall, from at most {schedule.Count - 1} to at least 0, without repeats.");
    }

    private static void RefusePureNoise(NoiseSchedule schedule, double alphaCumulative, int t)
    {
        // At ᾱ = 0 the sample is the noise, and knowing the noise says nothing about x_0 (Lin et al. 2024, section 3.2).
        if (schedule.Options.PredictionType == PredictionType.Epsilon && alphaCumulative == 0)
        {
            throw new InputException(
                $"Step {t} is pure noise, from which a network that predicts noise cannot start: use prediction_type v_prediction, or timestep_spacing leading.");
        }
    }
}
