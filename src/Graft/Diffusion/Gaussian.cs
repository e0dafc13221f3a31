using Graft.Torch;

namespace Graft.Diffusion;

/// <summary>A normal distribution for each element, of independent elements.</summary>
/// <param name="Mean">[N, C, ...].</param>
/// <param name="LogVariance">The natural logarithm of the variance, of a shape that broadcasts to the mean's.</param>
public readonly record struct Gaussian(Tensor Mean, Tensor LogVariance)
{
    /// <summary>Half a grey level of 8-bit pictures in [−1, 1].</summary>
    private const double HalfLevel = 1.0 / 255;

    /// <summary>Beyond ±this a value is the last of the 256, whose bin has no outer bound.</summary>
    private const double LastLevel = 0.999;

    /// <summary>The log of the least probability that is told apart, 1e-12 (the bound of openai's code): below it the gradient is 0.</summary>
    private static readonly double LeastLog = Math.Log(1e-12);

    /// <summary>Deviations from the mean beyond which Φ is not computed any more.</summary>
    private const double FarOut = 1e4;

    /// <summary>The least width of a bin: the logarithm and its gradient stay finite where rounding leaves none.</summary>
    private const double Tiny = 1e-30;

    /// <summary>KL(this ‖ other) for each element, in nats: ½(log σ₂² − log σ₁² − 1 + σ₁²/σ₂² + (μ₁−μ₂)²/σ₂²).</summary>
    public Tensor KlTo(Gaussian other) =>
        0.5 * (other.LogVariance - LogVariance - 1.0 + (LogVariance - other.LogVariance).Exp() + ((Mean - other.Mean).Square() * (-other.LogVariance).Exp()));

    /// <summary>
    /// The log-probability of 8-bit data for each element, in nats (Ho et al. 2020, eq. 13): the mass between x ± 1/255, open at the
    /// ends of [−1, 1]. Φ is the logistic approximation of openai's code, and stays finite in single precision however far the tails.
    /// </summary>
    /// <param name="x">Data in [−1, 1], in steps of 2/255, [N, C, ...].</param>
    public Tensor DiscretisedLogLikelihood(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        var precision = (LogVariance * -0.5).Exp();
        var (upper, lower) = (Logit((x - Mean + HalfLevel) * precision), Logit((x - Mean - HalfLevel) * precision));

        // With Φ = σ(u) the logistic function: Φ(b) − Φ(a) = σ(u_b)·σ(−u_a)·(1 − e^(u_a − u_b)), without cancellation.
        var below = Functional.LogSigmoid(upper);
        var above = Functional.LogSigmoid(-lower);
        var within = below + above + (-(-(upper - lower).Clamp(Tiny, null)).Expm1()).Log();
        var log = Tensor.Where((-x).IsGreater(LastLevel), below, Tensor.Where(x.IsGreater(LastLevel), above, within));
        return log.Clamp(LeastLog, null);
    }

    /// <summary>u with Φ(x) ≈ σ(u): 2√(2/π)·(x + 0.044715x³), within 3e-4 of Φ (Page 1977).</summary>
    private static Tensor Logit(Tensor x)
    {
        // Where the cube is out of all proportion the probability is far below the least; the bound keeps products finite.
        var near = x.Clamp(-FarOut, FarOut);
        return 2 * Math.Sqrt(2 / Math.PI) * (near + (0.044715 * near * near.Square()));
    }

}
