using Graft.Formats.GuidedDiffusion;
using Graft.Inspection;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Formats.LatentDiffusion;

/// <summary>
/// The VQ autoencoder in a checkpoint of CompVis': that of a latent diffusion model, under <c>first_stage_model.</c>, or one that was
/// published by itself.
/// </summary>
public static class FirstStageFile
{
    /// <summary>Where a latent diffusion model keeps it.</summary>
    internal const string Prefix = "first_stage_model.";

    private static readonly string[] Parts = ["encoder.", "decoder.", "quantize.", "quant_conv.", "post_quant_conv."];

    /// <summary>Reads an autoencoder.</summary>
    /// <param name="path">The file: <c>.ckpt</c> or <c>.safetensors</c> under CompVis' names.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">The file is broken, or holds no VQ autoencoder.</exception>
    public static VqAutoencoder Load(string path, Device device = default)
    {
        using var file = WeightFile.Open(path);
        return TorchRuntime.Run(() =>
        {
            var network = Read(file, Describe(file.Path, GuidedDiffusionFile.ShapesOf(file), out var prefix), prefix);
            network.MoveTo(device);
            return network;
        });
    }

    /// <summary>Whether a file holds an autoencoder, of whatever kind.</summary>
    internal static bool IsIn(NamedShapes tensors) => tensors.PrefixOf("decoder.conv_in.weight", "decoder.mid.block_1.norm1.weight", "post_quant_conv.weight") is not null;

    /// <summary>What the shapes show.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="tensors">Everything in it.</param>
    /// <param name="prefix">What stands before the autoencoder's names.</param>
    /// <exception cref="InputException">There is none, or it is of another kind.</exception>
    internal static VqAutoencoderOptions Describe(string path, NamedShapes tensors, out string prefix)
    {
        prefix = tensors.PrefixOf("decoder.conv_in.weight", "decoder.mid.block_1.norm1.weight", "post_quant_conv.weight")
            ?? throw new InputException($"The file {path} holds no autoencoder (first_stage_model.decoder …): give the one that the latents are decoded with.");
        var own = tensors.Under(prefix);
        if (own.Size("quantize.embedding.weight", 0) is not { } codes)
            throw new InputException($"The autoencoder of {path} has no codebook (quantize.embedding.weight), so it is one with a KL term: only those with a codebook (VQModel) can be read.");
        var levels = own.CountFrom("encoder.down.");
        var options = new VqAutoencoderOptions
        {
            InChannels = Size("encoder.conv_in.weight", 1),
            OutChannels = Size("decoder.conv_out.weight", 0),
            BlockOutChannels = [.. Enumerable.Range(0, levels).Select(i => Size($"encoder.down.{i}.block.0.conv1.weight", 0))],
            LayersPerBlock = own.CountFrom("encoder.down.0.block."),
            AttentionLevels = [.. Enumerable.Range(0, levels).Where(i => own.Has($"encoder.down.{i}.attn.0.q.weight"))],
            MidBlockAddAttention = own.Has("decoder.mid.attn_1.q.weight"),
            LatentChannels = Size("decoder.conv_in.weight", 1),
            VqEmbedDim = Size("quantize.embedding.weight", 1),
            NumVqEmbeddings = codes,
        };
        options.Validate($"that the shapes of {path} show");
        CheckNames(path, own, prefix, options);
        return options;

        long Size(string name, int dimension) => own.Size(name, dimension)
            ?? throw new InputException($"The autoencoder of {path} lacks {name}: it is cut short, or another network.");
    }

    /// <summary>Reads what <see cref="Describe"/> found, on the CPU in single precision.</summary>
    internal static VqAutoencoder Read(WeightFile file, VqAutoencoderOptions options, string prefix)
    {
        var network = new VqAutoencoder(options);
        try
        {
            network.Load(name => file.Contains(prefix + name) ? file.Read(prefix + name) : null, file.Path);
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>Every parameter has the shape that is due, and there are no others: losses and metrics of the training, which some files hold, are no parts of it.</summary>
    private static void CheckNames(string path, NamedShapes own, string prefix, VqAutoencoderOptions options)
    {
        var due = Module.ShapesOf(() => new VqAutoencoder(options));
        ShapeCheck.Against(path, own, prefix, due);
        var known = due.Select(p => p.Name).ToHashSet(StringComparer.Ordinal);
        if (own.Names.FirstOrDefault(n => Parts.Any(p => n.StartsWith(p, StringComparison.Ordinal)) && !known.Contains(n)) is { } surplus)
            throw new InputException($"The autoencoder of {path} has {FileFault.Quote(prefix + surplus)}, which is in no VQ autoencoder that is known here: it is another network.");
    }
}

/// <summary>Shapes of a file against those that are due, before anything is read.</summary>
internal static class ShapeCheck
{
    /// <exception cref="InputException">A tensor is missing, or of another shape.</exception>
    internal static void Against(string path, NamedShapes tensors, string prefix, IEnumerable<(string Name, long[] Shape)> due)
    {
        foreach (var (name, shape) in due)
        {
            if (!tensors.TryShape(name, out var found))
                throw new InputException($"The file {path} lacks {FileFault.Quote(prefix + name)}, which a network of its other shapes has: it is cut short, or another network.");
            if (!found.SequenceEqual(shape))
                throw new InputException($"The tensor {FileFault.Quote(prefix + name)} of {path} is [{string.Join(", ", found)}], where its other shapes call for [{string.Join(", ", shape)}]: it is another network.");
        }
    }
}
