using System.Globalization;
using Graft.Formats.LatentDiffusion;

namespace Graft.Inspection;

/// <summary>What the names and shapes of a latent diffusion checkpoint of CompVis' tell.</summary>
internal static class LatentInspection
{
    private const string Blocks = ".transformer_blocks.";

    /// <summary>The U-Net's tensors, which have a prefix of their own where the whole model is in one file.</summary>
    internal static NamedShapes UNetOf(NamedShapes tensors)
    {
        var own = tensors.Under(LatentDiffusionFile.UNetPrefix);
        return own.Names.Count > 0 ? own : tensors;
    }

    /// <summary>The U-Net, with the classes that it is asked for by their embeddings; null: the names do not make up one.</summary>
    internal static UNetArchitecture? ArchitectureOf(NamedShapes tensors) => UNetInference.GuidedDiffusion(UNetOf(tensors)) is { } unet
        ? unet with { Classes = unet.Classes ?? tensors.Size(LatentDiffusionFile.ClassTable, 0) }
        : null;

    /// <summary>Sentences on its parts and their numbers of parameters.</summary>
    internal static IEnumerable<string> Notes(NamedShapes tensors)
    {
        var unet = UNetOf(tensors);
        var transformers = unet.Names.Where(n => n.Contains(Blocks, StringComparison.Ordinal)).Select(n => n[..(n.IndexOf(Blocks, StringComparison.Ordinal) + 1)]).Distinct().ToList();
        var whole = unet == tensors ? unet.Names.Where(n => !n.StartsWith(FirstStageFile.Prefix, StringComparison.Ordinal)) : unet.Names;
        var inTransformers = unet.Names.Where(n => transformers.Any(t => n.StartsWith(t, StringComparison.Ordinal)));
        yield return $"U-Net: {Count(unet, whole)} parameters" + (transformers.Count == 0 ? ", no transformers"
            : $", {Count(unet, inTransformers)} of them in {transformers.Count} spatial transformers that attend to a context of width {unet.Size("middle_block.1.transformer_blocks.0.attn2.to_k.weight", 1)}");
        yield return tensors.Names.Any(n => n.StartsWith(LatentDiffusionFile.Average, StringComparison.Ordinal)) ? "averaged weights are there too (model_ema)" : "no averaged weights (model_ema)";
        yield return FirstStage(tensors.Under(FirstStageFile.Prefix));
        if (tensors.TryShape(LatentDiffusionFile.ClassTable, out var table) && table.Count == 2)
            yield return $"embedding of classes: {table[0]} x {table[1]}";
        if (UNetInference.GuidedDiffusion(unet) is { } architecture && PublishedModel.Of(architecture) is { } published)
            yield return $"shapes of CompVis' {published.Name}, whose latents are {published.ImageSize} x {published.ImageSize}, "
                + (published.Heads is { } heads ? heads == 1 ? "with one head" : $"with {heads} heads" : $"with heads of {published.HeadChannels} channels");
        yield return "graft convert makes a folder of it that can be adapted and sampled from, where the autoencoder has a codebook";
    }

    private static string FirstStage(NamedShapes stage)
    {
        if (stage.Names.Count == 0)
            return "no autoencoder: the file that has it must be named when the model is opened";
        var (levels, book) = (stage.CountFrom("decoder.up."), stage.TryShape("quantize.embedding.weight", out var shape) ? shape : null);
        var factor = levels is > 0 and < 32 ? $", pictures {1 << (levels - 1)} times as high and wide as latents" : "";
        return $"autoencoder: {Count(stage, stage.Names)} parameters, "
            + (book is { Count: 2 } ? $"a codebook of {book[0]} vectors of {book[1]}" : "no codebook, so one with a KL term, which cannot be read") + factor;
    }

    private static string Count(NamedShapes tensors, IEnumerable<string> names) => names
        .Sum(n => tensors.TryShape(n, out var shape) ? shape.Aggregate(1L, (a, b) => a * b) : 0).ToString("#,0", CultureInfo.InvariantCulture);
}
