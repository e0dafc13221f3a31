using Graft.Diffusion;
using Graft.Networks;

namespace Graft.Formats.Diffusers;

/// <summary>Which versions of diffusers compute a model as it is meant.</summary>
internal static class DiffusersNotes
{
    /// <summary>Sentences on a network and its schedule.</summary>
    /// <param name="options">The network.</param>
    /// <param name="middleNorm">Whether its middle attention has a group norm.</param>
    /// <param name="schedule">The schedule.</param>
    internal static IEnumerable<string> Of(UNet2DOptions options, bool middleNorm, ScheduleOptions schedule)
    {
        if (!options.IsDiffusers)
        {
            yield return $"diffusers' UNet2DModel lacks {string.Join(", ", options.GraftKeysInUse)}: config.json names {UNet2DOptions.GraftClass}, which diffusers refuses instead of computing something else";
            yield break;
        }

        if (options is { AddAttention: true, ResnetTimeScaleShift: "scale_shift" })
        {
            yield return (middleNorm, options.AttnNormNumGroups) switch
            {
                (true, null) => "diffusers 0.27 leaves the group norm of the middle attention out unless config.json has attn_norm_num_groups, and computes something else",
                (true, _) => "diffusers 0.14 does not know attn_norm_num_groups and has that norm anyway; 0.27 has it because of that key",
                _ => "diffusers 0.14 expects a group norm in the middle attention, which this network does not have; 0.27 computes it as it is",
            };
        }

        var levels = options.BlockOutChannels.Length;
        if (Enumerable.Range(0, levels - 1).Any(i =>
            (options.AttendsDown(i) && options.DownsampleType == "resnet") || (options.AttendsUp(i + 1) && options.UpsampleType == "resnet")))
        {
            yield return "diffusers 0.14 does not know downsample_type and upsample_type and would build other layers; 0.27 knows them";
        }

        if (options.Dropout > 0)
            yield return "diffusers 0.14 does not know dropout in config.json, which matters for training only; 0.27 knows it";
        if (schedule.VarianceType == VarianceType.LearnedRange)
            yield return "with a learned variance and fewer steps than T, diffusers 0.14 takes another upper bound than 0.27 and Graft (see graft_learned_range_upper)";
    }
}
