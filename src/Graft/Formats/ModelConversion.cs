using Graft.Diffusion;
using Graft.Formats.Diffusers;
using Graft.Formats.GuidedDiffusion;
using Graft.Inspection;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Formats;

/// <summary>Whose parameter names bare weights get.</summary>
public enum WeightNames
{
    /// <summary>diffusers' <c>UNet2DModel</c>.</summary>
    Diffusers,

    /// <summary>openai's <c>UNetModel</c>.</summary>
    GuidedDiffusion,
}

/// <summary>What a conversion may be told.</summary>
public sealed record ConversionOptions
{
    /// <summary>The flags that guided-diffusion weights were trained with.</summary>
    public GuidedDiffusionFlags? ModelFlags { get; init; }

    /// <summary>Where the configuration of bare weights under diffusers' names is: config.json, scheduler_config.json, or a folder with both.</summary>
    public string? Configuration { get; init; }

    /// <summary>Names of bare weights that are written; null: diffusers'.</summary>
    public WeightNames? Names { get; init; }

    /// <summary>How queries, keys and values lie in guided-diffusion weights that are written; null: legacy.</summary>
    public AttentionOrder? AttentionOrder { get; init; }

    /// <summary>Whether what is at the output is replaced.</summary>
    public bool Force { get; init; }
}

/// <summary>
/// A conversion between model files: guided-diffusion weights, diffusers folders, and bare safetensors. <see cref="Plan"/> reads headers
/// and configurations only, refuses what cannot be, and says what it found; <see cref="Run"/> does it.
/// </summary>
public sealed class ModelConversion
{
    private readonly Func<(UNet2D Network, DiffusersConfiguration Configuration)> _read;
    private readonly ScheduleOptions _schedule;
    private readonly GuidedDiffusionFlags? _flags;

