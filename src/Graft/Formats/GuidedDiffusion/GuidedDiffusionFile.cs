using Graft.Diffusion;
using Graft.Inspection;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Formats.GuidedDiffusion;

/// <summary>
/// Weights of openai's guided- and improved-diffusion: a state dict of <c>torch.save</c> or safetensors under openai's names. What shapes
/// show is inferred; what they cannot show comes from the flags that the scripts were called with.
/// </summary>
public sealed class GuidedDiffusionFile : IDisposable
{
    /// <summary>Where safetensors written here say how to load them again.</summary>
    internal const string FlagsKey = "graft_model_flags";

    /// <summary>Where safetensors written here say how queries, keys and values lie.</summary>
    internal const string OrderKey = "attention_order";

    private readonly WeightFile _file;

    private GuidedDiffusionFile(WeightFile file, RecognisedLayout recognised, NamedShapes named)
    {
        _file = file;
        Prefix = recognised.Prefix;
        Layout = recognised.Layout;
        Shapes = named.Under(recognised.Prefix);
        Outside = named.Names.Count - Shapes.Names.Count;
    }

    /// <summary>The file.</summary>
    public string Path => _file.Path;

    /// <summary>What stands before every name, as <c>module.</c>; mostly nothing.</summary>
    public string Prefix { get; }

    internal WeightLayout Layout { get; }

    internal NamedShapes Shapes { get; }

    /// <summary>Tensors without the prefix.</summary>
    private int Outside { get; }

