using Graft.Diffusion;
using Graft.Formats.GuidedDiffusion;
using Graft.Inspection;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Formats.LatentDiffusion;

/// <summary>
/// A checkpoint of CompVis' latent diffusion (Rombach et al. 2022): the U-Net under <c>model.diffusion_model.</c>, its average under
/// <c>model_ema.</c> without dots, the autoencoder under <c>first_stage_model.</c>, the embedding of classes under <c>cond_stage_model.</c>, and
/// the schedule's <c>betas</c>.
/// </summary>
public sealed class LatentDiffusionFile : IDisposable
{
    internal const string UNetPrefix = "model.diffusion_model.";
    internal const string Average = "model_ema.";
    internal const string ClassTable = "cond_stage_model.embedding.weight";
    private readonly WeightFile _file;
    private readonly NamedShapes _all;
    private readonly string _prefix;

    private LatentDiffusionFile(WeightFile file, NamedShapes all, string prefix)
    {
        (_file, _all, _prefix) = (file, all, prefix);
        Unet = all.Has(prefix + UNetPrefix + "input_blocks.0.0.weight") ? prefix + UNetPrefix : prefix;
    }

    /// <summary>The file.</summary>
    public string Path => _file.Path;

    /// <summary>What stands before the network's names.</summary>
    private string Unet { get; }

    private bool HasAverage => _all.Has(InAverage("input_blocks.0.0.weight"));

    /// <summary>Whether a file holds a latent diffusion model; none that is broken does.</summary>
    public static bool Is(string path)
    {
        if (!File.Exists(path))
            return false;
        try
        {
            using var file = WeightFile.Open(path);
            return LayoutRecogniser.Of(GuidedDiffusionFile.ShapesOf(file)).Layout == WeightLayout.LatentDiffusion;
        }
        catch (InputException)
        {
            return false; // whoever opens it next says what is wrong with it
        }
    }

