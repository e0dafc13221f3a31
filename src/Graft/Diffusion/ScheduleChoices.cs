namespace Graft.Diffusion;

// The JSON names are these names in snake case: VPrediction is v_prediction.

/// <summary>How β_t grows with t (key <c>beta_schedule</c>).</summary>
public enum BetaSchedule
{
    /// <summary>β linear in t (Ho et al. 2020, section 4).</summary>
    Linear,

    /// <summary>√β linear in t (latent diffusion: Rombach et al. 2022).</summary>
    ScaledLinear,

    /// <summary>ᾱ a squared cosine, β at most 0.999 (Nichol and Dhariwal 2021, eq. 17).</summary>
    SquaredcosCapV2,

    /// <summary>β a sigmoid of t from -6 to 6 (GeoDiff: Xu et al. 2022).</summary>
    Sigmoid,

    /// <summary>The log signal-to-noise ratio spread as a Laplace distribution (Hang and Gu 2024).</summary>
    Laplace,

    /// <summary>
    /// Continuous time (<see cref="VpProcess"/>): t in (0, 1] in place of steps, β from <see cref="ScheduleOptions.BetaMin"/> to
    /// <see cref="ScheduleOptions.BetaMax"/>. diffusers has no such name; the keys of β are those of its ScoreSdeVpScheduler.
    /// </summary>
    ContinuousVp,
}

/// <summary>The variance of a DDPM update (key <c>variance_type</c>). The β and β̃ are those of the respaced step.</summary>
public enum VarianceType
{
    /// <summary>β̃_t (Ho et al. 2020, eq. 7).</summary>
    FixedSmall,

    /// <summary>β̃_t too; diffusers computes it by way of its logarithm.</summary>
    FixedSmallLog,

    /// <summary>β_t (Ho et al. 2020, section 3.2).</summary>
    FixedLarge,

    /// <summary>β_t too. diffusers takes the square root of log β here, which is not a number; the meaning is what is done.</summary>
    FixedLargeLog,

    /// <summary>The second half of the network's output is the log variance (improved diffusion's <c>LEARNED</c>).</summary>
    Learned,

    /// <summary>The second half of the network's output interpolates between log β̃_t and log β_t (Nichol and Dhariwal 2021, eq. 15).</summary>
    LearnedRange,
}

/// <summary>What the network's output means (key <c>prediction_type</c>).</summary>
public enum PredictionType
{
    /// <summary>The noise ε (Ho et al. 2020).</summary>
    Epsilon,

    /// <summary>The clean sample x_0.</summary>
    Sample,

    /// <summary>v = √ᾱ·ε − √(1−ᾱ)·x_0 (Salimans and Ho 2022).</summary>
    VPrediction,

    /// <summary>
    /// The mean of q(x_(t−1) | x_t, x_0) (Ho et al. 2020, section 3.2; guided diffusion's <c>PREVIOUS_X</c>). The step before is that
    /// of the training schedule, however few steps a sampler takes. diffusers has no such type.
    /// </summary>
    PreviousSample,
}

/// <summary>How β_t and α_t are rounded (key <c>graft_beta_precision</c>).</summary>
public enum BetaPrecision
{
    /// <summary>To single precision, to the bit as in diffusers.</summary>
    Single,

    /// <summary>Not at all: double precision, as in openai's improved and guided diffusion.</summary>
    Double,
}

/// <summary>Which training steps a shorter sampling run visits (key <c>timestep_spacing</c>; Lin et al. 2024, table 2).</summary>
public enum TimestepSpacing
{
    /// <summary>Whole multiples from 0; the last training step is left out.</summary>
    Leading,

    /// <summary>Evenly from 0 to the last training step.</summary>
    Linspace,

    /// <summary>Evenly, counted back from the last training step; 0 is left out.</summary>
    Trailing,
}

/// <summary>The upper bound of <see cref="VarianceType.LearnedRange"/>: diffusers changed it between versions.</summary>
public enum LearnedRangeUpper
{
    /// <summary>β of the respaced step, 1 − ᾱ_t/ᾱ_prev: Nichol and Dhariwal's, and diffusers' from 0.15 on.</summary>
    RespacedBeta,

    /// <summary>β_t of the training schedule, whatever the respacing: diffusers 0.14.</summary>
    TrainingBeta,
}

/// <summary>Where an update from step τ_i goes. It matters only where the number of updates does not divide the training steps.</summary>
public enum PreviousTimestep
{
    /// <summary>To τ_{i−1}, the next step in the list (Song et al. 2021, section 4.2).</summary>
    Listed,

    /// <summary>To τ_i − ⌊T/n⌋, which need not be in the list: diffusers' DDIM, and its DDPM up to 0.27.</summary>
    Uniform,
}
