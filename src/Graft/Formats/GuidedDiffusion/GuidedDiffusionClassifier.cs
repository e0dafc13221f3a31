using Graft.Inspection;
using Graft.Networks;

namespace Graft.Formats.GuidedDiffusion;

/// <summary>Reads <c>EncoderUNetModel</c>.</summary>
internal static class GuidedDiffusionClassifier
{
    private const int HeadChannels = 64; // create_classifier's, which no flag changes

    /// <exception cref="InputException">The file is no classifier, or a flag is missing or contradicts a shape.</exception>
    internal static EncoderUNet Read(GuidedDiffusionFile file, GuidedDiffusionFlags flags)
    {
        var options = Describe(file, flags);
        var network = new EncoderUNet(options);
        var names = GuidedDiffusionNames.OfEncoder(
            options.Body, network.Parameters().Select(p => p.Name).Where(n => n.StartsWith("out.", StringComparison.Ordinal)));
        try
        {
            file.CheckNames(names);
        }
        catch
        {
            network.Dispose();
            throw;
        }

        return file.Loaded(network, names, flags.AttentionOrder);
    }

    /// <summary>The classifier of shapes and flags.</summary>
    internal static EncoderUNetOptions Describe(GuidedDiffusionFile file, GuidedDiffusionFlags flags)
    {
        if (file.Layout != WeightLayout.GuidedDiffusionClassifier)
            throw new InputException($"The file {file.Path} holds a diffusion model (UNetModel), not a classifier (EncoderUNetModel): open it with DiffusionModel.LoadGuidedDiffusion.");
        var (pool, classes) = PoolOf(file);
        if (flags.ClassifierPool is { } said && said != NameOf(pool))
            throw new InputException($"--classifier_pool is {said}, but the shapes of {file.Path} show {NameOf(pool)}: correct the flag or give the file that it belongs to.");
        var edge = EdgeOf(file, pool);
        var unet = Choose(file, flags, edge);
        var width = file.Shapes.Size("time_embed.0.weight", 1) ?? 0;
        FlagCheck.Same(file.Path, "classifier_width", flags.ClassifierWidth, width, "width");
        FlagCheck.Same(file.Path, "classifier_depth", flags.ClassifierDepth, unet.LayersPerBlock, "residual blocks of each level");
        FlagCheck.Truth(file.Path, "classifier_use_scale_shift_norm", flags.ClassifierUseScaleShiftNorm, unet.ScaleShift, "time embedding that scales and shifts");
        if (unet.Levels.Count > 1)
            FlagCheck.Truth(file.Path, "classifier_resblock_updown", flags.ClassifierResblockUpdown, unet.Resampling == "resnet", "residual blocks that resample");
        if (edge is { } size)
            FlagCheck.Same(file.Path, "image_size", flags.ImageSize, size << (unet.Levels.Count - 1), "the edge that its attention pooling was made for");
        FlagCheck.Resolutions(file.Path, "classifier_attention_resolutions", flags.ClassifierAttentionResolutions, flags.ImageSize, unet.Levels);

        var heads = flags.NumHeadChannels is null && (flags.NumHeads is null || pool == ClassifierPool.Attention)
            ? flags with { NumHeadChannels = HeadChannels }
            : flags;
        var body = GuidedDiffusionArchitecture.Body(file.Path, unet, width, flags.ImageSize) with { TimestepScale = flags.TimestepScale() };
        body = GuidedDiffusionArchitecture.WithHeads(file.Path, body, heads);
        return new EncoderUNetOptions
        {
            Body = UNet2DOptions.FromJson(body.ToJson(), file.Path), // every range is checked there
            Classes = classes,
            Pool = pool,
            PoolEdge = edge ?? 0,
            PoolHeadChannels = heads.NumHeadChannels ?? HeadChannels,
        };
    }

    private static (ClassifierPool Pool, long Classes) PoolOf(GuidedDiffusionFile file)
    {
        var shapes = file.Shapes;
        return shapes switch
        {
            _ when shapes.Size("out.2.c_proj.weight", 0) is { } attended => (ClassifierPool.Attention, attended),
            _ when shapes.Size("out.0.weight", 1) is null && shapes.Size("out.3.weight", 0) is { } averaged => (ClassifierPool.Adaptive, averaged),
            _ when shapes.Size("out.0.weight", 1) is not null && shapes.Size("out.3.weight", 0) is { } normed => (ClassifierPool.SpatialV2, normed),
            _ when shapes.Size("out.0.weight", 1) is not null && shapes.Size("out.2.weight", 0) is { } linear => (ClassifierPool.Spatial, linear),
            _ => throw new InputException($"The pool of the classifier {file.Path} is none of adaptive, attention, spatial and spatial_v2: it may be a part of a model."),
        };
    }

    private static long? EdgeOf(GuidedDiffusionFile file, ClassifierPool pool)
    {
        if (pool != ClassifierPool.Attention)
            return null;
        var positions = (file.Shapes.Size("out.2.positional_embedding", 1) ?? 0) - 1;
        var edge = (long)Math.Round(Math.Sqrt(Math.Max(0, positions)));
        return edge > 0 && edge * edge == positions
            ? edge
            : throw new InputException($"The attention pooling of {file.Path} has {positions} positions, which are no square.");
    }

    private static UNetArchitecture Choose(GuidedDiffusionFile file, GuidedDiffusionFlags flags, long? edge)
    {
        var fits = UNetInference.Encoders(file.Shapes);
        if (fits.Count == 0)
            throw new InputException($"The blocks of the classifier {file.Path} do not make up levels: it may be a part of a model.");
        var chosen = fits.Where(f => (flags.ClassifierDepth is null || f.LayersPerBlock == flags.ClassifierDepth)
            && (edge is null || flags.ImageSize is null || edge << (f.Levels.Count - 1) == flags.ImageSize)).ToList();
        if (chosen.Count > 1)
            throw new InputException($"The shapes of the classifier {file.Path} fit {string.Join(" or ", fits.Select(f => f.LayersPerBlock))} residual blocks a level: give --classifier_depth (openai's script takes 2).");
        return chosen.Count == 1 ? chosen[0] : fits[0]; // what contradicts the flags is said by who compares them
    }

    private static string NameOf(ClassifierPool pool) => pool == ClassifierPool.SpatialV2 ? "spatial_v2" : pool.ToString().ToLowerInvariant();
}
