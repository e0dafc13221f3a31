using Graft.Torch;

namespace Graft.Transfer;

/// <summary>How a network g(x_t) = log h(x_t) is fitted to ratios r(x_0), so that h(x_t) becomes E[r(x_0) | x_t].</summary>
public enum RatioLoss
{
    /// <summary>The paper's, (h − r)² (Ouyang et al. 2024, the guidance loss). Its gradients grow with r².</summary>
    Ratio,

    /// <summary>The released code's, (log h − log r)². It finds E[log r | x_t], which lies below log E[r | x_t] (Jensen).</summary>
    LogRatio,

    /// <summary>
    /// k·log(1 + h/k) + r·log(1 + k/h), a Bregman divergence (Sugiyama et al. 2012, section 4.2, of k = 1) whose minimum is where (h − r)² has
    /// its own, with gradients that never exceed h and r. Beyond h = k it hardly tells one ratio from another. Ours.
    /// </summary>
    Logistic,

    /// <summary>
    /// r/h + log h, the divergence of Itakura and Saito: the minimum is the same again, and a relative error of h counts as much where h is
    /// small as where it is large. Its gradient in x, which is all that guides, is relative too. Ours.
    /// </summary>
    ItakuraSaito,
}

/// <summary>The terms that TGDP trains with (Ouyang et al. 2024; algorithms 1 to 4). Each is a scalar, a mean over items.</summary>
public static class RatioLosses
{
    /// <summary>
    /// The domain classifier's binary cross-entropy under a class prior, p(source) = k/(1 + k): then k·(1 − c)/c is q/p itself, and log q/p is
    /// what the network gives, whatever k. Algorithms 1 (clean items) and 2 (noised ones), where k is 1. A larger k keeps the loss from
    /// saturating where the ratio is large, and leads towards maximum likelihood of the target's items under p·r (Gutmann and Hyvärinen
    /// 2012, section 2.3).
    /// </summary>
    /// <param name="source">log q/p that the network gives items of the source, [N].</param>
    /// <param name="target">The same of the target's, [N].</param>
    /// <param name="odds">k, more than 0.</param>
    public static Tensor Domain(Tensor source, Tensor target, double odds = 1)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(target);
        var log = Math.Log(odds);
        return ((Functional.LogSigmoid(log - source).Mean() * odds) + Functional.LogSigmoid(target - log).Mean()) * (-1 / (1 + odds));
    }

    /// <summary>The regression of log h on ratios.</summary>
    /// <param name="log">log h, [N].</param>
    /// <param name="logRatio">log r, [N]; nothing flows back into it.</param>
    /// <param name="form">Which.</param>
    /// <param name="odds">k of <see cref="RatioLoss.Logistic"/>, more than 0.</param>
    public static Tensor Regression(Tensor log, Tensor logRatio, RatioLoss form, double odds = 1)
    {
        ArgumentNullException.ThrowIfNull(log);
        ArgumentNullException.ThrowIfNull(logRatio);
        var due = logRatio.Detach();
        return form switch
        {
            RatioLoss.Ratio => (log.Exp() - due.Exp()).Square().Mean(),
            RatioLoss.LogRatio => (log - due).Square().Mean(),
            RatioLoss.ItakuraSaito => ((due - log).Exp() + log).Mean(),
            _ => ((Functional.LogSigmoid(Math.Log(odds) - log) * odds) + (due.Exp() * Functional.LogSigmoid(log - Math.Log(odds)))).Mean() * -1.0,
        };
    }

    /// <summary>The same expectation with its second half over items that were drawn in proportion to r: E_p[r·f] = E_p[r]·E_{p·r}[f].</summary>
    /// <param name="log">log h of items of the source, [N].</param>
    /// <param name="logByRatio">log h of items of the source that were drawn by r, [N].</param>
    /// <param name="meanRatio">E_p[r].</param>
    /// <param name="form">Which; <see cref="RatioLoss.LogRatio"/> is not linear in r and has no such form.</param>
    /// <param name="odds">k of <see cref="RatioLoss.Logistic"/>, more than 0.</param>
    /// <exception cref="ArgumentException">It is that one.</exception>
    public static Tensor Regression(Tensor log, Tensor logByRatio, double meanRatio, RatioLoss form, double odds = 1)
    {
        ArgumentNullException.ThrowIfNull(log);
        ArgumentNullException.ThrowIfNull(logByRatio);
        return form switch
        {
            RatioLoss.Ratio => log.Exp().Square().Mean() - (logByRatio.Exp().Mean() * (2 * meanRatio)),
            RatioLoss.ItakuraSaito => log.Mean() + ((-logByRatio).Exp().Mean() * meanRatio),
            RatioLoss.Logistic => ((Functional.LogSigmoid(Math.Log(odds) - log).Mean() * odds)
                + (Functional.LogSigmoid(logByRatio - Math.Log(odds)).Mean() * meanRatio)) * -1.0,
            _ => throw new ArgumentException("The loss log_ratio is not linear in the ratio.", nameof(form)),
        };
    }

    /// <summary>
    /// The consistency regulariser on target items: ‖s_source + ∇ log h − ∇ log q(x_t | x_0)‖², here times σ_t², which makes it
    /// ‖ε − ε_source + σ_t·∇ log h‖² and finite as t falls to 0; the mean over numbers. The gradient is itself differentiated.
    /// </summary>
    /// <param name="gradient">∇ log h at x_t, recorded, [N, ...].</param>
    /// <param name="sigma">σ_t, [N, 1, ...].</param>
    /// <param name="noise">ε that made x_t.</param>
    /// <param name="sourceNoise">ε that the source model sees in x_t.</param>
    public static Tensor Consistency(Tensor gradient, Tensor sigma, Tensor noise, Tensor sourceNoise) =>
        (noise - sourceNoise + (sigma * gradient)).Square().Mean();
}
