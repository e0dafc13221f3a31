using System.Collections.Immutable;
using Graft.Diffusion;

namespace Graft.Formats.GuidedDiffusion;

/// <summary>
/// The command-line flags of openai's guided- and improved-diffusion scripts that say what a model is. Null is a flag that was not given:
/// shapes then tell, or the scripts' default holds (the one that a property's summary names).
/// </summary>
public sealed partial record GuidedDiffusionFlags
{
    /// <summary><c>--image_size</c>: edge of the square pictures. It must be given: no shape shows it.</summary>
    public int? ImageSize { get; init; }

    /// <summary><c>--num_channels</c>: width that the multipliers multiply.</summary>
    public int? NumChannels { get; init; }

    /// <summary><c>--num_res_blocks</c>: residual blocks of each level.</summary>
    public int? NumResBlocks { get; init; }

    /// <summary><c>--num_heads</c>: heads of every attention layer. This or <see cref="NumHeadChannels"/> must be given where there is attention.</summary>
    public int? NumHeads { get; init; }

    /// <summary><c>--num_heads_upsample</c>: heads on the way up; as <see cref="NumHeads"/> (−1).</summary>
    public int? NumHeadsUpsample { get; init; }

    /// <summary><c>--num_head_channels</c>: channels of each head, which takes the place of the number of heads.</summary>
    public int? NumHeadChannels { get; init; }

    /// <summary><c>--attention_resolutions</c>: edges of the feature maps that attend, as 32,16,8.</summary>
    public ImmutableArray<int>? AttentionResolutions { get; init; }

    /// <summary><c>--channel_mult</c>: multipliers of the levels, as 1,2,3,4.</summary>
    public ImmutableArray<double>? ChannelMult { get; init; }

    /// <summary><c>--dropout</c>: rate in the residual blocks; 0.</summary>
    public double? Dropout { get; init; }

    /// <summary><c>--class_cond</c>: whether it takes class labels.</summary>
    public bool? ClassCond { get; init; }

    /// <summary><c>--use_scale_shift_norm</c>: whether the time embedding scales and shifts.</summary>
    public bool? UseScaleShiftNorm { get; init; }

    /// <summary><c>--resblock_updown</c>: whether residual blocks change the resolution.</summary>
    public bool? ResblockUpdown { get; init; }

    /// <summary><c>--use_new_attention_order</c>: whether queries, keys and values are thirds (new) or interleaved by head (legacy); false.</summary>
    public bool? UseNewAttentionOrder { get; init; }

    /// <summary><c>--learn_sigma</c>: whether the second half of the output is the variance.</summary>
    public bool? LearnSigma { get; init; }

    /// <summary><c>--sigma_small</c>: whether a variance that is not learned is β̃ instead of β; false.</summary>
    public bool? SigmaSmall { get; init; }

    /// <summary><c>--predict_xstart</c>: whether the network gives x_0 instead of ε; false.</summary>
    public bool? PredictXstart { get; init; }

    /// <summary><c>--diffusion_steps</c>: T; 1000.</summary>
    public int? DiffusionSteps { get; init; }

    /// <summary><c>--noise_schedule</c>: <c>linear</c> (the default) or <c>cosine</c>.</summary>
    public string? NoiseSchedule { get; init; }

    /// <summary>
    /// <c>--rescale_timesteps</c>: whether the network sees t · 1000/T. It must be given where T is not 1000, since guided-diffusion's
    /// default is false and improved-diffusion's true.
    /// </summary>
    public bool? RescaleTimesteps { get; init; }

    /// <summary><c>--classifier_width</c>, of a classifier: width that the multipliers multiply.</summary>
    public int? ClassifierWidth { get; init; }

    /// <summary><c>--classifier_depth</c>, of a classifier: residual blocks of each level.</summary>
    public int? ClassifierDepth { get; init; }

    /// <summary><c>--classifier_attention_resolutions</c>, of a classifier.</summary>
    public ImmutableArray<int>? ClassifierAttentionResolutions { get; init; }

    /// <summary><c>--classifier_use_scale_shift_norm</c>, of a classifier.</summary>
    public bool? ClassifierUseScaleShiftNorm { get; init; }

    /// <summary><c>--classifier_resblock_updown</c>, of a classifier.</summary>
    public bool? ClassifierResblockUpdown { get; init; }

    /// <summary><c>--classifier_pool</c>, of a classifier: adaptive, attention, spatial or spatial_v2.</summary>
    public string? ClassifierPool { get; init; }

    /// <summary>Sentences on flags that were read and are not used.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];

    /// <summary>T.</summary>
    internal int Steps => DiffusionSteps ?? 1000;

    /// <summary>How queries, keys and values lie in the file.</summary>
    internal AttentionOrder AttentionOrder => UseNewAttentionOrder == true ? AttentionOrder.New : AttentionOrder.Legacy;

    /// <summary>
    /// The schedule (<c>get_named_beta_schedule</c>, <c>create_gaussian_diffusion</c>): linear from 1e-4 to 0.02, both scaled by 1000/T so that
    /// any T ends in as much noise, or the cosine (Nichol and Dhariwal 2021, eq. 17).
    /// </summary>
    /// <param name="learnsVariance">Whether the network gives a variance.</param>
    /// <exception cref="InputException">T is so small that β would reach 1.</exception>
    internal ScheduleOptions Schedule(bool learnsVariance)
    {
        var scale = 1000.0 / Steps;
        var options = new ScheduleOptions
        {
            NumTrainTimesteps = Steps,
            BetaStart = NoiseSchedule == "cosine" ? 1e-4 : scale * 1e-4,
            BetaEnd = NoiseSchedule == "cosine" ? 0.02 : scale * 0.02,
            BetaSchedule = NoiseSchedule == "cosine" ? BetaSchedule.SquaredcosCapV2 : BetaSchedule.Linear,
            PredictionType = PredictXstart == true ? PredictionType.Sample : PredictionType.Epsilon,
            VarianceType = learnsVariance ? VarianceType.LearnedRange : SigmaSmall == true ? VarianceType.FixedSmall : VarianceType.FixedLarge,
        };
        options.Validate();
        return options;
    }

    /// <summary>The factor on t.</summary>
    /// <exception cref="InputException">T is not 1000, and whether t is rescaled was not said.</exception>
    internal double TimestepScale()
    {
        if (Steps != 1000 && RescaleTimesteps is null)
            throw new InputException($"With --diffusion_steps {Steps} it matters whether time steps are rescaled, and the scripts' defaults differ: give --rescale_timesteps False (guided-diffusion's default) or --rescale_timesteps True (improved-diffusion's).");
        return RescaleTimesteps == true ? 1000.0 / Steps : 1;
    }
}
