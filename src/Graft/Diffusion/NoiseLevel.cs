using Graft.Torch;

namespace Graft.Diffusion;

/// <summary>
/// The equations between a clean sample x_0, noise ε, the noised sample x_t = α·x_0 + σ·ε and v, at given α = √ᾱ_t and σ = √(1−ᾱ_t).
/// Each holds for one step for all items (α and σ scalars) and for one step an item ([N, 1, ...]).
/// </summary>
/// <param name="Alpha">√ᾱ_t, the share of the clean sample.</param>
/// <param name="Sigma">√(1−ᾱ_t), the share of the noise.</param>
public readonly record struct NoiseLevel(Tensor Alpha, Tensor Sigma)
{
    /// <summary>Of x_0 in the mean of q(x_(t−1) | x_t, x_0) (Ho et al. 2020, eq. 7); only where a network predicts that mean.</summary>
    public Tensor? OriginalCoefficient { get; init; }

    /// <summary>Of x_t in the mean of q(x_(t−1) | x_t, x_0) (Ho et al. 2020, eq. 7); only where a network predicts that mean.</summary>
    public Tensor? CurrentCoefficient { get; init; }

    /// <summary>The level of one ᾱ for all items: scalars that fit any type and device.</summary>
    /// <param name="alphaCumulative">ᾱ, 0 to 1; it need not be one of a schedule.</param>
    public static NoiseLevel Of(double alphaCumulative) => new(
        Tensor.Scalar(Math.Sqrt(alphaCumulative), DType.Float64), Tensor.Scalar(Math.Sqrt(1 - alphaCumulative), DType.Float64));

    /// <summary>x_t = √ᾱ_t·x_0 + √(1−ᾱ_t)·ε (Ho et al. 2020, eq. 4).</summary>
    public Tensor AddNoise(Tensor x0, Tensor noise) => (Alpha * x0) + (Sigma * noise);

    /// <summary>v = √ᾱ_t·ε − √(1−ᾱ_t)·x_0 (Salimans and Ho 2022, section 4).</summary>
    public Tensor Velocity(Tensor x0, Tensor noise) => (Alpha * noise) - (Sigma * x0);

    /// <summary>x_0 = (x_t − √(1−ᾱ_t)·ε)/√ᾱ_t (Ho et al. 2020, eq. 15). Not finite where ᾱ_t is 0.</summary>
    public Tensor OriginalFromNoise(Tensor noise, Tensor x) => (x - (Sigma * noise)) / Alpha;

    /// <summary>x_0 = √ᾱ_t·x_t − √(1−ᾱ_t)·v (Salimans and Ho 2022, section 4 and appendix D).</summary>
    public Tensor OriginalFromVelocity(Tensor velocity, Tensor x) => (Alpha * x) - (Sigma * velocity);

    /// <summary>ε = (x_t − √ᾱ_t·x_0)/√(1−ᾱ_t): eq. 4 of Ho et al. 2020, solved for ε. Not finite where ᾱ_t is 1.</summary>
    public Tensor NoiseFromOriginal(Tensor x0, Tensor x) => (x - (Alpha * x0)) / Sigma;

    /// <summary>ε = √ᾱ_t·v + √(1−ᾱ_t)·x_t (Salimans and Ho 2022, appendix D).</summary>
    public Tensor NoiseFromVelocity(Tensor velocity, Tensor x) => (Alpha * velocity) + (Sigma * x);

    /// <summary>The mean of q(x_(t−1) | x_t, x_0) (Ho et al. 2020, eq. 7).</summary>
    public Tensor PreviousMean(Tensor x0, Tensor x) => (Needed(OriginalCoefficient) * x0) + (Needed(CurrentCoefficient) * x);

    /// <summary>x_0 of the mean of q(x_(t−1) | x_t, x_0): eq. 7 of Ho et al. 2020, solved for x_0.</summary>
    public Tensor OriginalFromPreviousMean(Tensor mean, Tensor x) => (mean - (Needed(CurrentCoefficient) * x)) / Needed(OriginalCoefficient);

    /// <summary>The clean sample that a network's output implies.</summary>
    /// <param name="type">What the output means.</param>
    /// <param name="output">The output, [N, C, ...].</param>
    /// <param name="x">x_t, [N, C, ...].</param>
    public Tensor Original(PredictionType type, Tensor output, Tensor x) => type switch
    {
        PredictionType.Epsilon => OriginalFromNoise(output, x),
        PredictionType.VPrediction => OriginalFromVelocity(output, x),
        PredictionType.PreviousSample => OriginalFromPreviousMean(output, x),
        _ => output,
    };

    /// <summary>The noise that a network's output implies.</summary>
    /// <inheritdoc cref="Original"/>
    public Tensor Noise(PredictionType type, Tensor output, Tensor x) => type switch
    {
        PredictionType.Epsilon => output,
        PredictionType.VPrediction => NoiseFromVelocity(output, x),
        _ => NoiseFromOriginal(Original(type, output, x), x),
    };

    /// <summary>What a perfect network would give: ε, x_0, v or the mean of x_(t−1).</summary>
    /// <param name="type">What the output means.</param>
    /// <param name="x0">Clean samples, [N, C, ...].</param>
    /// <param name="noise">The noise in them, [N, C, ...].</param>
    public Tensor Target(PredictionType type, Tensor x0, Tensor noise) => type switch
    {
        PredictionType.Epsilon => noise,
        PredictionType.VPrediction => Velocity(x0, noise),
        PredictionType.PreviousSample => PreviousMean(x0, AddNoise(x0, noise)),
        _ => x0,
    };

    private static Tensor Needed(Tensor? coefficient) => coefficient
        ?? throw new InputException("A network that predicts the previous sample knows its training steps only: use a sampler that stays on them.");
}
