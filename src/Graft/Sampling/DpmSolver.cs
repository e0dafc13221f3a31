using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Sampling;

/// <summary>What <see cref="DpmSolverSampler"/> solves, and in which variable (key <c>algorithm_type</c>).</summary>
public enum DpmAlgorithm
{
    /// <summary>The ODE by predicted clean samples: <c>dpmsolver++</c> (Lu et al. 2022b, "DPM-Solver++").</summary>
    DpmSolverPlusPlus,

    /// <summary>The ODE by predicted noise: <c>dpmsolver</c> (Lu et al. 2022a, "DPM-Solver").</summary>
    DpmSolver,

    /// <summary>The SDE by predicted clean samples, with fresh noise in each update: <c>sde-dpmsolver++</c> (Lu et al. 2022b).</summary>
    SdeDpmSolverPlusPlus,
}

/// <summary>The second-order update (key <c>solver_type</c>). They differ by terms of third order.</summary>
public enum DpmSolverType
{
    /// <summary>The midpoint rule (Lu et al. 2022b, algorithm 2).</summary>
    Midpoint,

    /// <summary>Heun's rule: the slope's own coefficient of the Taylor expansion.</summary>
    Heun,
}

/// <summary>Where the last update ends (key <c>final_sigmas_type</c>).</summary>
public enum DpmFinalSigma
{
    /// <summary>At the clean sample, which takes an update of first order. diffusers 0.27's default.</summary>
    Zero,

    /// <summary>At training step 0, whose noise stays. diffusers 0.14 knows nothing else.</summary>
    SigmaMin,
}

/// <summary>
/// Multistep DPM-Solver and DPM-Solver++ (Lu et al. 2022a and 2022b) by the options of diffusers' DPMSolverMultistepScheduler: high
/// order from the outputs of the updates before, one network evaluation an update. As it stands it is DPM-Solver++(2M), which its
/// authors recommend. The schedule's clipping and thresholding apply, as for every sampler here; diffusers' class knows thresholding only.
/// </summary>
public sealed partial record DpmSolverSampler : Sampler
{
    internal const string SamplerName = "dpm-solver++";

    /// <summary>Below as many updates the last ones are of lower order (the authors' and diffusers' number).</summary>
    private const int FewSteps = 15;

    /// <summary>
    /// Order of the updates, 1 to 3, reached as the outputs become known. First order is DDIM; third order is in truth a better
    /// second (see the source), as in its authors' code.
    /// </summary>
    /// <exception cref="InputException">The value is not from 1 to 3.</exception>
    public int SolverOrder
    {
        get;
        init => field = value is >= 1 and <= 3 ? value : throw new InputException($"The sampler's solver_order is {value}: it must be from 1 to 3.");
    } = 2;

    /// <summary>What is solved.</summary>
    public DpmAlgorithm AlgorithmType { get; init; } = DpmAlgorithm.DpmSolverPlusPlus;

    /// <summary>The rule of second order.</summary>
    public DpmSolverType SolverType { get; init; } = DpmSolverType.Midpoint;

    /// <summary>Whether, with fewer than 15 updates, the last one is of first order and the one before it of at most second.</summary>
    public bool LowerOrderFinal { get; init; } = true;

    /// <summary>Whether the last update is of first order however many there are (key <c>euler_at_final</c>, from diffusers 0.22 on).</summary>
    public bool EulerAtFinal { get; init; }

    /// <summary>Where the last update ends. <see cref="DpmAlgorithm.DpmSolver"/> divides by the noise there, and takes <see cref="DpmFinalSigma.SigmaMin"/> only.</summary>
    public DpmFinalSigma FinalSigmasType { get; init; } = DpmFinalSigma.Zero;

    /// <summary>Whether noise levels are spaced as Karras et al. 2022, eq. 5, with ρ = 7, in place of training steps; the network is told the nearest step.</summary>
    public bool UseKarrasSigmas { get; init; }

    /// <summary>Smallest λ = log(α/σ) that a run starts from. For cosine schedules diffusers advises −5.1.</summary>
    public double LambdaMinClipped { get; init; } = double.NegativeInfinity;

    /// <summary>How training steps are chosen: of Steps + 1 points the last, nearest to the clean sample, is left out. diffusers 0.14 knows linspace only.</summary>
    public TimestepSpacing TimestepSpacing { get; init; } = TimestepSpacing.Linspace;

    /// <inheritdoc/>
    public override string Name => SamplerName;

