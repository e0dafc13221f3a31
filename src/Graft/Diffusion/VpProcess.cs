namespace Graft.Diffusion;

/// <summary>
/// The variance-preserving process in continuous time (Song et al. 2021, "Score-based generative modeling through SDEs", eq. 11, and
/// appendix B, eq. 33): dx = −½β(t)x dt + √β(t) dw with β(t) = β_min + t(β_max − β_min), t in [0, 1]. Then x_t = α(t)·x_0 + σ(t)·ε,
/// α = e^(−B/2) and σ² = 1 − e^(−B), where B(t) = β_min·t + ½(β_max − β_min)t² is the integral of β.
/// </summary>
/// <param name="BetaMin">β(0).</param>
/// <param name="BetaMax">β(1).</param>
public readonly record struct VpProcess(double BetaMin, double BetaMax)
{
    /// <summary>B(t), the integral of β from 0.</summary>
    public double Integral(double t) => t * (BetaMin + (0.5 * (BetaMax - BetaMin) * t));

    /// <summary>ᾱ(t) = α², the share of the clean sample's variance.</summary>
    public double Signal(double t) => Math.Exp(-Integral(t));

    /// <summary>α(t), the share of the clean sample.</summary>
    public double Alpha(double t) => Math.Exp(-0.5 * Integral(t));

    /// <summary>σ(t), the share of the noise; exact to rounding near t = 0 too.</summary>
    public double Sigma(double t) => Math.Sqrt(OneMinusExp(Integral(t)));

    /// <summary>λ(t) = log(α/σ), half of the log signal-to-noise ratio; it falls with t.</summary>
    public double Lambda(double t) => Math.Log(Alpha(t) / Sigma(t));

    /// <summary>The t at which λ has a value: the positive root of B(t) = log(1 + e^(−2λ)) (Lu et al. 2022a, appendix D.4).</summary>
    public double TimeOfLambda(double lambda)
    {
        // log(1 + e^−2λ), without overflow for very negative λ and without loss for very positive ones.
        var integral = lambda < 0 ? (-2 * lambda) + LogOnePlus(Math.Exp(2 * lambda)) : LogOnePlus(Math.Exp(-2 * lambda));
        return 2 * integral / (BetaMin + Math.Sqrt((BetaMin * BetaMin) + (2 * (BetaMax - BetaMin) * integral)));
    }

    /// <summary>1 − e^(−x) = 2e^(−x/2)·sinh(x/2), which does not cancel for small x.</summary>
    internal static double OneMinusExp(double x) => 2 * Math.Exp(-0.5 * x) * Math.Sinh(0.5 * x);

    /// <summary>log(1 + x), x in [0, 1], without loss for small x (Kahan's correction).</summary>
    private static double LogOnePlus(double x)
    {
        var sum = 1 + x;
        return sum == 1 ? x : Math.Log(sum) * x / (sum - 1);
    }
}
