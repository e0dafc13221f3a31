using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Formats;
using Graft.Formats.Diffusers;
using Graft.Networks;
using Graft.Networks.Clip;
using Graft.Torch;

namespace Graft.Inspection;

/// <content>Reading files and folders.</content>
public sealed partial record ModelInspection
{
    private static ModelInspection OfFile(string path)
    {
        var table = TensorTable.Read(path);
        var named = new NamedShapes(table.Tensors);
        var recognised = LayoutRecogniser.Of(named);
        var own = named.Under(recognised.Prefix);
        var architecture = recognised.Layout switch
        {
            WeightLayout.DiffusersUNet2D => UNetInference.Diffusers(own),
            WeightLayout.GuidedDiffusionUNet => UNetInference.GuidedDiffusion(own),
            WeightLayout.LatentDiffusion => LatentInspection.ArchitectureOf(own),
            _ => null,
        };
        var warnings = new List<string>();
        if (recognised.Layout == WeightLayout.DiffusersUNet2D && architecture is { ScaleShift: true })
            AddMiddleNorm(warnings, architecture);
        var read = Described(table, named);
        return read with
        {
            Path = path,
            Weights = path,
            Description = recognised.Description + (architecture is null || recognised.Layout == WeightLayout.LatentDiffusion ? "" : ", bare weights"),
            Layout = recognised.Layout,
            Prefix = recognised.Prefix,
            Architecture = architecture,
            PictureShape = architecture is null || recognised.Layout == WeightLayout.LatentDiffusion ? [] : [architecture.InChannels, 0, 0],
            AttentionNames = recognised.Layout == WeightLayout.DiffusersUNet2D ? NamesOf(own) : null,
            Inferred = architecture is null ? [] :
                ["levels and their channels", "layers per level", "in and out channels", "attention levels", "resampling", "time embedding", "scale_shift", "classes"],
            NotInferable = architecture is null ? [] : recognised.Layout == WeightLayout.DiffusersUNet2D
                ? UNetInference.HiddenInDiffusers(own)
                : recognised.Layout == WeightLayout.LatentDiffusion ? UNetInference.HiddenInLatentDiffusion : UNetInference.HiddenInGuidedDiffusion,
            Warnings = warnings,
            Notes = [.. recognised.Layout == WeightLayout.LatentDiffusion ? LatentInspection.Notes(own) : NotesOf(recognised.Layout), .. read.Notes],
        };
    }

