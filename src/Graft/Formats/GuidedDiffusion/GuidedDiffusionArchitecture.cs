using System.Text.Json.Nodes;
using Graft.Inspection;
using Graft.Networks;

namespace Graft.Formats.GuidedDiffusion;

/// <summary>Network options of what shapes show and flags say.</summary>
internal static class GuidedDiffusionArchitecture
{
    private const long Groups = 32; // GroupNorm32

    /// <summary>The options of a <c>UNetModel</c>.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="tensors">Its shapes, without a prefix.</param>
    /// <param name="flags">What it was made with.</param>
    /// <exception cref="InputException">A flag is missing, or contradicts a shape.</exception>
    internal static UNet2DOptions Of(string path, NamedShapes tensors, GuidedDiffusionFlags flags)
    {
        var unet = UNetInference.GuidedDiffusion(tensors)
            ?? throw new InputException($"The file {path} has the names of a guided-diffusion UNetModel, but its blocks do not make up one: it may be a part of a model.");
        if (unet.OutChannels != unet.InChannels && !unet.LearnsVariance)
            throw new InputException($"The network of {path} gives {unet.OutChannels} channels for {unet.InChannels}: it must give as many, or twice as many with a learned variance (super-resolution models, which also take a small picture, are not supported).");
        var width = tensors.Size("time_embed.0.weight", 1) ?? 0;
        FlagCheck.Body(path, flags, unet, width);
        var options = Body(path, unet, width, flags.ImageSize) with
        {
            OutChannels = unet.OutChannels,
            Dropout = flags.Dropout ?? 0,
            NumClassEmbeds = unet.Classes,
            TimestepScale = flags.TimestepScale(),
        };
        options = WithHeads(path, options, flags);
        return UNet2DOptions.FromJson(options.ToJson(), path); // every range is checked there
    }

    /// <summary>All but heads, classes and output.</summary>
    internal static UNet2DOptions Body(string path, UNetArchitecture unet, long width, int? imageSize)
    {
        foreach (var level in unet.Levels)
        {
            if (level.AttentionDown != level.AttentionUp)
                throw new InputException($"The network of {path} attends at {level.Channels} channels on one way only, which guided-diffusion's UNetModel does not: it is another network.");
        }

        var resnet = unet.Resampling == "resnet";
        var first = unet.Levels[0].Channels;
        return new UNet2DOptions
        {
            SampleSize = imageSize is { } edge ? JsonValue.Create(edge) : null,
            InChannels = unet.InChannels,
            BlockOutChannels = [.. unet.Levels.Select(l => l.Channels)],
            DownBlockTypes = [.. unet.Levels.Select(l => l.AttentionDown ? "AttnDownBlock2D" : resnet ? "ResnetDownsampleBlock2D" : "DownBlock2D")],
            UpBlockTypes = [.. unet.Levels.Reverse().Select(l => l.AttentionUp ? "AttnUpBlock2D" : resnet ? "ResnetUpsampleBlock2D" : "UpBlock2D")],
            LayersPerBlock = unet.LayersPerBlock,
            DownsampleType = resnet ? "resnet" : "conv",
            UpsampleType = resnet ? "resnet" : "conv",
            // A single level has nothing to resample.
            ConvResample = unet.Resampling != "none" || unet.Levels.Count == 1,
            NormNumGroups = Groups,
            // diffusers' middle attention has a norm with scale_shift only if it is asked for.
            AttnNormNumGroups = unet.ScaleShift ? Groups : null,
            ResnetTimeScaleShift = unet.ScaleShift ? "scale_shift" : "default",
            TimeEmbeddingChannels = width == first ? null : width,
        };
    }

    /// <summary>Heads as diffusers can say them (channels of a head) where that is the same, else as a number.</summary>
    internal static UNet2DOptions WithHeads(string path, UNet2DOptions options, GuidedDiffusionFlags flags)
    {
        var layers = AttentionLayers(options);
        if (layers.Count == 0)
            return options;
        if (flags.NumHeadChannels is { } size)
        {
            foreach (var (channels, _) in layers)
                Require(channels % size == 0, $"--num_head_channels {size} does not divide the {channels} channels of an attention layer");
            return options with { AttentionHeadDim = size };
        }

        var heads = flags.NumHeads
            ?? throw new InputException($"The shapes of {path} do not show how many heads its attention has: give --num_heads N or --num_head_channels N (openai's scripts take --num_heads 4 if neither is given).");
        var upHeads = flags.NumHeadsUpsample ?? heads;
        foreach (var (channels, up) in layers)
            Require(channels % (up ? upHeads : heads) == 0, $"--num_heads{(up && flags.NumHeadsUpsample is not null ? "_upsample" : "")} {(up ? upHeads : heads)} does not divide the {channels} channels of an attention layer");
        if (heads == 1 && upHeads == 1)
            return options with { AttentionHeadDim = null };
        var sizes = layers.Select(l => l.Channels / (l.Up ? upHeads : heads)).Distinct().ToList();
        return sizes.Count == 1
            ? options with { AttentionHeadDim = sizes[0] }
            : options with { AttentionHeadDim = null, AttentionHeads = heads, AttentionHeadsUpsample = upHeads == heads ? null : upHeads };

        void Require(bool holds, string what)
        {
            if (!holds)
                throw new InputException($"{what} of {path}: give the number it was trained with.");
        }
    }

    /// <summary>Width and way of each attention layer, the middle's among those on the way down.</summary>
    internal static IReadOnlyList<(long Channels, bool Up)> AttentionLayers(UNet2DOptions options)
    {
        var layers = new List<(long Channels, bool Up)>();
        for (var i = 0; i < options.BlockOutChannels.Length; i++)
        {
            if (options.AttendsDown(i))
                layers.Add((options.BlockOutChannels[i], false));
            if (options.AttendsUp(i))
                layers.Add((options.BlockOutChannels[i], true));
        }

        if (options.AddAttention)
            layers.Add((options.BlockOutChannels[^1], false));
        return layers;
    }
}
