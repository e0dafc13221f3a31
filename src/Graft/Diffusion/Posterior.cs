namespace Graft.Diffusion;

/// <summary>
/// q(x_s | x_t, x_0) for s before t (Ho et al. 2020, eq. 6 and 7; the steps between left out as in Nichol and Dhariwal 2021,
/// section 4): normal, of mean <c>OriginalCoefficient·x_0 + CurrentCoefficient·x_t</c> and of variance <c>Variance</c>.
/// </summary>
/// <param name="OriginalCoefficient">√ᾱ_s·β/(1−ᾱ_t).</param>
/// <param name="CurrentCoefficient">√(ᾱ_t/ᾱ_s)·(1−ᾱ_s)/(1−ᾱ_t).</param>
/// <param name="Variance">β̃ = (1−ᾱ_s)/(1−ᾱ_t)·β; 0 where s is the clean sample.</param>
/// <param name="Beta">β = 1 − ᾱ_t/ᾱ_s, of the whole way from s to t.</param>
/// <param name="TrainingBeta">β_t of the training schedule.</param>
public readonly record struct Posterior(
    double OriginalCoefficient, double CurrentCoefficient, double Variance, double Beta, double TrainingBeta)
{
    /// <summary>Below this no variance goes, so that its logarithm exists (diffusers' bound).</summary>
    public const double SmallestVariance = 1e-20;

    /// <summary>The log variance of a fixed type, or the lower bound of <see cref="VarianceType.LearnedRange"/>: log β̃ or log β.</summary>
    public double LogVariance(VarianceType type) =>
        Math.Log(type is VarianceType.FixedLarge or VarianceType.FixedLargeLog ? Beta : Math.Max(Variance, SmallestVariance));

    /// <summary>log β, the upper bound of <see cref="VarianceType.LearnedRange"/>.</summary>
    public double LogUpper(LearnedRangeUpper upper) => Math.Log(upper == LearnedRangeUpper.TrainingBeta ? TrainingBeta : Beta);
}