    private static ModelInspection OfFolder(string folder)
    {
        var files = DiffusersFolder.Locate(folder);
        var config = JsonStyle.ReadObject(files.Network);
        if (ImageTextModel.Is(folder))
            return OfImageText(folder, files);
        var kind = Text(config, "_class_name");
        if (kind is not (null or UNet2DOptions.DiffusersClass or UNet2DOptions.GraftClass) || (kind is null && config.ContainsKey("model_type")))
            return kind == ResNetClassifierOptions.ClassName ? OfClassifier(folder, files, config) : OfOtherFolder(folder, files, kind ?? Text(config, "model_type")!);

        var options = UNet2DOptions.FromJson(config, files.Network);
        var schedulerJson = files.Scheduler is null ? null : JsonStyle.ReadObject(files.Scheduler);
        var scheduler = schedulerJson is null ? null : ScheduleOptions.FromJson(schedulerJson);
        var (warnings, notes) = (new List<string>(), new List<string>());
        if (scheduler is null)
            warnings.Add($"The folder {folder} has no scheduler/scheduler_config.json, which says how noise was added: Graft cannot load it until the one it was trained with is there.");

        var read = new ModelInspection { Path = folder, Description = "", Layout = WeightLayout.DiffusersUNet2D };
        UNetArchitecture? inWeights = null;
        NamedShapes? named = null;
        if (files.Weights is null)
        {
            warnings.Add($"The folder {files.NetworkFolder} has no weights: diffusion_pytorch_model.safetensors or .bin is due there.");
        }
        else
        {
            var table = TensorTable.Read(files.Weights);
            named = new NamedShapes(table.Tensors);
            inWeights = UNetInference.Diffusers(named);
            read = Described(table, named) with { Path = folder, Layout = WeightLayout.DiffusersUNet2D };
            AddDifferences(warnings, options, inWeights, files.Weights);
        }

        // The middle norm is in the weights only: no key of the configuration tells of it.
        var architecture = OfOptions(options) with { MiddleAttentionNorm = inWeights?.MiddleAttentionNorm ?? false };
        if (inWeights is not null && options is { AddAttention: true, ResnetTimeScaleShift: "scale_shift", AttnNormNumGroups: null })
            AddMiddleNorm(warnings, inWeights);
        if (scheduler is not null && scheduler.LearnsVariance != architecture.LearnsVariance)
        {
            warnings.Add(architecture.LearnsVariance
                ? $"The network gives {options.OutChannels} channels for {options.InChannels}, so it learned a variance, but the scheduler's variance_type is not learned or learned_range."
                : $"The scheduler's variance_type is learned, but the network gives {options.OutChannels} channels where {2 * options.InChannels} are due.");
        }

        var schedule = scheduler is null ? null : ScheduleSummary.Of(new NoiseSchedule(scheduler));
        if (schedule?.Warning is { } snr)
            warnings.Add(snr);
        var version = Text(config, "_diffusers_version");
        var latents = Edges(options.SampleSize);
        var stage = FirstStageFolder.Describe(folder);
        if (stage is not null)
            notes.Add($"the network denoises latents of {options.InChannels} x {latents[0]} x {latents[1]}, which {FirstStageFolder.Name}/ makes pictures of by a codebook of {stage.NumVqEmbeddings} vectors");
        else if (FirstStageFolder.Is(folder))
            warnings.Add($"The model makes latents, and {FirstStageFolder.Name}/config.json is missing, without which they are no pictures.");
        return read with
        {
            Weights = files.Weights,
            Description = (options.IsDiffusers
                ? "diffusers UNet2DModel"
                : $"Graft's UNet2DModel with {string.Join(", ", options.GraftKeysInUse)}, which diffusers lacks and refuses") + (version is null ? "" : $", configuration of version {version}"),
            PictureShape = stage is null ? [options.InChannels, .. latents] : [stage.OutChannels, .. latents.Select(edge => edge * stage.Factor)],
            Architecture = architecture,
            Configuration = options,
            Schedule = schedule,
            AttentionNames = named is null ? null : NamesOf(named),
            UnknownKeys =
            [
                .. Unknown(config, "network", new UNet2DOptions().ToJson().Select(p => p.Key).Concat(UNet2DOptions.GraftKeyNames)),
                .. schedulerJson is null ? [] : Unknown(schedulerJson, "scheduler", [.. new ScheduleOptions().ToJson().Select(p => p.Key),
                    "graft_beta_precision", "graft_learned_range_upper", "graft_previous_timestep", "predict_epsilon"]),
            ],
            DefaultedKeys =
            [
                .. new UNet2DOptions().ToJson().Select(p => p.Key).Where(k => k[0] != '_' && !config.ContainsKey(k)).Order(StringComparer.Ordinal).Select(k => $"network: {k}"),
                .. new ScheduleOptions().ToJson().Select(p => p.Key).Where(k => k != "set_alpha_to_one" && schedulerJson?.ContainsKey(k) == false).Select(k => $"scheduler: {k}"),
            ],
            Inferred = inWeights is not { MiddleAttention: true } ? [] : ["the group norm of the middle attention", "attention names"],
            NotInferable = options.SampleSize is null ? ["sample_size"] : [],
            Warnings = warnings,
            Notes = [.. notes, .. read.Notes],
        };
    }

    private static ModelInspection Described(TensorTable table, NamedShapes named)
    {
        var foreign = table.Tensors.Count(t => !t.Type.IsFloatingPoint());
        var notes = new List<string>();
        if (table.Note is not null)
            notes.Add(table.Note);
        if (foreign > 0 && foreign < table.Tensors.Count)
            notes.Add($"{foreign} of {named.Names.Count} tensors hold no floating-point numbers and are not counted as parameters.");
        return new ModelInspection
        {
            Path = "",
            Description = "",
            Layout = WeightLayout.Unknown,
            Format = table.Format,
            SizeOnDisk = table.Size,
            Tensors = table.Tensors,
            TensorCount = table.Tensors.Count,
            ParameterCount = table.Tensors.Where(t => t.Type.IsFloatingPoint() || t.Type.IsComplex()).Sum(t => t.Count),
            ElementTypes = table.Tensors.GroupBy(t => t.Type).OrderByDescending(g => g.Count())
                .ToDictionary(g => g.Key.ToString().ToLowerInvariant(), g => g.Count()),
            Prefixes = NamedShapes.Summary(table.Tensors),
            Notes = notes,
        };
    }

