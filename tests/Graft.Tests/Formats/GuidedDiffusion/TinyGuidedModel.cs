using Graft.Diffusion;
using Graft.Networks;

namespace Graft.Tests.Formats.GuidedDiffusion;

/// <summary>Small models that guided-diffusion could have made: its group norms have 32 groups, so that no level is narrower.</summary>
internal static class TinyGuidedModel
{
    /// <summary>Expressible in diffusers: two heads at one attending level, learned variance, classes.</summary>
    public static UNet2DOptions Plain { get; } = new()
    {
        SampleSize = 8,
        OutChannels = 6,
        BlockOutChannels = [32, 64],
        DownBlockTypes = ["ResnetDownsampleBlock2D", "AttnDownBlock2D"],
        UpBlockTypes = ["AttnUpBlock2D", "ResnetUpsampleBlock2D"],
        LayersPerBlock = 1,
        AttentionHeadDim = 16,
        AttnNormNumGroups = 32,
        ResnetTimeScaleShift = "scale_shift",
        DownsampleType = "resnet",
        UpsampleType = "resnet",
        NumClassEmbeds = 3,
    };

    /// <summary>Everything that diffusers lacks.</summary>
    public static UNet2DOptions Own { get; } = new()
    {
        SampleSize = 8,
        InChannels = 1,
        OutChannels = 1,
        BlockOutChannels = [32, 64],
        DownBlockTypes = ["AttnDownBlock2D", "AttnDownBlock2D"],
        UpBlockTypes = ["AttnUpBlock2D", "AttnUpBlock2D"],
        LayersPerBlock = 1,
        AttentionHeadDim = null,
        AttentionHeads = 4,
        AttentionHeadsUpsample = 2,
        ConvResample = false,
        TimestepScale = 0.25,
        TimeEmbeddingChannels = 64,
    };

    public static ScheduleOptions LearnedRange { get; } = new() { VarianceType = VarianceType.LearnedRange };

    public static ScheduleOptions Cosine { get; } = new()
    {
        NumTrainTimesteps = 4000, BetaSchedule = BetaSchedule.SquaredcosCapV2, PredictionType = PredictionType.Sample, VarianceType = VarianceType.FixedSmall,
    };

    public static string SavePlain(string folder) => TinyModel.Save(folder, Plain, LearnedRange);

    public static string SaveOwn(string folder) => TinyModel.Save(folder, Own, Cosine);
}
