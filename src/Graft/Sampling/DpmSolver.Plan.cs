using Graft.Diffusion;

namespace Graft.Sampling;

/// <content>Which noise levels a run visits.</content>
public sealed partial record DpmSolverSampler
{
    /// <summary>ρ of Karras et al. 2022, eq. 5.</summary>
    private const double Rho = 7;

    /// <summary>σ/α before each update and after the last, falling, [updates + 1]: what diffusers calls <c>sigmas</c>.</summary>
    /// <param name="schedule">The schedule that is sampled.</param>
    /// <exception cref="InputException">The steps do not fit the schedule.</exception>
    public IReadOnlyList<double> Sigmas(NoiseSchedule schedule)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        return [.. Plan(schedule).Signals.Select(signal => Math.Sqrt((1 - signal) / signal))];
    }

    /// <summary>The training steps that the network is told, [n], and ᾱ before each update and after the last, [n + 1].</summary>
    private (int[] Timesteps, double[] Signals) Plan(NoiseSchedule schedule)
    {
        var end = FinalSigmasType == DpmFinalSigma.Zero ? 1 : schedule.AlphasCumulative[0];
        if (Timesteps is null && UseKarrasSigmas)
        {
            var sigmas = KarrasSigmas(schedule);
            return (Array.ConvertAll(sigmas, sigma => NearestStep(sigma, schedule)), [.. sigmas.Select(sigma => 1 / (1 + (sigma * sigma))), end]);
        }

        var steps = Timesteps?.ToArray() ?? Spaced(schedule);
        SamplingLoop.RequireFalling(steps, schedule);
        return (steps, [.. steps.Select(t => schedule.AlphasCumulative[t]), end]);
    }

    /// <summary>Training steps by the sampler's spacing: of Steps + 1 points all but the one nearest to the clean sample.</summary>
    private int[] Spaced(NoiseSchedule schedule)
    {
        var usable = schedule.AlphasCumulative.Count(signal => Lambda(signal) >= LambdaMinClipped);
        var n = Steps == 0 ? usable : Steps;
        if (n > usable || usable == 0)
            throw new InputException($"{n} sampling steps were asked for: give 1 to {usable}, which the schedule has.");
        if (n == usable)
            return [.. Enumerable.Range(0, n).Reverse()];
        return TimestepSpacing switch
        {
            // Math.Round takes halves to even, as NumPy does.
            TimestepSpacing.Linspace => [.. Enumerable.Range(1, n).Reverse().Select(i => (int)Math.Round(i * ((usable - 1.0) / n)))],
            TimestepSpacing.Leading => [.. Enumerable.Range(1, n).Reverse().Select(i => (i * (usable / (n + 1))) + schedule.Options.StepsOffset)],
            _ => [.. Enumerable.Range(0, n).Select(i => (int)Math.Round(usable - (i * ((double)schedule.Count / n))) - 1).Where(t => t >= 0)],
        };
    }

    /// <summary>σ/α from the noisiest training step to the first, even in (σ/α)^(1/ρ) (Karras et al. 2022, eq. 5).</summary>
    private double[] KarrasSigmas(NoiseSchedule schedule)
    {
        var n = Steps == 0 ? schedule.Count : Steps;
        if (schedule.TerminalSnr == 0)
            throw new InputException("Karras sigmas need a schedule that does not end in pure noise: set use_karras_sigmas or rescale_betas_zero_snr to false.");
        var (highest, lowest) = (Math.Pow(Sigma(schedule, schedule.Count - 1), 1 / Rho), Math.Pow(Sigma(schedule, 0), 1 / Rho));
        return [.. Enumerable.Range(0, n).Select(i => Math.Pow(highest + ((lowest - highest) * (n == 1 ? 0 : i / (n - 1.0))), Rho))];
    }

    /// <summary>The training step of a noise level: by log(σ/α), linear between steps, rounded.</summary>
    private static int NearestStep(double sigma, NoiseSchedule schedule)
    {
        var above = 1;
        while (above < schedule.Count - 1 && Sigma(schedule, above) < sigma)
            above++;
        if (schedule.Count == 1)
            return 0;
        var (low, high) = (Math.Log(Sigma(schedule, above - 1)), Math.Log(Sigma(schedule, above)));
        return (int)Math.Round(above - 1 + Math.Clamp((Math.Log(sigma) - low) / (high - low), 0, 1));
    }

    /// <summary>σ/α of a training step.</summary>
    private static double Sigma(NoiseSchedule schedule, int t) => 1 / Math.Sqrt(schedule.Snr(t));

    /// <summary>Refuses what the equations cannot do.</summary>
    private void CheckPlan(double[] signals)
    {
        if (AlgorithmType == DpmAlgorithm.DpmSolver && FinalSigmasType == DpmFinalSigma.Zero)
            throw new InputException("The algorithm dpmsolver cannot end at noise 0, by which it divides: set final_sigmas_type sigma_min, or take dpmsolver++.");
        if (AlgorithmType == DpmAlgorithm.DpmSolver && signals[0] == 0)
            throw new InputException("The algorithm dpmsolver cannot start from pure noise, where it divides by the signal: take dpmsolver++.");
        if (AlgorithmType == DpmAlgorithm.SdeDpmSolverPlusPlus && SolverOrder == 3)
            throw new InputException("The algorithm sde-dpmsolver++ has orders 1 and 2 only: set solver_order 2.");
    }
}
