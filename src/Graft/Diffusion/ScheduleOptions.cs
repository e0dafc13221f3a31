using System.Collections.Immutable;
using System.Text.Json;

namespace Graft.Diffusion;

/// <summary>
/// A <c>scheduler_config.json</c> by diffusers' names (DDPMScheduler and DDIMScheduler): the noise schedule, what the network
/// predicts, and how sampling treats it. A property's key is its name in snake case unless it says otherwise.
/// </summary>
public sealed partial record ScheduleOptions
{
    private static readonly ImmutableSortedDictionary<string, JsonElement> NoKeys =
        ImmutableSortedDictionary.Create<string, JsonElement>(StringComparer.Ordinal);

    /// <summary>T, the steps of the training schedule: 1 to 1,000,000.</summary>
    public int NumTrainTimesteps { get; init; } = 1000;

    /// <summary>β of the first step, above 0 and below 1.</summary>
    public double BetaStart { get; init; } = 1e-4;

    /// <summary>β of the last step, above 0 and below 1.</summary>
    public double BetaEnd { get; init; } = 0.02;

    /// <summary>Key <c>beta_min</c>: β(0) of <see cref="BetaSchedule.ContinuousVp"/>, above 0.</summary>
    public double BetaMin { get; init; } = 0.1;

    /// <summary>Key <c>beta_max</c>: β(1) of <see cref="BetaSchedule.ContinuousVp"/>, above <see cref="BetaMin"/>.</summary>
    public double BetaMax { get; init; } = 20;

    /// <summary>How β grows between.</summary>
    public BetaSchedule BetaSchedule { get; init; } = BetaSchedule.Linear;

    /// <summary>The T values of β themselves, each above 0 and at most 1, in place of the three above.</summary>
    public ImmutableArray<double>? TrainedBetas { get; init; }

    /// <summary>Key <c>graft_beta_precision</c>. How the values of β are rounded: for a model of openai's, <see cref="BetaPrecision.Double"/>.</summary>
    public BetaPrecision BetaPrecision { get; init; } = BetaPrecision.Single;

    /// <summary>The variance of DDPM updates.</summary>
    public VarianceType VarianceType { get; init; } = VarianceType.FixedSmall;

    /// <summary>Whether samplers clip the predicted x_0 to ±<see cref="ClipSampleRange"/>.</summary>
    public bool ClipSample { get; init; } = true;

    /// <summary>The bound, above 0.</summary>
    public double ClipSampleRange { get; init; } = 1;

    /// <summary>What the network's output means.</summary>
    public PredictionType PredictionType { get; init; } = PredictionType.Epsilon;

    /// <summary>Whether samplers apply dynamic thresholding (Saharia et al. 2022, section 2.3) instead of clipping.</summary>
    public bool Thresholding { get; init; }

    /// <summary>The quantile of |x_0| that thresholding takes as bound, above 0 and at most 1.</summary>
    public double DynamicThresholdingRatio { get; init; } = 0.995;

    /// <summary>The largest bound of thresholding, at least 1.</summary>
    public double SampleMaxValue { get; init; } = 1;

    /// <summary>Which training steps a shorter run visits.</summary>
    public TimestepSpacing TimestepSpacing { get; init; } = TimestepSpacing.Leading;

    /// <summary>Added to each step of <see cref="TimestepSpacing.Leading"/>: 0 to T − 1.</summary>
    public int StepsOffset { get; init; }

    /// <summary>Whether β is rescaled so that ᾱ_T is exactly 0 (Lin et al. 2024, algorithm 1).</summary>
    public bool RescaleBetasZeroSnr { get; init; }

    /// <summary>Whether DDIM's last update goes to ᾱ = 1; else it goes to ᾱ of step 0.</summary>
    public bool SetAlphaToOne { get; init; } = true;

    /// <summary>
    /// Key <c>graft_learned_range_upper</c>. The default is the paper's; a model sampled with diffusers 0.14 may want the other.
    /// </summary>
    public LearnedRangeUpper LearnedRangeUpper { get; init; } = LearnedRangeUpper.RespacedBeta;

    /// <summary>Key <c>graft_previous_timestep</c>. The default is the paper's; <see cref="PreviousTimestep.Uniform"/> repeats diffusers.</summary>
    public PreviousTimestep PreviousTimestep { get; init; } = PreviousTimestep.Listed;

    /// <summary>Keys that mean nothing here (<c>_class_name</c>, <c>_diffusers_version</c>, ...), kept for writing.</summary>
    public ImmutableSortedDictionary<string, JsonElement> Other { get; init; } = NoKeys;

    /// <summary>Whether the network gives a second half of channels for the variance.</summary>
    public bool LearnsVariance => VarianceType is VarianceType.Learned or VarianceType.LearnedRange;

    /// <summary>Whether time is continuous; <see cref="NumTrainTimesteps"/> is then the grid that samplers step on.</summary>
    public bool IsContinuous => BetaSchedule == BetaSchedule.ContinuousVp;

    /// <summary>Checks every range.</summary>
    /// <exception cref="InputException">A value is out of range; the sentence names its key.</exception>
    public void Validate()
    {
        Require(NumTrainTimesteps is >= 1 and <= 1_000_000, "num_train_timesteps", NumTrainTimesteps, "from 1 to 1000000");
        Require(BetaStart is > 0 and < 1, "beta_start", BetaStart, "above 0 and below 1");
        Require(BetaEnd is > 0 and < 1, "beta_end", BetaEnd, "above 0 and below 1");
        Require(ClipSampleRange > 0, "clip_sample_range", ClipSampleRange, "above 0");
        Require(DynamicThresholdingRatio is > 0 and <= 1, "dynamic_thresholding_ratio", DynamicThresholdingRatio, "above 0 and at most 1");
        Require(SampleMaxValue >= 1, "sample_max_value", SampleMaxValue, "at least 1");
        Require(StepsOffset >= 0 && StepsOffset < NumTrainTimesteps, "steps_offset", StepsOffset, $"from 0 to {NumTrainTimesteps - 1}");
        if (IsContinuous)
            ValidateContinuous();
        if (TrainedBetas is not { } betas)
            return;
        Require(betas.Length == NumTrainTimesteps, "trained_betas", $"a list of {betas.Length}", $"as long as num_train_timesteps ({NumTrainTimesteps})");
        foreach (var beta in betas)
            Require(beta is > 0 and <= 1, "trained_betas", beta, "made of values above 0 and at most 1");
    }

    private void ValidateContinuous()
    {
        Require(BetaMin > 0 && double.IsFinite(BetaMin), "beta_min", BetaMin, "above 0");
        Require(BetaMax > BetaMin && BetaMax <= 1000, "beta_max", BetaMax, "above beta_min, and at most 1000");
        Require(TrainedBetas is null, "trained_betas", "given", "left out where time is continuous");
        Require(!RescaleBetasZeroSnr, "rescale_betas_zero_snr", "true", "false where time is continuous");
        Require(!LearnsVariance, "variance_type", VarianceType, "a fixed one where time is continuous");
        Require(PredictionType != PredictionType.PreviousSample, "prediction_type", PredictionType, "epsilon, sample or v_prediction where time is continuous");
    }

    private static void Require(bool holds, string key, object value, string range)
    {
        if (!holds)
            throw new InputException($"The scheduler's {key} is {value}: it must be {range}.");
    }
}