    private static UNetArchitecture OfOptions(UNet2DOptions options)
    {
        var levels = options.BlockOutChannels.Length;
        return new UNetArchitecture
        {
            InChannels = options.InChannels,
            OutChannels = options.OutChannels,
            Levels = [.. Enumerable.Range(0, levels).Select(i => new UNetLevel(
                options.BlockOutChannels[i],
                options.AttendsDown(i),
                options.AttendsUp(i)))],
            LayersPerBlock = options.LayersPerBlock,
            Resampling = levels < 2 ? "none" : options.DownBlockTypes[..^1].Any(t =>
                t.StartsWith("Resnet", StringComparison.Ordinal) || (t.StartsWith("Attn", StringComparison.Ordinal) && options.DownsampleType == "resnet"))
                ? "resnet"
                : options.ConvResample ? "conv" : "none",
            TimeEmbedding = options.TimeEmbeddingType,
            ScaleShift = options.ResnetTimeScaleShift == "scale_shift",
            Classes = options.ClassEmbedType is null || options.ClassesAreContext ? options.NumClassEmbeds : null,
            MiddleAttention = options.AddAttention,
            ContextWidth = options.CrossAttentionDim,
            TransformerDepth = options.CrossAttentionDim is null ? 0 : options.TransformerDepth,
        };
    }

    private static void AddDifferences(List<string> warnings, UNet2DOptions options, UNetArchitecture? weights, string file)
    {
        if (weights is null)
        {
            warnings.Add($"The weights {file} are not those of a UNet2DModel, whatever config.json says.");
            return;
        }

        var configured = OfOptions(options);
        Compare("block_out_channels", configured.Levels.Select(l => l.Channels), weights.Levels.Select(l => l.Channels));
        Compare("attention on the way down", configured.Levels.Select(l => l.AttentionDown), weights.Levels.Select(l => l.AttentionDown));
        Compare("attention on the way up", configured.Levels.Select(l => l.AttentionUp), weights.Levels.Select(l => l.AttentionUp));
        Compare("layers_per_block", [configured.LayersPerBlock], [weights.LayersPerBlock]);
        Compare("in_channels", [configured.InChannels], [weights.InChannels]);
        Compare("out_channels", [configured.OutChannels], [weights.OutChannels]);
        Compare("scale_shift", [configured.ScaleShift], [weights.ScaleShift]);
        Compare("classes", [configured.Classes], [weights.Classes]);
        Compare("middle attention", [configured.MiddleAttention], [weights.MiddleAttention]);

        void Compare<T>(string what, IEnumerable<T> said, IEnumerable<T> found)
        {
            if (!said.SequenceEqual(found))
                warnings.Add($"config.json and the weights differ in {what}: {Words(said)} is said, {Words(found)} is there.");
        }

        static string Words<T>(IEnumerable<T> values) => string.Join(", ", values.Select(v => v?.ToString() ?? "none"));
    }

    private static void AddMiddleNorm(List<string> warnings, UNetArchitecture weights)
    {
        if (!weights.MiddleAttention)
            return;
        warnings.Add(weights.MiddleAttentionNorm
            ? "The middle attention has a group norm, as diffusers 0.14 makes it with scale_shift; diffusers 0.27 reads this file without an error, leaves the norm out and computes something else. Graft goes by the file."
            : "The middle attention has no group norm, as diffusers 0.27 makes it with scale_shift; diffusers 0.14 expects one and does not compute the same. Graft goes by the file.");
    }

    private static AttentionNames? NamesOf(NamedShapes tensors) =>
        tensors.Names.Any(n => n.EndsWith(".query.weight", StringComparison.Ordinal)) ? Formats.Diffusers.AttentionNames.Old
        : tensors.Names.Any(n => n.EndsWith(".to_q.weight", StringComparison.Ordinal)) ? Formats.Diffusers.AttentionNames.New
        : null;

    private static IEnumerable<string> Unknown(JsonObject json, string where, IEnumerable<string> known)
    {
        var names = known.ToHashSet(StringComparer.Ordinal);
        return json.Select(p => p.Key).Where(k => !k.StartsWith('_') && !names.Contains(k)).Select(k => $"{where}: {k}");
    }

    private static string? Text(JsonObject json, string key) => json[key] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private static long[] Edges(JsonNode? size) => size switch
    {
        JsonValue one when one.TryGetValue<long>(out var edge) => [edge, edge],
        JsonArray { Count: 2 } two when two[0] is JsonValue h && two[1] is JsonValue w
            && h.TryGetValue<long>(out var height) && w.TryGetValue<long>(out var width) => [height, width],
        _ => [0, 0],
    };
}
