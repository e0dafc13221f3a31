using Graft.Torch;

namespace Graft.Diffusion;

/// <summary>
/// The forward process of diffusion, q(x_t | x_0) (Ho et al. 2020, section 2), for t = 0 to T − 1; t = 0 is the paper's t = 1.
/// Tables are double precision, over β and α of <see cref="ScheduleOptions.BetaPrecision"/>. It holds no tensors, and is safe to share.
/// </summary>
public sealed partial class NoiseSchedule
{
    /// <summary>√ᾱ_T above which <see cref="Warning"/> speaks. Lin et al. 2024, table 1: cosine 5e-5, linear 0.006, Stable Diffusion 0.068.</summary>
    private const double LargeTerminalSignal = 0.05;

    /// <summary>Computes the tables.</summary>
    /// <exception cref="InputException">An option is out of range.</exception>
    public NoiseSchedule(ScheduleOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        Options = options;
        if (options.IsContinuous)
        {
            Process = new VpProcess(options.BetaMin, options.BetaMax);
            (Betas, Alphas, AlphasCumulative) = Grid(Process.Value, options.NumTrainTimesteps);
            return;
        }

        var betas = Diffusion.Betas.Of(options);
        var (alphas, cumulative) = (new double[betas.Length], new double[betas.Length]);
        var product = 1.0;
        for (var t = 0; t < betas.Length; t++)
        {
            alphas[t] = Diffusion.Betas.Alpha(betas[t], options.BetaPrecision);
            cumulative[t] = product *= alphas[t];
        }

        (Betas, Alphas, AlphasCumulative) = (betas, alphas, cumulative);
    }

    /// <summary>What it was made from.</summary>
    public ScheduleOptions Options { get; }

    /// <summary>T.</summary>
    public int Count => Betas.Count;

    /// <summary>β_t.</summary>
    public IReadOnlyList<double> Betas { get; }

    /// <summary>α_t = 1 − β_t, of the precision of β.</summary>
    public IReadOnlyList<double> Alphas { get; }

    /// <summary>ᾱ_t, the product of α up to t (Ho et al. 2020, eq. 4).</summary>
    public IReadOnlyList<double> AlphasCumulative { get; }

    /// <summary>The signal-to-noise ratio of the last step; 0 where the schedule ends in pure noise.</summary>
    public double TerminalSnr => Snr(Count - 1);

    /// <summary>A sentence where the schedule does not end in noise, so that samples that start from noise start wrong (Lin et al. 2024); else null.</summary>
    public string? Warning
    {
        get
        {
            var signal = Math.Sqrt(AlphasCumulative[^1]);
            return signal <= LargeTerminalSignal
                ? null
                : $"The noise schedule does not end in noise: its last step keeps {signal:0.###} of the sample's amplitude (signal-to-noise ratio "
                    + $"{TerminalSnr:0.#####}), so samples keep the mean of pure noise; rescale_betas_zero_snr with v_prediction mends it.";
        }
    }

    /// <summary>ᾱ_t/(1−ᾱ_t), the signal-to-noise ratio of step t (Kingma et al. 2021, eq. 2).</summary>
    /// <exception cref="ArgumentOutOfRangeException">t is not from 0 to T − 1.</exception>
    public double Snr(int t) => AlphaCumulative(t) / (1 - AlphaCumulative(t));

    /// <summary>The signal-to-noise ratio for each item, float32 [N].</summary>
    /// <param name="t">Steps, int64 [N]; in continuous time also t itself, floating-point [N].</param>
    public Tensor Snr(Tensor t) => SignalColumn(t, signal => signal / (1 - signal), 1).To(DType.Float32).To(t.Device);

    /// <summary>α and σ of one step for all items: scalars that fit any type and device.</summary>
    /// <exception cref="ArgumentOutOfRangeException">t is not from 0 to T − 1.</exception>
    public NoiseLevel At(int t)
    {
        var level = NoiseLevel.Of(AlphaCumulative(t));
        return Options.PredictionType != PredictionType.PreviousSample ? level : level with
        {
            OriginalCoefficient = Tensor.Scalar(Before(t).OriginalCoefficient, DType.Float64),
            CurrentCoefficient = Tensor.Scalar(Before(t).CurrentCoefficient, DType.Float64),
        };
    }

    /// <summary>α and σ for one step an item, [N, 1, ...] of the type, device and rank of <paramref name="like"/>.</summary>
    /// <param name="t">Steps, int64 [N]; in continuous time also t itself, floating-point [N].</param>
    /// <param name="like">The samples, [N, ...].</param>
    /// <exception cref="ArgumentException">t is no int64 [N] of values from 0 to T − 1, nor, in continuous time, of values from 0 to 1.</exception>
    public NoiseLevel At(Tensor t, Tensor like)
    {
        if (IsTime(t))
            return new NoiseLevel(TimeColumn(t, Process!.Value.Alpha, like), TimeColumn(t, Process.Value.Sigma, like));
        var level = new NoiseLevel(
            Column(t, like, i => Math.Sqrt(AlphaCumulative(i))), Column(t, like, i => Math.Sqrt(1 - AlphaCumulative(i))));
        return Options.PredictionType != PredictionType.PreviousSample ? level : level with
        {
            OriginalCoefficient = Column(t, like, i => Before(i).OriginalCoefficient),
            CurrentCoefficient = Column(t, like, i => Before(i).CurrentCoefficient),
        };
    }

    /// <summary>Noised samples, [N, C, ...] (Ho et al. 2020, eq. 4).</summary>
    /// <param name="x0">Clean samples, [N, C, ...].</param>
    /// <param name="noise">Standard normal numbers of x0's shape.</param>
    /// <param name="t">Steps, int64 [N].</param>
    public Tensor AddNoise(Tensor x0, Tensor noise, Tensor t) => At(t, x0).AddNoise(x0, noise);