    /// <inheritdoc/>
    protected override Tensor Run(SamplingTask task)
    {
        var schedule = task.Schedule;
        var (timesteps, signals) = Plan(schedule);
        CheckPlan(signals);
        var n = timesteps.Length;
        var clips = (Clipping ?? Clipping.Of(schedule.Options)) != Clipping.None;
        var known = new List<Tensor>(SolverOrder); // outputs of the last updates, newest first: they outlive the update's scope
        return SamplingLoop.Run(this, task, timesteps, UseKarrasSigmas ? signals : null, Update);

        Tensor Update(SamplingLoop.Context step)
        {
            var k = step.Index;
            known.Insert(0, Solved(step).Detach().MoveToOuter());
            var order = OrderOf(k, n);
            var coefficients = Coefficients(signals[k], signals[k + 1], order);
            var next = (coefficients.X * step.X) + (coefficients.D0 * known[0]);
            if (order > 1)
            {
                var (d1, d2) = Differences(signals, k, known, order);
                next += coefficients.D1 * d1;
                if (d2 is not null)
                    next += coefficients.D2 * d2;
            }

            if (coefficients.Noise > 0)
                next += coefficients.Noise * task.NoiseFor(k, step.X);
            if (known.Count == SolverOrder)
            {
                known[^1].Dispose();
                known.RemoveAt(known.Count - 1);
            }

            return next;
        }

        // What the integral is over: the clean sample, or the noise (of the clipped sample, where something clips).
        Tensor Solved(SamplingLoop.Context step)
        {
            if (AlgorithmType != DpmAlgorithm.DpmSolver)
                return step.Original;
            return clips
                ? step.Level.NoiseFromOriginal(step.Original, step.X)
                : step.Level.Noise(schedule.Options.PredictionType, step.Output.Prediction, step.X);
        }
    }

    /// <summary>Order of update k of n: as many outputs as are known, and lower at the end.</summary>
    private int OrderOf(int k, int n)
    {
        var few = LowerOrderFinal && n < FewSteps;
        if (k == n - 1 && (few || EulerAtFinal || FinalSigmasType == DpmFinalSigma.Zero))
            return 1;
        return Math.Min(Math.Min(SolverOrder, k + 1), k == n - 2 && few ? 2 : 3);
    }

    /// <summary>Factors of an update x_t = X·x_s + D0·D_0 + D1·D_1 + D2·D_2 + Noise·z.</summary>
    private readonly record struct Factors(double X, double D0, double D1, double D2, double Noise);

    /// <summary>The factors from ᾱ_s to ᾱ_t, with h = λ_t − λ_s: the exact integrals of e^λ against 1, λ and λ²/2.</summary>
    private Factors Coefficients(double from, double to, int order)
    {
        var (alphaS, sigmaS) = (Math.Sqrt(from), Math.Sqrt(1 - from));
        var (alpha, sigma) = (Math.Sqrt(to), Math.Sqrt(1 - to));
        var h = Lambda(to) - Lambda(from);
        var midpoint = order == 2 && SolverType == DpmSolverType.Midpoint;
        switch (AlgorithmType)
        {
            case DpmAlgorithm.DpmSolverPlusPlus: // Lu et al. 2022b, section 4 and algorithm 2
            {
                var first = alpha * (1 - Math.Exp(-h));
                return new Factors(sigma / sigmaS, first, midpoint ? first / 2 : -alpha * Slope(-h), -alpha * Curvature(-h), 0);
            }

            case DpmAlgorithm.DpmSolver: // Lu et al. 2022a, section 3
            {
                var first = -sigma * (Math.Exp(h) - 1);
                return new Factors(alpha / alphaS, first, midpoint ? first / 2 : -sigma * Slope(h), -sigma * Curvature(h), 0);
            }

            default: // Lu et al. 2022b, on the SDE: part of x_s is replaced by fresh noise
            {
                var decay = 1 - Math.Exp(-2 * h);
                return new Factors(
                    sigma / sigmaS * Math.Exp(-h), alpha * decay, midpoint ? alpha * decay / 2 : -alpha * Slope(-2 * h), 0, sigma * Math.Sqrt(decay));
            }
        }
    }

    /// <summary>
    /// Finite differences of the outputs in λ: D_1 ≈ h·m′ (all that second order has), and D_2. From pure noise h is infinite, and the
    /// slope 0. Taylor's series asks for D_2 = h²·m″; the authors' and diffusers' code has half of it, and so has this, to draw the
    /// same samples. With half of it order 3 converges as order 2 does, from a smaller error.
    /// </summary>
    private static (Tensor D1, Tensor? D2) Differences(double[] signals, int k, List<Tensor> known, int order)
    {
        var (now, h) = (Lambda(signals[k]), Lambda(signals[k + 1]) - Lambda(signals[k]));
        var h0 = now - Lambda(signals[k - 1]);
        var recent = (h / h0) * (known[0] - known[1]);
        if (order == 2)
            return (recent, null);
        var h1 = Lambda(signals[k - 1]) - Lambda(signals[k - 2]);
        var change = recent - ((h / h1) * (known[1] - known[2]));
        return (recent + (h0 / (h0 + h1) * change), h / (h0 + h1) * change);
    }

    /// <summary>λ = log(α/σ), of ᾱ: from −∞ (noise) to +∞ (clean).</summary>
    private static double Lambda(double signal) => 0.5 * Math.Log(signal / (1 - signal));

    /// <summary>(e^x − 1)/x − 1, of the factor of D_1. 0 where x is.</summary>
    private static double Slope(double x) => x == 0 ? 0 : ((Math.Exp(x) - 1) / x) - 1;

    /// <summary>(e^x − 1 − x)/x² − ½, of the factor of D_2. 0 where x is.</summary>
    private static double Curvature(double x) => x == 0 ? 0 : ((Math.Exp(x) - 1 - x) / (x * x)) - 0.5;
}
