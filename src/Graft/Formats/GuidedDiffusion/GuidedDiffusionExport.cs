using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Formats.GuidedDiffusion;

/// <summary>Writes a network under openai's names.</summary>
public static class GuidedDiffusionExport
{
    private const long Groups = 32;
    private const double Epsilon = 1e-5;

    /// <summary>The flags that say to openai's scripts what a network and its schedule are.</summary>
    /// <param name="options">The network.</param>
    /// <param name="middleNorm">Whether its middle attention has a group norm.</param>
    /// <param name="schedule">The schedule.</param>
    /// <param name="order">How queries, keys and values are to lie.</param>
    /// <exception cref="InputException">guided-diffusion has no such network or schedule; the sentence says why.</exception>
    public static GuidedDiffusionFlags Flags(UNet2DOptions options, bool middleNorm, ScheduleOptions schedule, AttentionOrder order)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(schedule);
        Refuse(options.TimeEmbeddingType != "positional", $"its time embedding is {options.TimeEmbeddingType}");
        Refuse(!options.FlipSinToCos || options.FreqShift != 0, "its time embedding has flip_sin_to_cos false or a freq_shift");
        Refuse(options.NormNumGroups != Groups, $"norm_num_groups is {options.NormNumGroups}, not {Groups}");
        Refuse(options.NormEps != Epsilon, $"norm_eps is {options.NormEps}, not {Epsilon}");
        Refuse(options.ActFn is not ("silu" or "swish"), $"act_fn is {options.ActFn}, not silu");
        Refuse(options.CenterInputSample, "center_input_sample is true");
        Refuse(options.MidBlockScaleFactor != 1, "mid_block_scale_factor is not 1");
        Refuse(!options.AddAttention, "its middle does not attend");
        Refuse(!middleNorm || options.AttnNormNumGroups is not (null or Groups), $"its middle attention has no group norm of {Groups} groups");
        Refuse(options.CrossAttentionDim is not null, "its attention layers look at a context (cross_attention_dim)");
        Refuse(options.ClassEmbedType is not null, $"class_embed_type is {options.ClassEmbedType}");
        Refuse(options.OutChannels != options.InChannels && options.OutChannels != 2 * options.InChannels, $"it gives {options.OutChannels} channels for {options.InChannels}");
        var learnsVariance = options.OutChannels == 2 * options.InChannels;
        Refuse(learnsVariance != (schedule.VarianceType == VarianceType.LearnedRange), learnsVariance
            ? "it learned a variance, but its schedule's variance_type is not learned_range"
            : "its schedule's variance_type is learned, but its output has none");

