using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Sampling;

/// <summary>Standard normal noise for an update.</summary>
/// <param name="step">The update, from 0.</param>
/// <param name="shape">The samples' shape, [N, C, ...].</param>
public delegate Tensor StepNoise(int step, ReadOnlySpan<long> shape);

/// <summary>Where a sampling run is. The tensors die with the step: clone what is to stay.</summary>
/// <param name="Index">The update that was made, from 0.</param>
/// <param name="Count">Updates of the run.</param>
/// <param name="Timestep">The training step that it started from.</param>
/// <param name="Sample">The samples after it, [N, C, ...].</param>
/// <param name="PredictedOriginal">The clean samples as predicted (and clipped) in it, [N, C, ...].</param>
public readonly record struct SamplingStep(int Index, int Count, int Timestep, Tensor Sample, Tensor PredictedOriginal);

/// <summary>What a sampling run is over: see <see cref="Sampler.Sample"/>.</summary>
/// <param name="Denoiser">The model.</param>
/// <param name="Schedule">The schedule that it was trained with.</param>
/// <param name="XT">Standard normal noise, [N, C, ...].</param>
/// <param name="Noise">The noise of each update.</param>
/// <param name="Condition">What the denoiser is conditioned on.</param>
/// <param name="OnStep">Called after each update.</param>
/// <param name="CancellationToken">Looked at before each update.</param>
public sealed record SamplingTask(
    IDenoiser Denoiser, NoiseSchedule Schedule, Tensor XT, StepNoise Noise, Condition? Condition, Action<SamplingStep>? OnStep, CancellationToken CancellationToken)
{
    /// <summary>The noise of an update of these samples, of their shape and type, where they are.</summary>
    /// <param name="step">The update, from 0.</param>
    /// <param name="x">The samples.</param>
    public Tensor NoiseFor(int step, Tensor x) => Noise(step, x.Shape).To(x.Type).To(x.Device);
}

/// <summary>A way from noise to samples: a pure function over a denoiser. The noise is the caller's, so equal noise gives equal samples.</summary>
public abstract record Sampler
{
    /// <summary>The names that <see cref="Parse"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        DdimSampler.SamplerName, DdpmSampler.SamplerName, DpmSolverSampler.SamplerName,
        DpmSolverSinglestepSampler.SamplerName, DpmSolverSinglestepSampler.LogSnrName,
    ];

    /// <summary>The sampler's name, as <see cref="Parse"/> reads it.</summary>
    public abstract string Name { get; }

    /// <summary>Updates; 0 means one for each training step.</summary>
    public int Steps { get; init; }

    /// <summary>
    /// Training steps to visit, falling, in place of what <see cref="Steps"/> and the schedule's spacing give.
    /// <see cref="NoiseSchedule.Timesteps(string)"/> makes them of openai's specs.
    /// </summary>
    public IReadOnlyList<int>? Timesteps { get; init; }

    /// <summary>What is done to predicted clean samples; what the schedule says if null.</summary>
    public Clipping? Clipping { get; init; }

    /// <summary>Denoises. Operators record nothing; a denoiser that needs gradients opens its own scope.</summary>
    /// <param name="denoiser">The model.</param>
    /// <param name="schedule">The schedule that it was trained with.</param>
    /// <param name="xT">Standard normal noise, [N, C, ...]. It is not changed.</param>
    /// <param name="noise">The noise of each update.</param>
    /// <param name="condition">What the denoiser is conditioned on.</param>
    /// <param name="onStep">Called after each update.</param>
    /// <param name="cancellationToken">Looked at before each update.</param>
    /// <returns>Samples, [N, C, ...], in the caller's tensor scope.</returns>
    /// <exception cref="InputException">The steps do not fit the schedule, or the network's output does not fit the samples.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public Tensor Sample(
        IDenoiser denoiser,
        NoiseSchedule schedule,
        Tensor xT,
        StepNoise noise,
        Condition? condition = null,
        Action<SamplingStep>? onStep = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(schedule);
        ArgumentNullException.ThrowIfNull(xT);
        ArgumentNullException.ThrowIfNull(noise);
        return Run(new SamplingTask(denoiser, schedule, xT, noise, condition, onStep, cancellationToken));
    }

    /// <summary>The sampler's equation, over the updates of a run.</summary>
    /// <param name="task">What <see cref="Sample"/> was given.</param>
    /// <returns>Samples, [N, C, ...], in the caller's tensor scope.</returns>
    protected abstract Tensor Run(SamplingTask task);

    /// <summary>DDIM (Song et al. 2021).</summary>
    /// <param name="steps">Updates, 1 to T.</param>
    /// <param name="eta">η of eq. 16: 0 (no noise) to 1 (DDPM's).</param>
    public static Sampler Ddim(int steps, double eta = 0) => new DdimSampler { Steps = Updates(steps), Eta = eta };

    /// <summary>DDPM's ancestral sampling (Ho et al. 2020).</summary>
    /// <param name="steps">Updates, 1 to T; null for one for each training step.</param>
    public static Sampler Ddpm(int? steps = null) => new DdpmSampler { Steps = steps is null ? 0 : Updates(steps.Value) };

    /// <summary>Multistep DPM-Solver++ (Lu et al. 2022): good samples in 10 to 25 updates.</summary>
    /// <param name="steps">Updates, 1 to T.</param>
    /// <param name="order">1 to 3; 2 is what its authors recommend.</param>
    public static Sampler DpmSolver(int steps, int order = 2) => new DpmSolverSampler { Steps = Updates(steps), SolverOrder = order };

    /// <summary>Singlestep DPM-Solver-2 (Lu et al. 2022a, algorithm 1), for schedules in continuous time; two network evaluations an update but the first.</summary>
    /// <param name="steps">Updates, at least 1.</param>
    /// <param name="evenLogSnr">Whether they are of equal λ = log(α/σ), not of equal t.</param>
    public static Sampler DpmSolver2(int steps, bool evenLogSnr = false) => new DpmSolverSinglestepSampler { Steps = Updates(steps), EvenLogSnr = evenLogSnr };

    /// <summary>A sampler by name: <c>ddim</c>, <c>ddpm</c>, <c>dpm-solver++</c>, <c>dpm-solver-2</c> or <c>dpm-solver-2-logsnr</c>.</summary>
    /// <param name="name">The name.</param>
    /// <param name="steps">Updates, 1 to T.</param>
    /// <param name="eta">DDIM's η; the others have none.</param>
    /// <exception cref="InputException">The name is unknown, or a number is out of range.</exception>
    public static Sampler Parse(string name, int steps, double eta = 0) => name switch
    {
        DdimSampler.SamplerName => Ddim(steps, eta),
        DdpmSampler.SamplerName => Ddpm(steps),
        DpmSolverSampler.SamplerName => DpmSolver(steps),
        DpmSolverSinglestepSampler.SamplerName => DpmSolver2(steps),
        DpmSolverSinglestepSampler.LogSnrName => DpmSolver2(steps, evenLogSnr: true),
        _ => throw new InputException($"The sampler '{name}' is unknown: give {string.Join(" or ", Names)}."),
    };

    private static int Updates(int steps) =>
        steps >= 1 ? steps : throw new InputException($"{steps} sampling steps were asked for: give 1 or more.");
}
