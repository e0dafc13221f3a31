using System.Globalization;
using Graft.Inspection;

namespace Graft.Formats.GuidedDiffusion;

/// <summary>Holds flags against what shapes show: a contradiction is one sentence that names both.</summary>
internal static class FlagCheck
{
    /// <summary>The multipliers that the scripts take for an edge when none are given; improved-diffusion's table has one more.</summary>
    private static readonly Dictionary<int, double[]> Multipliers = new()
    {
        [512] = [0.5, 1, 1, 2, 2, 4, 4],
        [256] = [1, 1, 2, 2, 4, 4],
        [128] = [1, 1, 2, 3, 4],
        [64] = [1, 2, 3, 4],
        [32] = [1, 2, 2, 2],
    };

    /// <summary>Checks what a network's flags say beyond heads and diffusion.</summary>
    /// <exception cref="InputException">A flag contradicts a shape.</exception>
    internal static void Body(string path, GuidedDiffusionFlags flags, UNetArchitecture unet, long width)
    {
        Same(path, "num_channels", flags.NumChannels, width, "width");
        Same(path, "num_res_blocks", flags.NumResBlocks, unet.LayersPerBlock, "residual blocks of each level");
        Truth(path, "use_scale_shift_norm", flags.UseScaleShiftNorm, unet.ScaleShift, "time embedding that scales and shifts");
        if (unet.Levels.Count > 1)
            Truth(path, "resblock_updown", flags.ResblockUpdown, unet.Resampling == "resnet", "residual blocks that resample");
        Truth(path, "class_cond", flags.ClassCond, unet.Classes is not null, "table of classes (label_emb)");
        Truth(path, "learn_sigma", flags.LearnSigma, unet.LearnsVariance, $"output of twice the {unet.InChannels} input channels");
        Levels(path, flags, unet, width);
        Resolutions(path, "attention_resolutions", flags.AttentionResolutions, flags.ImageSize, unet.Levels);
    }

    /// <summary>Compares a whole number.</summary>
    internal static void Same(string path, string flag, long? said, long found, string what)
    {
        if (said is { } value && value != found)
            throw new InputException($"--{flag} is {value}, but the shapes of {path} show {found} ({what}): correct the flag or give the file that it belongs to.");
    }

    /// <summary>Compares a truth value.</summary>
    internal static void Truth(string path, string flag, bool? said, bool found, string what)
    {
        if (said is { } value && value != found)
            throw new InputException($"--{flag} is {value}, but the shapes of {path} show {(found ? "a" : "no")} {what}: correct the flag or give the file that it belongs to.");
    }

    /// <summary>Compares the edges that attend with the levels that do.</summary>
    internal static void Resolutions(string path, string flag, IEnumerable<int>? said, int? edge, IReadOnlyList<UNetLevel> levels)
    {
        if (said is null || edge is not { } size)
            return;
        // As the scripts have it: an edge stands for how many times the picture was halved; edges that no level has are ignored.
        var factors = said.Select(r => size / r).ToHashSet();
        for (var i = 0; i < levels.Count; i++)
        {
            if (factors.Contains(1 << i) != levels[i].AttentionDown)
                throw new InputException($"--{flag} is {string.Join(',', said)} for pictures of {size}, but the shapes of {path} show {(levels[i].AttentionDown ? "attention" : "no attention")} at {size >> i} x {size >> i}: correct the flag or --image_size.");
        }
    }

    private static void Levels(string path, GuidedDiffusionFlags flags, UNetArchitecture unet, long width)
    {
        var found = unet.Levels.Select(l => l.Channels).ToList();
        var given = flags.ChannelMult is { } multipliers ? multipliers.ToArray() : null;
        var due = given ?? (flags.ImageSize is { } edge ? Multipliers.GetValueOrDefault(edge) : null);
        if (due is null || due.Select(m => (long)(m * width)).SequenceEqual(found))
            return;
        var shown = $"the shapes of {path} show channels {string.Join(", ", found)}, which is --channel_mult {Shown(found.Select(c => c / (double)width))}";
        throw new InputException(given is not null
            ? $"--channel_mult is {Shown(given)}, but {shown}: correct the flag or give the file that it belongs to."
            : $"--image_size {flags.ImageSize} means --channel_mult {Shown(due)}, but {shown}: correct the size, or give --channel_mult too.");
    }

    private static string Shown(IEnumerable<double> multipliers) => string.Join(',', multipliers.Select(m => m.ToString("0.####", CultureInfo.InvariantCulture)));
}