        var flags = Diffusion(schedule, options.TimestepScale);
        var width = options.TimeChannels;
        return WithHeads(options, flags) with
        {
            ImageSize = Edge(options.SampleSize),
            NumChannels = (int)width,
            NumResBlocks = options.LayersPerBlock,
            ChannelMult = [.. options.BlockOutChannels.Select(c => c / (double)width)],
            AttentionResolutions = Resolutions(options),
            UseNewAttentionOrder = order == AttentionOrder.New,
            ClassCond = options.NumClassEmbeds is not null,
            UseScaleShiftNorm = options.ResnetTimeScaleShift == "scale_shift",
            ResblockUpdown = ResamplesByResnet(options),
            Dropout = options.Dropout,
            LearnSigma = learnsVariance,
        };
    }

    /// <summary>Writes safetensors under openai's names; the header says how to load them again.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="network">The network.</param>
    /// <param name="flags">What <see cref="Flags"/> gave for it.</param>
    public static void Write(string path, UNet2D network, GuidedDiffusionFlags flags)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(flags);
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            WeightFile.Write(path, GuidedDiffusionNames.Of(network.Options).Named(network, flags.AttentionOrder), new Dictionary<string, string>
            {
                [GuidedDiffusionFile.FlagsKey] = flags.ToString(),
                [GuidedDiffusionFile.OrderKey] = flags.AttentionOrder == AttentionOrder.New ? "new" : "legacy",
            });
        });
    }

    private static GuidedDiffusionFlags Diffusion(ScheduleOptions schedule, double timestepScale)
    {
        var steps = schedule.NumTrainTimesteps;
        Refuse(schedule.TrainedBetas is not null || schedule.RescaleBetasZeroSnr, "its schedule lists its betas or rescales them to zero SNR");
        Refuse(schedule.PredictionType == PredictionType.VPrediction, "it predicts v");
        Refuse(schedule.BetaSchedule is not (BetaSchedule.Linear or BetaSchedule.SquaredcosCapV2), $"its beta_schedule is {schedule.BetaSchedule}");
        var linear = schedule.BetaSchedule == BetaSchedule.Linear;
        Refuse(linear && !(Near(schedule.BetaStart, 0.1 / steps) && Near(schedule.BetaEnd, 20.0 / steps)),
            $"its linear schedule runs from {schedule.BetaStart} to {schedule.BetaEnd}, where guided-diffusion's runs from {0.1 / steps} to {20.0 / steps} in {steps} steps");
        var rescaled = Near(timestepScale, 1000.0 / steps);
        Refuse(timestepScale != 1 && !rescaled, $"its timestep_scale is {timestepScale}, neither 1 nor 1000/{steps}");
        return new GuidedDiffusionFlags
        {
            DiffusionSteps = steps,
            NoiseSchedule = linear ? "linear" : "cosine",
            PredictXstart = schedule.PredictionType == PredictionType.Sample,
            SigmaSmall = schedule.VarianceType is VarianceType.FixedSmall or VarianceType.FixedSmallLog ? true : null,
            RescaleTimesteps = timestepScale != 1,
        };
    }

    private static GuidedDiffusionFlags WithHeads(UNet2DOptions options, GuidedDiffusionFlags flags)
    {
        if (options.AttentionHeads is { } heads)
            return flags with { NumHeads = (int)heads, NumHeadsUpsample = (int?)options.AttentionHeadsUpsample };
        var layers = GuidedDiffusionArchitecture.AttentionLayers(options);
        if (layers.All(l => options.HeadsOf(l.Channels, l.Up) == 1))
            return flags with { NumHeads = 1 };
        var size = options.AttentionHeadDim!.Value;
        Refuse(layers.Any(l => l.Channels < size), $"attention_head_dim {size} is more than the channels of an attention layer, so that its heads vary in width");
        return flags with { NumHeadChannels = (int)size };
    }

    private static System.Collections.Immutable.ImmutableArray<int> Resolutions(UNet2DOptions options)
    {
        var edge = Edge(options.SampleSize);
        var resolutions = new List<int>();
        for (var i = 0; i < options.BlockOutChannels.Length; i++)
        {
            Refuse(options.AttendsDown(i) != options.AttendsUp(i), $"level {i} attends on one way only");
            if (options.AttendsDown(i))
                resolutions.Add(edge >> i);
        }

        return [.. resolutions];
    }

    /// <summary>Whether all levels are joined by residual blocks; if some are, and others not, guided-diffusion has no such network.</summary>
    private static bool ResamplesByResnet(UNet2DOptions options)
    {
        var joints = options.BlockOutChannels.Length - 1;
        var kinds = Enumerable.Range(0, joints)
            .SelectMany(i => new[] { Kind(options.DownBlockTypes[i], options.DownsampleType), Kind(options.UpBlockTypes[i], options.UpsampleType) })
            .Distinct().ToList();
        Refuse(kinds.Count > 1, "some of its levels are joined by convolutions and some by residual blocks");
        var resnet = kinds is [true];
        Refuse(!resnet && joints > 0 && options.ConvResample && options.DownsamplePadding != 1, "downsample_padding is 0");
        return resnet;

        static bool Kind(string type, string resampling) =>
            type.StartsWith("Resnet", StringComparison.Ordinal) || (type.StartsWith("Attn", StringComparison.Ordinal) && resampling == "resnet");
    }

    private static int Edge(JsonNode? size)
    {
        var edges = size switch
        {
            JsonValue one when one.TryGetValue<int>(out var edge) => [edge],
            JsonArray two => two.Select(n => n is JsonValue v && v.TryGetValue<int>(out var edge) ? edge : 0).Distinct().ToArray(),
            _ => (int[])[],
        };
        Refuse(edges is not [> 0], "its sample_size is not one edge of square pictures");
        return edges[0];
    }

    private static bool Near(double a, double b) => Math.Abs(a - b) <= 1e-9 * Math.Abs(b);

    private static void Refuse(bool condition, string why)
    {
        if (condition)
            throw new InputException($"The model cannot be written in guided-diffusion's names: {why}; write it under --names diffusers.");
    }
}
