using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Sampling;

/// <summary>
/// Singlestep DPM-Solver-2 (Lu et al. 2022a, "DPM-Solver", algorithm 1 with r_1 = ½) in continuous time: an update from t to s asks the
/// network at t and at the time in the middle of their λ = log(α/σ), and uses no updates before. Times are even in t or in λ, from 1 to
/// <see cref="LastTime"/>; the first update, from all but pure noise, is of first order (DDIM).
/// </summary>
public sealed record DpmSolverSinglestepSampler : Sampler
{
    internal const string SamplerName = "dpm-solver-2";
    internal const string LogSnrName = "dpm-solver-2-logsnr";

    /// <summary>
    /// Whether updates are of equal λ, as the solver's authors do for points and small pictures (their <c>skip_type logSNR</c>), not of equal t.
    /// Equal t takes the last of 25 updates over a seventh of the whole λ, and thins or thickens a density's tails by that.
    /// </summary>
    public bool EvenLogSnr { get; init; }

    /// <summary>The time that the run ends at, above 0 and below 1; the noise that is left there stays.</summary>
    /// <exception cref="InputException">The value is out of range.</exception>
    public double LastTime
    {
        get;
        init => field = value is > 0 and < 1 ? value : throw new InputException($"The sampler's last_time is {value}: it must be above 0 and below 1.");
    } = 1e-3;

    /// <inheritdoc/>
    public override string Name => EvenLogSnr ? LogSnrName : SamplerName;

    /// <inheritdoc/>
    protected override Tensor Run(SamplingTask task)
    {
        var schedule = task.Schedule;
        if (schedule.Process is not { } process)
            throw new InputException($"The sampler {Name} asks the network between training steps, which takes a schedule in continuous time (beta_schedule continuous_vp): take dpm-solver++ for this model.");
        if (Timesteps is not null)
            throw new InputException($"The sampler {Name} chooses its times itself: give steps, not timesteps.");
        var n = Steps == 0 ? schedule.Count : Steps;
        var times = Times(process, n);
        var clipping = Clipping ?? Clipping.Of(schedule.Options);
        int[] nearest = [.. times[..^1].Select(t => Math.Clamp((int)Math.Round(t * schedule.Count) - 1, 0, schedule.Count - 1))];
        return SamplingLoop.Run(this, task, nearest, [.. times[..^1].Select(process.Signal)], Update, times);

        Tensor Update(SamplingLoop.Context step)
        {
            var (from, to) = (times[step.Index], times[step.Index + 1]);
            var predicted = Noise(step);
            if (step.Index == 0)
                return Move(step.X, predicted, from, to);
            var middle = process.TimeOfLambda(0.5 * (process.Lambda(from) + process.Lambda(to)));
            var x = Move(step.X, predicted, from, middle);
            var t = Tensor.Full(middle, [x.Size(0)], DType.Float64, x.Device);
            var level = NoiseLevel.Of(process.Signal(middle));
            return Move(step.X, Noise(SamplingLoop.Ask(task, clipping, step.Index, x, t, level, out _)), from, to);
        }

        // x_s = (α_s/α_t)·x_t − σ_s·(e^h − 1)·ε, h = λ_s − λ_t: exact where ε is constant (eq. 3.7 of Lu et al. 2022a).
        Tensor Move(Tensor x, Tensor predicted, double from, double to) =>
            (process.Alpha(to) / process.Alpha(from) * x) - (process.Sigma(to) * (Math.Exp(process.Lambda(to) - process.Lambda(from)) - 1) * predicted);

        // Of the clipped sample, where something clips.
        Tensor Noise(SamplingLoop.Context step) => clipping != Clipping.None
            ? step.Level.NoiseFromOriginal(step.Original, step.X)
            : step.Level.Noise(schedule.Options.PredictionType, step.Output.Prediction, step.X);
    }

    /// <summary>Where updates begin and end, [n + 1], falling from 1 to <see cref="LastTime"/>.</summary>
    private double[] Times(VpProcess process, int n)
    {
        var (first, last) = (process.Lambda(1), process.Lambda(LastTime));
        return EvenLogSnr
            ? [1, .. Enumerable.Range(1, n - 1).Select(i => process.TimeOfLambda(first + ((last - first) * i / n))), LastTime]
            : [.. Enumerable.Range(0, n + 1).Select(i => 1 + ((LastTime - 1) * i / n))];
    }
}