    private ModelConversion(string input, string output, ConversionOptions options, Source source)
    {
        (Input, Output) = (input, output);
        (Network, _schedule, _read) = (source.Network, source.Schedule, source.Read);
        Force = options.Force;
        IsFolder = !output.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase);
        Names = options.Names ?? WeightNames.Diffusers;
        if (Names == WeightNames.GuidedDiffusion)
            _flags = GuidedDiffusionExport.Flags(Network, source.MiddleNorm, _schedule, options.AttentionOrder ?? AttentionOrder.Legacy);
        Lines =
        [
            .. source.Lines,
            ("network", Described(Network)),
            ("schedule", $"T {_schedule.NumTrainTimesteps}, {_schedule.BetaSchedule}, predicts {_schedule.PredictionType}, variance {_schedule.VarianceType}"),
            ("output", IsFolder ? $"a diffusers folder: {output}"
                : _flags is null ? $"bare weights under diffusers' names: {output}"
                : $"bare weights under guided-diffusion's names, {(_flags.UseNewAttentionOrder == true ? "new" : "legacy")} attention order: {output}"),
        ];
        if (_flags is not null)
            Lines = [.. Lines, ("flags", _flags.ToString())];
        Notes =
        [
            .. source.Notes,
            .. Names == WeightNames.Diffusers ? DiffusersNotes.Of(Network, source.MiddleNorm, _schedule) : [],
            .. IsFolder || _flags is not null ? [] : (string[])["bare weights do not hold config.json and scheduler_config.json: without them they cannot be loaded"],
        ];
    }

    /// <summary>What is read.</summary>
    public string Input { get; }

    /// <summary>What is written.</summary>
    public string Output { get; }

    /// <summary>Whether a diffusers folder is written; else bare weights.</summary>
    public bool IsFolder { get; }

    /// <summary>Names of what is written.</summary>
    public WeightNames Names { get; }

    /// <summary>The network.</summary>
    public UNet2DOptions Network { get; }

    /// <summary>What was found and inferred, as labels and texts.</summary>
    public IReadOnlyList<(string Label, string Text)> Lines { get; }

    /// <summary>Sentences, without capital and full stop, on what was ignored or changed, and on versions of diffusers.</summary>
    public IReadOnlyList<string> Notes { get; }

    private bool Force { get; }

    /// <summary>Says what a conversion would do; libtorch is not needed for that.</summary>
    /// <param name="input">guided-diffusion weights (.pt, .safetensors), a diffusers folder, or bare weights under diffusers' names.</param>
    /// <param name="output">A file ending in .safetensors: bare weights; otherwise a diffusers folder.</param>
    /// <param name="options">What shapes do not show, and what is wanted.</param>
    /// <exception cref="InputException">The input is broken, something is missing or contradictory, or the output is there already or cannot be.</exception>
    public static ModelConversion Plan(string input, string output, ConversionOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(input);
        ArgumentException.ThrowIfNullOrEmpty(output);
        options ??= new ConversionOptions();
        ConversionOutput.Check(input, output, options);
        return new ModelConversion(input, output, options, Open(input, options));
    }

    /// <summary>Converts. The output appears whole, or not at all.</summary>
    /// <exception cref="InputException">A weight does not fit the others, or the output cannot be written.</exception>
    public void Run() => TorchRuntime.Run(() =>
    {
        var (network, configuration) = _read();
        using (network)
        {
            if (IsFolder)
                ConversionOutput.WriteFolder(Output, Force, folder => DiffusersFolder.Write(folder, network, configuration));
            else if (_flags is not null)
                GuidedDiffusionExport.Write(Output, network, _flags);
            else
                WeightFile.Write(Output, DiffusersFolder.Named(network, configuration.AttentionNames));
        }
    });

    private static Source Open(string input, ConversionOptions options)
    {
        if (Directory.Exists(input))
        {
            if (!DiffusersFolder.Is(input))
                throw new InputException($"The folder {input} holds no model: unet/config.json is missing.");
            Unused(options.Configuration is not null, "--config", "is for bare weights under diffusers' names: a folder has its own");
            Unused(options.ModelFlags is not null, "--model-flags", "is for guided-diffusion weights: a folder says itself what it is");
            var files = DiffusersFolder.Locate(input);
            return OfDiffusers(input, files, files.Weights ?? throw new InputException($"The folder {files.NetworkFolder} has no weights: nothing to convert."));
        }

        if (!File.Exists(input))
            throw new InputException($"There is no file or folder {input}: give guided-diffusion weights, a diffusers folder, or bare weights.");
        RecognisedLayout layout;
        using (var file = WeightFile.Open(input))
            layout = LayoutRecogniser.Of(GuidedDiffusionFile.ShapesOf(file));
        switch (layout.Layout)
        {
            case WeightLayout.GuidedDiffusionUNet or WeightLayout.GuidedDiffusionClassifier:
                Unused(options.Configuration is not null, "--config", "is for bare weights under diffusers' names: guided-diffusion weights take --model-flags");
                return OfGuidedDiffusion(input, options);
            case WeightLayout.DiffusersUNet2D:
                Unused(options.ModelFlags is not null, "--model-flags", "is for guided-diffusion weights: these have diffusers' names and take --config");
                var folder = ConfigurationFolder(input, options.Configuration);
                return OfDiffusers(input, DiffusersFolder.Locate(folder), input);
            default:
                throw new InputException($"The file {input} holds {layout.Description}, which cannot be converted: guided-diffusion's UNetModel and diffusers' UNet2DModel can.");
        }
    }

    private static Source OfGuidedDiffusion(string input, ConversionOptions options)
    {
        using var file = GuidedDiffusionFile.Open(input);
        var model = file.Describe(options.ModelFlags);
        var read = () =>
        {
            using var again = GuidedDiffusionFile.Open(input);
            return (again.Read(model), DiffusersFolder.Configure(model.Options, model.Schedule));
        };
        return new Source(model.Options, model.Schedule, MiddleNorm: true, read,
        [
            ("input", $"guided-diffusion weights, {(model.Flags.AttentionOrder == AttentionOrder.New ? "new" : "legacy")} attention order"
                + (options.ModelFlags is null ? ", flags from the file itself" : "")),
            ("inferred", "channels, levels, residual blocks, attention levels, resampling, scale_shift and classes, from tensor shapes"),
            ("mapped", $"{file.Shapes.Names.Count} tensors to diffusers' names, qkv layers taken apart"),
        ], model.Notes);
    }

    private static Source OfDiffusers(string input, DiffusersFiles files, string weights)
    {
        var (options, configuration) = DiffusersFolder.ReadConfiguration(input, files);
        bool norm;
        int count;
        using (var file = WeightFile.Open(weights))
        {
            norm = file.Contains("mid_block.attentions.0.group_norm.weight");
            count = file.Names.Count();
        }

        return new Source(
            options, ScheduleOptions.FromJson(configuration.Scheduler), norm, () => DiffusersFolder.ReadWeights(weights, options, configuration),
            [("input", $"{(weights == input ? "bare weights under diffusers' names" : "a diffusers folder")}, {count} tensors"), ("configured", files.Network)], []);
    }

    /// <summary>The folder that holds the configuration of bare weights, in either layout.</summary>
    private static string ConfigurationFolder(string input, string? given)
    {
        if (given is null)
            throw new InputException($"The file {input} holds bare weights under diffusers' names: give --config with its config.json and scheduler_config.json, or a folder that has both.");
        if (!Path.Exists(given))
            throw new InputException($"There is no file or folder {given}, which --config names.");
        var folder = Directory.Exists(given) ? given : Path.GetDirectoryName(Path.GetFullPath(given))!;
        if (!Directory.Exists(given) && Path.GetFileName(given) is not ("config.json" or "scheduler_config.json"))
            throw new InputException($"--config is {given}: give a config.json, a scheduler_config.json, or a folder that has both.");
        if (Path.GetFileName(Path.GetFullPath(folder)) is "unet" or "scheduler" && Path.GetDirectoryName(Path.GetFullPath(folder)) is { } above && DiffusersFolder.Is(above))
            folder = above;
        return DiffusersFolder.Is(folder) ? folder : throw new InputException($"The folder {folder}, which --config names, has no config.json.");
    }

    private static void Unused(bool given, string option, string why)
    {
        if (given)
            throw new InputException($"{option} {why}.");
    }

    private static string Described(UNet2DOptions options)
    {
        var attending = string.Join(", ", Enumerable.Range(0, options.BlockOutChannels.Length).Where(options.AttendsDown));
        var heads = GuidedDiffusionArchitecture.AttentionLayers(options).Select(l => options.HeadsOf(l.Channels, l.Up)).Distinct().Order().ToList();
        return $"{options.BlockOutChannels.Length} levels of {options.LayersPerBlock} residual blocks, channels {string.Join(", ", options.BlockOutChannels)}, "
            + $"{options.InChannels} channels in and {options.OutChannels} out, "
            + (attending.Length == 0 ? "attention " : $"attention at level {attending} ") + (options.AddAttention ? "and in the middle" : "and not in the middle")
            + (heads.Count == 0 ? "" : $", heads: {string.Join(" or ", heads)}")
            + (options.NumClassEmbeds is { } classes ? $", {classes} classes" : "")
            + $", pictures of {options.SampleSize?.ToJsonString() ?? "no fixed size"}";
    }

    private sealed record Source(
        UNet2DOptions Network, ScheduleOptions Schedule, bool MiddleNorm, Func<(UNet2D Network, DiffusersConfiguration Configuration)> Read,
        IReadOnlyList<(string Label, string Text)> Lines, IReadOnlyList<string> Notes);
}
