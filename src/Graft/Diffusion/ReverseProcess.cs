using Graft.Torch;

namespace Graft.Diffusion;

/// <summary>p_θ(x_s | x_t), and what it follows from.</summary>
/// <param name="Distribution">Mean and log variance, [N, C, ...].</param>
/// <param name="Original">The clean samples that the network's output implies, clipped if asked for, [N, C, ...].</param>
public readonly record struct ReverseStep(Gaussian Distribution, Tensor Original);

/// <summary>
/// The reverse process p_θ (Ho et al. 2020, eq. 1) over all steps of a schedule or over some of them (respaced: Nichol and Dhariwal
/// 2021, section 4), with the schedule's prediction and variance types. The log variance of the first step, where β̃ is 0, is that
/// of the second, as in openai's code. It holds no tensors, and is safe to share.
/// </summary>
public sealed class ReverseProcess
{
    private readonly int[] _timesteps; // rising, as places do
    private readonly Posterior[] _posteriors;
    private readonly Dictionary<int, int> _places;

    /// <summary>A process over a schedule.</summary>
    /// <param name="schedule">The schedule that the network was trained with.</param>
    /// <param name="timesteps">The training steps that are kept, falling; all if null.</param>
    /// <exception cref="InputException">The steps do not fall, or lead out of the schedule.</exception>
    public ReverseProcess(NoiseSchedule schedule, IReadOnlyList<int>? timesteps = null)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        Schedule = schedule;
        Timesteps = timesteps is null ? [.. Enumerable.Range(0, schedule.Count).Reverse()] : [.. timesteps];
        _timesteps = [.. Timesteps.Reverse()];
        if (_timesteps.Length == 0 || _timesteps[0] < 0 || _timesteps[^1] >= schedule.Count || _timesteps.Zip(_timesteps.Skip(1)).Any(p => p.First >= p.Second))
            throw new InputException($"The time steps of a process must fall, from at most {schedule.Count - 1} to at least 0, without repeats.");
        _posteriors = [.. _timesteps.Select((t, i) => schedule.Posterior(t, i == 0 ? -1 : _timesteps[i - 1]))];
        _places = _timesteps.Select((t, i) => (t, i)).ToDictionary(p => p.t, p => p.i);
    }

    /// <summary>The schedule.</summary>
    public NoiseSchedule Schedule { get; }

    /// <summary>The training steps that are kept, falling.</summary>
    public IReadOnlyList<int> Timesteps { get; }

    /// <summary>q(x_s | x_t, x_0), s being the step before t in this process.</summary>
    /// <param name="t">A training step that is kept.</param>
    /// <exception cref="ArgumentException">t is not kept.</exception>
    public Posterior Posterior(int t) => _posteriors[Place(t)];

    /// <summary>log β̃ of a step; at the first, where β̃ is 0, of the second (log β in a process of one step).</summary>
    /// <inheritdoc cref="Posterior(int)"/>
    public double LogLower(int t) => Place(t) switch
    {
        0 when _posteriors.Length == 1 => Math.Log(_posteriors[0].Beta),
        0 => _posteriors[1].LogVariance(VarianceType.FixedSmall),
        var place => _posteriors[place].LogVariance(VarianceType.FixedSmall),
    };

    /// <summary>q(x_s | x_t, x_0) for samples, clipped as <see cref="LogLower"/> (Ho et al. 2020, eq. 6 and 7).</summary>
    /// <param name="x0">Clean samples, [N, C, ...].</param>
    /// <param name="x">x_t, [N, C, ...].</param>
    /// <param name="t">Training steps, int64 [N].</param>
    public Gaussian Posterior(Tensor x0, Tensor x, Tensor t)
    {
        ArgumentNullException.ThrowIfNull(x);
        return new Gaussian(Mean(x0, x, t), NoiseSchedule.Column(t, x, LogLower));
    }

    /// <summary>p_θ(x_s | x_t) of a network's output (Ho et al. 2020, section 3.2; Nichol and Dhariwal 2021, eq. 15).</summary>
    /// <param name="output">The network's output, [N, C, ...]; [N, 2C, ...] where the variance is learned.</param>
    /// <param name="x">x_t, [N, C, ...].</param>
    /// <param name="t">Training steps, int64 [N].</param>
    /// <param name="clip">Whether the clean samples are clipped to ±<see cref="ScheduleOptions.ClipSampleRange"/> on the way.</param>
    /// <exception cref="InputException">The output has not the channels that the variance type needs.</exception>
    public ReverseStep Step(Tensor output, Tensor x, Tensor t, bool clip)
    {
        ArgumentNullException.ThrowIfNull(x);
        return Step(NetworkOutput.Split(output, x.Size(1)), x, t, clip);
    }

    /// <inheritdoc cref="Step(Tensor, Tensor, Tensor, bool)"/>
    public ReverseStep Step(NetworkOutput output, Tensor x, Tensor t, bool clip)
    {
        ArgumentNullException.ThrowIfNull(x);
        var options = Schedule.Options;
        var original = Schedule.At(t, x).Original(options.PredictionType, output.Prediction, x);
        if (clip)
            original = original.Clamp(-options.ClipSampleRange, options.ClipSampleRange);

        // A network that predicts the mean itself is taken at its word, where its step is the process's.
        var mean = options.PredictionType == PredictionType.PreviousSample && _timesteps.Length == Schedule.Count
            ? output.Prediction
            : Mean(original, x, t);
        return new ReverseStep(new Gaussian(mean, LogVariance(output, x, t)), original);
    }

    /// <summary>The log variance of p_θ(x_s | x_t), [N, C, ...] where it is learned, else [N, 1, ...].</summary>
    internal Tensor LogVariance(NetworkOutput output, Tensor x, Tensor t)
    {
        var options = Schedule.Options;
        switch (options.VarianceType)
        {
            case VarianceType.FixedSmall or VarianceType.FixedSmallLog:
                return NoiseSchedule.Column(t, x, LogLower);
            case VarianceType.FixedLarge or VarianceType.FixedLargeLog:
                return NoiseSchedule.Column(t, x, i => Place(i) == 0 ? LogLower(i) : Posterior(i).LogVariance(VarianceType.FixedLarge));
        }

        var learned = output.Variance ?? throw NetworkOutput.LacksVariance();
        return options.VarianceType == VarianceType.Learned ? learned : Interpolated(
            learned, NoiseSchedule.Column(t, x, LogLower), NoiseSchedule.Column(t, x, i => Posterior(i).LogUpper(options.LearnedRangeUpper)));
    }

    /// <summary>log variance = f·log β + (1 − f)·log β̃, with the network's −1 to 1 as f = 0 to 1 (Nichol and Dhariwal 2021, eq. 15).</summary>
    internal static Tensor Interpolated(Tensor learned, Tensor low, Tensor high) => ((learned + 1.0) * 0.5 * (high - low)) + low;

    private Tensor Mean(Tensor x0, Tensor x, Tensor t) =>
        (NoiseSchedule.Column(t, x, i => Posterior(i).OriginalCoefficient) * x0) + (NoiseSchedule.Column(t, x, i => Posterior(i).CurrentCoefficient) * x);

    private int Place(int t) => _places.TryGetValue(t, out var place)
        ? place
        : throw new ArgumentException($"The process does not visit step {t}.", nameof(t));
}