    /// <summary>Opens a file; libtorch is not needed for that.</summary>
    /// <exception cref="InputException">It is missing or broken, or holds another model.</exception>
    public static LatentDiffusionFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!File.Exists(path))
            throw new InputException($"There is no file {path}: give a checkpoint of a latent diffusion model, .ckpt or .safetensors.");
        var file = WeightFile.Open(path);
        try
        {
            var named = GuidedDiffusionFile.ShapesOf(file);
            var recognised = LayoutRecogniser.Of(named);
            return recognised.Layout == WeightLayout.LatentDiffusion
                ? new LatentDiffusionFile(file, named, recognised.Prefix)
                : throw new InputException($"The file {path} holds {recognised.Description}, not CompVis' latent diffusion.");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Says what the network and the autoencoder are, and holds every shape against that.</summary>
    /// <param name="options">What shapes do not show; null: nothing is said, which is enough for the models that CompVis published.</param>
    /// <exception cref="InputException">Something is missing or left over, or contradicts a shape.</exception>
    public LatentDiffusionModel Describe(LatentDiffusionOptions? options = null)
    {
        options ??= new LatentDiffusionOptions();
        var own = _all.Under(Unet);
        var unet = UNetInference.GuidedDiffusion(own)
            ?? throw new InputException($"The file {Path} has the names of latent diffusion's UNetModel, but its blocks do not make up one: it may be a part of a model.");
        if (unet.OutChannels != unet.InChannels)
            throw new InputException($"The network of {Path} gives {unet.OutChannels} channels for {unet.InChannels}: models that also take a picture (inpainting, super-resolution) are not supported.");
        var network = Network(unet, own, options);
        var names = GuidedDiffusionNames.Of(network);
        Check(names, network, own);
        var autoencoder = FirstStageFile.IsIn(_all) ? FirstStageFile.Describe(Path, _all, out _) : null;
        var average = options.Ema ?? HasAverage;
        if (average && !HasAverage)
            throw new InputException($"The file {Path} has no averaged weights (model_ema): leave ema out.");
        return new LatentDiffusionModel(Path, options, network, autoencoder, average, Notes(network, average));
    }

    /// <summary>Reads the network, on the CPU in single precision.</summary>
    /// <exception cref="InputException">A shape does not fit the others.</exception>
    public UNet2D Read(LatentDiffusionModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return TorchRuntime.Run(() =>
        {
            var network = new UNet2D(model.Network, middleAttentionNorm: true);
            try
            {
                var read = GuidedDiffusionNames.Of(model.Network).Reader(_file, model.Averaged ? InAverage : name => Unet + name, AttentionOrder.Legacy);
                network.Load(name => name == "class_embedding.weight" && model.Network.ClassesAreContext ? _file.Read(_prefix + ClassTable) : read(name), Path);
                return network;
            }
            catch
            {
                network.Dispose();
                throw;
            }
        });
    }

    /// <summary>Reads the autoencoder; null where the file has none.</summary>
    public VqAutoencoder? ReadFirstStage(LatentDiffusionModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.FirstStage is null)
            return null;
        var scale = _prefix + "scale_factor";
        return TorchRuntime.Run(() =>
        {
            _ = FirstStageFile.Describe(Path, _all, out var prefix);
            using var scope = new TensorScope();
            var factor = model.Options.ScaleFactor ?? (_file.Contains(scale) ? _file.Read(scale).To(DType.Float64).Item() : 1);
            return FirstStageFile.Read(_file, model.FirstStage with { ScalingFactor = factor }, prefix);
        });
    }

    /// <summary>The schedule: √β linear in t, in double precision; the file's own <c>betas</c> where they are something else.</summary>
    /// <exception cref="InputException">The options contradict the file's <c>betas</c>.</exception>
    public ScheduleOptions Schedule(LatentDiffusionModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var said = model.Options;
        var schedule = new ScheduleOptions
        {
            NumTrainTimesteps = said.Timesteps ?? 1000,
            BetaStart = said.LinearStart ?? 0.0015,
            BetaEnd = said.LinearEnd ?? 0.0195,
            BetaSchedule = BetaSchedule.ScaledLinear,
            BetaPrecision = BetaPrecision.Double,
            PredictionType = said.PredictionType,
            // CompVis samples without clipping, visits steps 1, 1 + T/S, ..., and ends at ᾱ of step 0.
            ClipSample = false,
            StepsOffset = 1,
            SetAlphaToOne = false,
        };
        if (!_file.Contains(_prefix + "betas"))
            return schedule;
        var betas = TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            return _file.Read(_prefix + "betas").To(DType.Float64).ToArray<double>();
        });
        // The file has them in single precision, which shows as 0.00150000001 where 0.0015 is meant.
        schedule = schedule with
        {
            NumTrainTimesteps = betas.Length, BetaStart = said.LinearStart ?? (double)(decimal)(float)betas[0], BetaEnd = said.LinearEnd ?? (double)(decimal)(float)betas[^1],
        };
        var same = Betas.Of(schedule).Zip(betas).All(p => Math.Abs(p.First - p.Second) <= 1e-6 * p.Second);
        if (said.Timesteps is { } steps && steps != betas.Length)
            throw new InputException($"timesteps is {steps}, but {Path} holds {betas.Length} betas: leave it out.");
        if (!same && (said.LinearStart ?? said.LinearEnd) is not null)
            throw new InputException($"linear_start and linear_end do not give the betas of {Path}: leave them out.");
        return same ? schedule : schedule with { TrainedBetas = [.. betas] };
    }

    /// <summary>Unmaps the file.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>LitEma keeps the average under the parameters' names without their dots.</summary>
    private string InAverage(string name) => _prefix + Average + ("diffusion_model." + name).Replace(".", "", StringComparison.Ordinal);

    private UNet2DOptions Network(UNetArchitecture unet, NamedShapes own, LatentDiffusionOptions options)
    {
        var published = PublishedModel.Of(unet);
        var (heads, headChannels) = options.NumHeads is null && options.NumHeadChannels is null
            ? (published?.Heads, published?.HeadChannels)
            : (options.NumHeads, options.NumHeadChannels);
        if (heads is null && headChannels is null)
            throw new InputException($"The shapes of {Path} do not show how many heads its attention has: give num_heads or num_head_channels, or its yaml (--config).");
        var size = options.ImageSize ?? published?.ImageSize
            ?? throw new InputException($"The shapes of {Path} do not show the size of its latents: give image_size, or its yaml (--config).");
        var width = own.Size("time_embed.0.weight", 1) ?? 0;
        var classes = _all.Size(_prefix + ClassTable, 0);
        if (classes is not null && unet.ContextWidth is null)
            throw new InputException($"The file {Path} has an embedding of classes, but no attention that looks at it: it is another network.");
        var network = GuidedDiffusionArchitecture.Body(Path, unet, width, size) with
        {
            OutChannels = unet.OutChannels,
            CrossAttentionDim = unet.ContextWidth,
            TransformerDepth = Math.Max(1, unet.TransformerDepth),
            NumClassEmbeds = classes ?? unet.Classes,
            ClassEmbedType = classes is null ? null : UNet2DOptions.ContextClasses,
        };
        network = GuidedDiffusionArchitecture.WithHeads(Path, network, new GuidedDiffusionFlags { NumHeads = heads, NumHeadChannels = headChannels });
        return UNet2DOptions.FromJson(network.ToJson(), Path); // every range is checked there
    }

    private void Check(GuidedDiffusionNames names, UNet2DOptions network, NamedShapes own)
    {
        var shapes = Module.ShapesOf(() => new UNet2D(network, middleAttentionNorm: true)).ToDictionary(p => p.Name, p => p.Shape, StringComparer.Ordinal);
        var pairs = names.Pairs.Where(p => shapes.ContainsKey(p.Ours[0])).ToList(); // skip connections are named where there are none, too
        ShapeCheck.Against(Path, own, Unet, pairs.Where(p => p.Kind == NameKind.Same).Select(p => (p.Theirs, shapes[p.Ours[0]])));
        ShapeCheck.Against(Path, own, Unet, pairs.Where(p => p.Kind != NameKind.Same).Select(p => (p.Theirs, OfConvolution(p, shapes[p.Ours[0]]))));
        var known = pairs.Select(p => p.Theirs).ToHashSet(StringComparer.Ordinal);
        // A network by itself has no prefix, and what else lies in its file is not known.
        if (Unet.EndsWith(UNetPrefix, StringComparison.Ordinal) && own.Names.FirstOrDefault(n => !known.Contains(n)) is { } surplus)
            throw new InputException($"The network of {Path} has {FileFault.Quote(Unet + surplus)}, which latent diffusion's UNetModel does not: it is another network.");
        if (network.ClassesAreContext && _all.Size(_prefix + ClassTable, 1) is var width && width != network.CrossAttentionDim)
            throw new InputException($"The classes of {Path} are embedded in {width} numbers, and its attention looks at {network.CrossAttentionDim}: it is another network.");
    }

    /// <summary>Plain attention's layers are one-dimensional convolutions there, q, k and v joined.</summary>
    private static long[] OfConvolution(NamePair pair, long[] shape)
    {
        long[] joined = pair.Kind == NameKind.Qkv ? [3 * shape[0], .. shape[1..]] : shape;
        return joined.Length == 1 ? joined : [.. joined, 1];
    }

    private List<string> Notes(UNet2DOptions network, bool average)
    {
        var notes = new List<string> { average ? "the averaged weights are taken (model_ema)" : HasAverage ? "the raw weights are taken, not the average (model_ema)" : "there are no averaged weights in the file" };
        if (PublishedModel.Of(UNetInference.GuidedDiffusion(_all.Under(Unet))!) is { } published)
            notes.Add($"heads and size are those of CompVis' {published.Name}, unless they were given");
        if (network is { CrossAttentionDim: not null, ClassesAreContext: false })
            notes.Add("what made the context is not read: the model takes embeddings");
        return notes;
    }
}

/// <summary>What a latent diffusion checkpoint is.</summary>
/// <param name="Path">The file.</param>
/// <param name="Options">What was said beside its shapes.</param>
/// <param name="Network">The U-Net, with the classes' table where there is one.</param>
/// <param name="FirstStage">The autoencoder; null: it is not in the file.</param>
/// <param name="Averaged">Whether the averaged weights are read.</param>
/// <param name="Notes">What was chosen or left out.</param>
public sealed record LatentDiffusionModel(
    string Path, LatentDiffusionOptions Options, UNet2DOptions Network, VqAutoencoderOptions? FirstStage, bool Averaged, IReadOnlyList<string> Notes);
