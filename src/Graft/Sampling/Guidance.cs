using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Sampling;

/// <summary>∇ log p(y | x_t) with respect to x_t: where samples should go.</summary>
/// <param name="x">x_t, [N, C, ...].</param>
/// <param name="t">Training steps, int64 [N]; in continuous time t itself, float64 [N].</param>
/// <param name="condition">What samples are to be: for a classifier, its labels.</param>
/// <returns>The gradient, of x's shape. Samplers record nothing: who differentiates opens a scope of gradients.</returns>
public delegate Tensor GuidanceGradient(Tensor x, Tensor t, Condition? condition);

/// <summary>A gradient that guides, and how strongly (Dhariwal and Nichol 2021, section 4).</summary>
/// <param name="Gradient">∇ log p(y | x_t).</param>
/// <param name="Scale">s, its factor: 1 samples p(x | y), more than 1 favours typical samples of y.</param>
public sealed record Guidance(GuidanceGradient Gradient, double Scale = 1)
{
    /// <summary>Guidance by a log-probability, which is differentiated for each item.</summary>
    /// <param name="logProbability">log p(y | x_t) for each item, [N], of x_t, t and the condition.</param>
    /// <param name="scale">s.</param>
    public static Guidance Of(GuidanceGradient logProbability, double scale = 1)
    {
        ArgumentNullException.ThrowIfNull(logProbability);
        return new Guidance(Differentiate, scale);

        Tensor Differentiate(Tensor x, Tensor t, Condition? condition)
        {
            using var mode = Autograd.WithGrad();
            using var scope = new TensorScope();
            var leaf = x.Detach();
            leaf.RequiresGrad = true;
            return Autograd.Gradients(logProbability(leaf, t, condition).Sum(), [leaf])[0].MoveToOuter();
        }
    }

    /// <summary>s·∇ log p(y | x_t), of x's shape.</summary>
    internal Tensor At(Tensor x, Tensor t, Condition? condition) => Gradient(x, t, condition) * Scale;
}

/// <summary>
/// Guidance in the score (Dhariwal and Nichol 2021, algorithm 2; Song et al. 2021, section 5): ε̂ = ε − √(1−ᾱ_t)·s·∇ log p(y | x_t).
/// The guided model is a denoiser like any other and works in every sampler. It predicts what the model predicts; a learned variance stays.
/// </summary>
public sealed class GuidedDenoiser : IDenoiser
{
    private readonly IDenoiser _denoiser;
    private readonly NoiseSchedule _schedule;
    private readonly Guidance _guidance;

    /// <summary>Guides a model.</summary>
    /// <param name="denoiser">The model; it is not changed.</param>
    /// <param name="schedule">The schedule that it was trained with.</param>
    /// <param name="guidance">The gradient and its scale.</param>
    public GuidedDenoiser(IDenoiser denoiser, NoiseSchedule schedule, Guidance guidance)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(schedule);
        ArgumentNullException.ThrowIfNull(guidance);
        (_denoiser, _schedule, _guidance) = (denoiser, schedule, guidance);
    }

    /// <summary>
    /// What is done to the unguided prediction of the clean sample; nothing if null, and the sampler then clips the guided one. openai's
    /// code clips before guidance and not after it: <c>Clipping.To(1)</c> here, and <see cref="Sampling.Clipping.None"/> in the sampler.
    /// </summary>
    public Clipping? Clipping { get; init; }

    /// <inheritdoc/>
    public Tensor Predict(Tensor x, Tensor t, Condition? condition = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        using var scope = new TensorScope();
        var type = _schedule.Options.PredictionType;
        var output = NetworkOutput.Split(_denoiser.Predict(x, t, condition), x.Size(1));
        var prediction = output.Prediction;
        if (Clipping is not null)
        {
            var level = _schedule.At(t, x);
            var original = Clipping.Apply(level.Original(type, prediction, x));
            prediction = level.Target(type, original, level.NoiseFromOriginal(original, x));
        }

        var factor = type == PredictionType.PreviousSample
            ? NoiseSchedule.Column(t, x, PreviousFactor)
            : _schedule.SignalColumn(t, x, signal => Factor(type, signal));
        var guided = prediction + (factor * _guidance.At(x, t, condition));
        return (output.Variance is null ? guided : Tensor.Cat([guided, output.Variance], 1)).MoveToOuter();
    }

    /// <summary>
    /// What the output changes by where ε changes by −σ·∇: x_0 = (x_t − σε)/α, and v = αε − σx_0 with x_t fixed. Where α is 0, x_t
    /// says nothing about x_0 nor y, so ∇ log p(y | x_t) is 0 and so is the change.
    /// </summary>
    private static double Factor(PredictionType type, double signal)
    {
        var (alpha, sigma) = (Math.Sqrt(signal), Math.Sqrt(1 - signal));
        if (type == PredictionType.Epsilon)
            return -sigma;
        if (signal == 0)
            return 0;
        return type switch
        {
            PredictionType.VPrediction => -sigma / alpha,
            _ => sigma * sigma / alpha,
        };
    }

    /// <summary>The mean of q(x_(t−1) | x_t, x_0) changes by x_0's change times x_0's coefficient.</summary>
    private double PreviousFactor(int t)
    {
        var signal = _schedule.AlphasCumulative[t];
        var (alpha, sigma) = (Math.Sqrt(signal), Math.Sqrt(1 - signal));
        return signal == 0 ? 0 : _schedule.Posterior(t, t - 1).OriginalCoefficient * sigma * sigma / alpha;
    }
}