    /// <summary>Opens a file; libtorch is not needed for that.</summary>
    /// <exception cref="InputException">It is missing or broken, or holds neither a UNetModel nor an EncoderUNetModel.</exception>
    public static GuidedDiffusionFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
            throw new InputException($"{path} is a folder; a guided-diffusion model is one file, as ema_0.9999_500000.pt.");
        if (!File.Exists(path))
            throw new InputException($"There is no file {path}: give a .pt or .safetensors file.");
        var file = WeightFile.Open(path);
        try
        {
            var named = ShapesOf(file);
            var recognised = LayoutRecogniser.Of(named);
            if (recognised.Layout is not (WeightLayout.GuidedDiffusionUNet or WeightLayout.GuidedDiffusionClassifier))
                throw new InputException($"The file {path} holds {recognised.Description}, not a guided-diffusion model.");
            return new GuidedDiffusionFile(file, recognised, named);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads a classifier of noised pictures (<c>EncoderUNetModel</c>).</summary>
    /// <param name="path">The file: <c>.pt</c> or <c>.safetensors</c> under openai's names.</param>
    /// <param name="flags">
    /// The flags it was trained with. openai's script has none for the heads of attention, which are 64 channels wide and in legacy order;
    /// for classifiers made otherwise <c>--num_head_channels</c> and <c>--use_new_attention_order</c> are taken.
    /// </param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">The file is broken or another network, or a flag is missing or contradicts a shape.</exception>
    public static EncoderUNet LoadClassifier(string path, GuidedDiffusionFlags? flags = null, Device device = default)
    {
        using var file = Open(path);
        return TorchRuntime.Run(() =>
        {
            var network = GuidedDiffusionClassifier.Read(file, flags ?? new GuidedDiffusionFlags());
            try
            {
                network.MoveTo(device);
                return network;
            }
            catch
            {
                network.Dispose();
                throw;
            }
        });
    }

    /// <summary>Says what the network is.</summary>
    /// <param name="flags">What it was trained with; null: what the file itself says, where it was written here.</param>
    /// <exception cref="InputException">It is a classifier; or a flag is missing or contradicts a shape; or tensors are missing or left over.</exception>
    public GuidedDiffusionModel Describe(GuidedDiffusionFlags? flags = null)
    {
        if (Layout == WeightLayout.GuidedDiffusionClassifier)
            throw new InputException($"The file {Path} holds a classifier of noised pictures (EncoderUNetModel), which draws none: give the diffusion model.");
        var said = flags ?? OwnFlags() ?? throw new InputException(MissingFlags());
        if (said.ImageSize is null)
            throw new InputException($"The shapes of {Path} do not show the size of its pictures: add --image_size N to the model flags.");
        var options = GuidedDiffusionArchitecture.Of(Path, Shapes, said);
        var names = GuidedDiffusionNames.Of(options);
        CheckNames(names);
        var schedule = said.Schedule(options.OutChannels == 2 * options.InChannels);
        var notes = Notes(said);
        if (Defaults(said, options) is { Length: > 0 } defaults)
            notes.Add($"not among the flags, so the scripts' defaults hold: {defaults}");
        return new GuidedDiffusionModel(Path, said, options, schedule, notes);
    }

    /// <summary>Reads the network, on the CPU in single precision.</summary>
    /// <exception cref="InputException">A shape does not fit the others.</exception>
    public UNet2D Read(GuidedDiffusionModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return TorchRuntime.Run(() => Loaded(new UNet2D(model.Options, middleAttentionNorm: true), model.Names, model.Flags.AttentionOrder));
    }

    /// <summary>Unmaps the file.</summary>
    public void Dispose() => _file.Dispose();

    internal static NamedShapes ShapesOf(WeightFile file) => new(file.Names.Select(name =>
    {
        var (type, shape) = file.Describe(name);
        return new InspectedTensor(name, type, shape);
    }));

    /// <summary>The flags that a file written here carries.</summary>
    internal GuidedDiffusionFlags? OwnFlags() =>
        _file.Metadata.TryGetValue(FlagsKey, out var text) ? GuidedDiffusionFlags.Parse(text) : null;

    internal T Loaded<T>(T network, GuidedDiffusionNames names, AttentionOrder order)
        where T : Module
    {
        try
        {
            network.Load(names.Reader(_file, Prefix, order), Path);
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>Every parameter must be there, and nothing else: a part of a model must not be taken for the whole.</summary>
    internal void CheckNames(GuidedDiffusionNames names)
    {
        foreach (var pair in names.Pairs)
        {
            if (!pair.Theirs.Contains(".skip_connection.", StringComparison.Ordinal) && !Shapes.Has(pair.Theirs))
                throw new InputException($"The file {Path} lacks {FileFault.Quote(Prefix + pair.Theirs)}, which a network of its other shapes has: it is cut short, or another network.");
            if (pair.Kind == NameKind.Qkv && Shapes.Size(pair.Theirs, 0) % (3 * pair.Heads) != 0)
                throw new InputException($"The layer {FileFault.Quote(Prefix + pair.Theirs)} of {Path} has {Shapes.Size(pair.Theirs, 0)} outputs, which are not queries, keys and values of {pair.Heads} heads.");
        }

        var known = names.Pairs.Select(p => p.Theirs).ToHashSet(StringComparer.Ordinal);
        var surplus = Shapes.Names.Where(n => !known.Contains(n)).ToList();
        if (surplus.Count > 0)
            throw new InputException($"The file {Path} holds {surplus.Count} tensors that guided-diffusion's network does not have, as {FileFault.Quote(Prefix + surplus[0])}: it is another network.");
    }

    internal List<string> Notes(GuidedDiffusionFlags flags)
    {
        var notes = flags.Notes.ToList();
        if (Prefix.Length > 0)
            notes.Add($"the names begin with {FileFault.Quote(Prefix)}, which is taken off" + (Outside > 0 ? $"; {Outside} other tensors of the file are not used" : ""));
        var types = _file.Names.Select(n => _file.Describe(n).Type).Where(t => t != DType.Float32).Distinct().ToList();
        if (types.Count > 0)
            notes.Add($"weights of type {string.Join(" and ", types).ToLowerInvariant()} become float32");
        return notes;
    }

    /// <summary>What neither shapes nor flags say.</summary>
    private static string Defaults(GuidedDiffusionFlags flags, UNet2DOptions options)
    {
        // With one head both orders are the same.
        var ordered = GuidedDiffusionArchitecture.AttentionLayers(options).Any(l => options.HeadsOf(l.Channels, l.Up) > 1);
        (bool Missing, string Text)[] all =
        [
            (flags.UseNewAttentionOrder is null && ordered, "--use_new_attention_order False"),
            (flags.DiffusionSteps is null, "--diffusion_steps 1000"),
            (flags.NoiseSchedule is null, "--noise_schedule linear"),
            (flags.PredictXstart is null, "--predict_xstart False"),
        ];
        return string.Join(' ', all.Where(d => d.Missing).Select(d => d.Text));
    }

    private string MissingFlags()
    {
        var example = "--image_size 256 --num_head_channels 64 --use_new_attention_order False --diffusion_steps 1000 --noise_schedule linear --predict_xstart False";
        return $"The shapes of {Path} do not show the size of its pictures, its attention heads and their order, the noise schedule and what is predicted: "
            + $"give the flags that it was trained with, as --model-flags \"{example}\".";
    }
}

/// <summary>What a guided-diffusion file and its flags say together.</summary>
/// <param name="Path">The file.</param>
/// <param name="Flags">The flags.</param>
/// <param name="Options">The network.</param>
/// <param name="Schedule">The noise schedule and what is predicted.</param>
/// <param name="Notes">What was ignored or changed.</param>
public sealed record GuidedDiffusionModel(
    string Path, GuidedDiffusionFlags Flags, UNet2DOptions Options, ScheduleOptions Schedule, IReadOnlyList<string> Notes)
{
    /// <summary>Parameter names on both sides.</summary>
    internal GuidedDiffusionNames Names => GuidedDiffusionNames.Of(Options);
}