    /// <summary>v, [N, C, ...] (Salimans and Ho 2022).</summary>
    /// <inheritdoc cref="AddNoise"/>
    public Tensor Velocity(Tensor x0, Tensor noise, Tensor t) => At(t, x0).Velocity(x0, noise);

    /// <summary>The clean samples that a network's output implies, [N, C, ...].</summary>
    /// <param name="output">The network's output, [N, C, ...] or, with a variance that does not take part, [N, 2C, ...].</param>
    /// <param name="x">x_t, [N, C, ...].</param>
    /// <param name="t">Steps, int64 [N].</param>
    public Tensor PredictedOriginal(Tensor output, Tensor x, Tensor t) =>
        At(t, x).Original(Options.PredictionType, NetworkOutput.Split(output, x.Size(1)).Prediction, x);

    /// <summary>The noise that a network's output implies, [N, C, ...].</summary>
    /// <inheritdoc cref="PredictedOriginal"/>
    public Tensor PredictedNoise(Tensor output, Tensor x, Tensor t) =>
        At(t, x).Noise(Options.PredictionType, NetworkOutput.Split(output, x.Size(1)).Prediction, x);

    /// <summary>q(x_s | x_t, x_0).</summary>
    /// <param name="t">The step that the sample is at, 0 to T − 1.</param>
    /// <param name="s">The step before it that the sample goes to, −1 (clean) to t − 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A step is out of range.</exception>
    public Posterior Posterior(int t, int s)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(s, t);
        ArgumentOutOfRangeException.ThrowIfLessThan(s, -1);
        var (now, before) = (AlphaCumulative(t), s < 0 ? 1 : AlphaCumulative(s));
        var beta = 1 - (now / before);
        return new Posterior(
            Math.Sqrt(before) * beta / (1 - now), Math.Sqrt(now / before) * (1 - before) / (1 - now), (1 - before) / (1 - now) * beta, beta, Betas[t]);
    }

    /// <summary>The training steps that a run of <paramref name="steps"/> updates visits, from noise to picture.</summary>
    /// <param name="steps">1 to T.</param>
    /// <param name="spacing">The schedule's own if null.</param>
    /// <param name="offset">Added in <see cref="TimestepSpacing.Leading"/>; the schedule's own if null.</param>
    /// <exception cref="InputException">More steps than the schedule has, fewer than 1, or the offset leads out of the schedule.</exception>
    public int[] Timesteps(int steps, TimestepSpacing? spacing = null, int? offset = null)
    {
        if (steps < 1 || steps > Count)
            throw new InputException($"{steps} sampling steps were asked for: give 1 to {Count}, which the schedule has.");
        var shift = offset ?? Options.StepsOffset;
        var visited = new int[steps];
        for (var i = 0; i < steps; i++)
        {
            // Math.Round takes halves to even, as NumPy does.
            visited[steps - 1 - i] = (spacing ?? Options.TimestepSpacing) switch
            {
                TimestepSpacing.Leading => (i * (Count / steps)) + shift,
                TimestepSpacing.Linspace => steps == 1 ? 0 : (int)Math.Round(i * ((Count - 1.0) / (steps - 1))),
                _ => (int)Math.Round(Count - ((steps - 1 - i) * ((double)Count / steps))) - 1,
            };
        }

        if (visited[0] >= Count || visited[^1] < 0)
            throw new InputException($"{steps} sampling steps with steps_offset {shift} lead out of the schedule of {Count} steps: take fewer steps.");
        return visited;
    }

    /// <summary>
    /// The training steps of a spec as openai's guided diffusion writes them: <c>"250"</c> (as many, evenly from the first to the last),
    /// <c>"10,15,20"</c> (as many in each equal section of the schedule, earliest section first) or <c>"ddim25"</c> (a whole stride from 0).
    /// </summary>
    /// <returns>Training steps, falling, for <c>Sampler.Timesteps</c>.</returns>
    /// <exception cref="InputException">The spec is none of these, or asks for more steps than there are.</exception>
    public int[] Timesteps(string spec) => TimestepSections.Parse(spec, Count);

    /// <summary>f(t) for each item, [N, 1, ...] of the type, device and rank of <paramref name="like"/>.</summary>
    internal static Tensor Column(Tensor t, Tensor like, Func<int, double> f)
    {
        if (t.Count != like.Size(0))
            throw new ArgumentException($"{t} has not one step for each item of {like}.", nameof(t));
        return Column(t, f, like.Dims).To(like.Type).To(like.Device);
    }

    private Posterior Before(int t) => Posterior(t, t - 1);

    private double AlphaCumulative(int t) => (uint)t < (uint)Count
        ? AlphasCumulative[t]
        : throw new ArgumentOutOfRangeException(nameof(t), t, $"The schedule has steps 0 to {Count - 1}.");

    /// <summary>f(t) for each item, float64 [N, 1, ...] on the processor. The look-up is done here, so a t on a GPU is waited for.</summary>
    private static Tensor Column(Tensor t, Func<int, double> f, int rank)
    {
        if (t.Type != DType.Int64 || t.Dims != 1)
            throw new ArgumentException($"{t} are no time steps: they are int64 [N].", nameof(t));
        var shape = new long[rank];
        Array.Fill(shape, 1);
        shape[0] = t.Count;
        return Tensor.From(Array.ConvertAll(t.To(Device.Cpu).ToArray<long>(), step => f(checked((int)step))), shape);
    }
}
