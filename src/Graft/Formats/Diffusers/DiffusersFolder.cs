using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Graft.Diffusion;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Formats.Diffusers;

/// <summary>Names of an attention block's layers.</summary>
public enum AttentionNames
{
    /// <summary><c>query</c>, <c>key</c>, <c>value</c>, <c>proj_attn</c>: diffusers to 0.14; later versions read them too.</summary>
    Old,

    /// <summary><c>to_q</c>, <c>to_k</c>, <c>to_v</c>, <c>to_out.0</c>: diffusers from 0.15; earlier versions cannot read them.</summary>
    New,
}

/// <summary>What a diffusers pipeline folder holds beside the weights: kept, so that a round trip changes nothing that it need not.</summary>
public sealed record DiffusersConfiguration
{
    /// <summary><c>model_index.json</c>, or null where a folder has none.</summary>
    public JsonObject? Index { get; init; }

    /// <summary><c>unet/config.json</c>.</summary>
    public required JsonObject Network { get; init; }

    /// <summary><c>scheduler/scheduler_config.json</c>.</summary>
    public required JsonObject Scheduler { get; init; }

    /// <summary>How the file names attention layers.</summary>
    public AttentionNames AttentionNames { get; init; } = AttentionNames.Old;
}

/// <summary>Where a diffusers folder keeps what; null where it has none.</summary>
internal sealed record DiffusersFiles(string NetworkFolder, string Network, string? Weights, string? Scheduler, string? Index);

/// <summary>
/// diffusers' <c>DDPMPipeline</c> folder, both ways: <c>model_index.json</c>, <c>unet/</c>, <c>scheduler/</c>; on reading also the older
/// layout with every file in the root (<c>google/ddpm-*</c>).
/// </summary>
public static partial class DiffusersFolder
{
    internal const string WeightsName = "diffusion_pytorch_model";
    private static readonly string[] WeightFiles =
        [".safetensors", ".safetensors.index.json", ".fp16.safetensors", ".bin", ".fp16.bin"];

    /// <summary>Where the network may lie; the last is the older layout.</summary>
    private static readonly string[] NetworkFolders = ["unet", ModelFolder.NetworkFolder, ""];

    /// <summary>Whether a folder looks like one.</summary>
    public static bool Is(string folder) =>
        NetworkFolders.Any(inner => File.Exists(Path.Combine(folder, inner, "config.json")));

    /// <summary>Finds a folder's files, in either layout, without opening them.</summary>
    internal static DiffusersFiles Locate(string folder)
    {
        var inner = NetworkFolders.FirstOrDefault(inner => File.Exists(Path.Combine(folder, inner, "config.json")));
        var networkFolder = string.IsNullOrEmpty(inner) ? folder : Path.Combine(folder, inner);
        return new DiffusersFiles(
            networkFolder,
            Path.Combine(networkFolder, "config.json"),
            WeightFiles.Select(e => Path.Combine(networkFolder, WeightsName + e)).FirstOrDefault(File.Exists),
            new[] { Path.Combine(folder, "scheduler", "scheduler_config.json"), Path.Combine(folder, "scheduler_config.json") }.FirstOrDefault(File.Exists),
            new[] { Path.Combine(folder, "model_index.json") }.FirstOrDefault(File.Exists));
    }

    /// <summary>Reads network and configuration; the network's parameters are on the CPU, float32.</summary>
    /// <exception cref="InputException">A file is missing, broken, or does not fit the others.</exception>
    public static (UNet2D Network, DiffusersConfiguration Configuration) Read(string folder)
    {
        var files = Locate(folder);
        var (options, configuration) = ReadConfiguration(folder, files);
        var weights = files.Weights ?? throw LacksWeights(files);
        return ReadWeights(weights, options, configuration);
    }

    /// <summary>Reads what a folder says beside its weights.</summary>
    /// <exception cref="InputException">A file is missing or broken, or describes another network.</exception>
    internal static (UNet2DOptions Options, DiffusersConfiguration Configuration) ReadConfiguration(string folder, DiffusersFiles files)
    {
        var config = JsonStyle.ReadObject(files.Network);
        var kind = DenoisingNetworks.ClassOf(config);
        if (kind is not null && !DenoisingNetworks.IsUNet(kind))
            throw new InputException($"The network of {folder} is a {FileFault.Shorten(kind)}; of diffusers' networks UNet2DModel can be read.");
        var scheduler = files.Scheduler ?? throw LacksScheduler(folder);
        var options = UNet2DOptions.FromJson(config, files.Network);
        if (kind == UNet2DOptions.DiffusersClass && !options.IsDiffusers)
            throw new InputException($"The network configuration {files.Network} uses {string.Join(", ", options.GraftKeysInUse)}, which diffusers' UNet2DModel lacks: set _class_name to {UNet2DOptions.GraftClass} if that is meant, or take it out.");
        return (options, new DiffusersConfiguration
        {
            Index = files.Index is null ? null : JsonStyle.ReadObject(files.Index),
            Network = config,
            Scheduler = JsonStyle.ReadObject(scheduler),
        });
    }

    internal static InputException LacksScheduler(string folder) =>
        new($"The folder {folder} has no scheduler/scheduler_config.json, which says how noise was added: add the one it was trained with.");

    internal static InputException LacksWeights(DiffusersFiles files) =>
        new($"The folder {files.NetworkFolder} has no weights: {WeightsName}.safetensors or .bin is due there.");

    /// <summary>Reads weights under diffusers' names.</summary>
    /// <returns>The network, and the configuration with the file's names of attention layers.</returns>
    internal static (UNet2D Network, DiffusersConfiguration Configuration) ReadWeights(string weights, UNet2DOptions options, DiffusersConfiguration configuration)
    {
        using var file = WeightFile.Open(weights);
        var toOwn = OwnNames(file);
        CheckSizes(options, file, toOwn);
        var network = new UNet2D(options, toOwn.ContainsKey("mid_block.attentions.0.group_norm.weight"));
        try
        {
            network.Load(name => toOwn.TryGetValue(name, out var inFile) ? file.Read(inFile) : null, weights);
            var known = network.Parameters().Select(p => p.Name).ToHashSet();
            var surplus = toOwn.Keys.Where(n => !known.Contains(n)).ToList();
            if (surplus.Count > 0)
                throw new InputException($"The file {weights} holds {surplus.Count} tensors that the configuration does not account for, as '{surplus[0]}': config.json belongs to another network.");
        }
        catch
        {
            network.Dispose();
            throw;
        }

        return (network, configuration with
        {
            AttentionNames = toOwn.Any(p => p.Key != p.Value) || !toOwn.Keys.Any(n => n.Contains(".to_q.", StringComparison.Ordinal))
                ? AttentionNames.Old
                : AttentionNames.New,
        });
    }

    /// <summary>Writes a folder that diffusers opens. Every file appears whole; the index comes last.</summary>
    /// <param name="folder">Created if need be.</param>
    /// <param name="network">The network.</param>
    /// <param name="configuration">What is written beside the weights.</param>
    public static void Write(string folder, UNet2D network, DiffusersConfiguration configuration)
    {
        Directory.CreateDirectory(Path.Combine(folder, "unet"));
        Directory.CreateDirectory(Path.Combine(folder, "scheduler"));
        AtomicFile.WriteText(Path.Combine(folder, "scheduler", "scheduler_config.json"), JsonStyle.Sorted(configuration.Scheduler));
        AtomicFile.WriteText(Path.Combine(folder, "unet", "config.json"), JsonStyle.Sorted(network.Options.ToJson(configuration.Network)));
        WeightFile.Write(Path.Combine(folder, "unet", WeightsName + ".safetensors"), Named(network, configuration.AttentionNames));
        var index = (JsonObject?)configuration.Index?.DeepClone() ?? DefaultIndex();
        if (!network.Options.IsDiffusers || index["unet"] is null || index["unet"]!.ToJsonString().Contains(UNet2DOptions.GraftClass, StringComparison.Ordinal))
            index["unet"] = new JsonArray(network.Options.IsDiffusers ? "diffusers" : "graft", network.Options.ClassName);
        AtomicFile.WriteText(Path.Combine(folder, "model_index.json"), JsonStyle.Sorted(index));
    }

    /// <summary>A network's parameters under the names that diffusers gives them.</summary>
    internal static IEnumerable<NamedTensor> Named(UNet2D network, AttentionNames names) =>
        network.Parameters().Select(p => names == AttentionNames.Old ? p with { Name = NewAttention().Replace(p.Name, m => Rename(m, names)) } : p);

    /// <summary>The configuration of a network and a schedule that were made here.</summary>
    public static DiffusersConfiguration Configure(UNet2DOptions network, ScheduleOptions schedule)
    {
        var networkJson = network.ToJson();
        networkJson["_diffusers_version"] = WrittenVersion;
        var scheduleJson = schedule.ToJson();
        // Keys that came after 0.14 stay out where they say nothing: 0.14 warns about each.
        Omit(networkJson, new UNet2DOptions().ToJson(), "attn_norm_num_groups", "downsample_type", "upsample_type", "dropout", "num_train_timesteps");
        Omit(scheduleJson, new ScheduleOptions().ToJson(), "rescale_betas_zero_snr", "timestep_spacing", "set_alpha_to_one", "steps_offset");
        scheduleJson["_class_name"] = "DDPMScheduler";
        scheduleJson["_diffusers_version"] = WrittenVersion;
        return new DiffusersConfiguration { Network = networkJson, Scheduler = scheduleJson };
    }

    private const string WrittenVersion = "0.14.0";

    private static void Omit(JsonObject json, JsonObject defaults, params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys)
        {
            if (JsonNode.DeepEquals(json[key], defaults[key]))
                json.Remove(key);
        }
    }

    private static JsonObject DefaultIndex() => new()
    {
        ["_class_name"] = "DDPMPipeline",
        ["_diffusers_version"] = WrittenVersion,
        ["scheduler"] = new JsonArray("diffusers", "DDPMScheduler"),
        ["unet"] = new JsonArray("diffusers", UNet2DOptions.DiffusersClass),
    };

    [GeneratedRegex(@"(?<=attentions\.\d+\.)(query|key|value|proj_attn)(?=\.)")]
    private static partial Regex OldAttention();

    [GeneratedRegex(@"(?<=attentions\.\d+\.)(to_q|to_k|to_v|to_out\.0)(?=\.)")]
    private static partial Regex NewAttention();

    private static string Rename(Match match, AttentionNames to) => (match.Value, to) switch
    {
        ("query" or "to_q", AttentionNames.New) => "to_q",
        ("key" or "to_k", AttentionNames.New) => "to_k",
        ("value" or "to_v", AttentionNames.New) => "to_v",
        (_, AttentionNames.New) => "to_out.0",
        ("query" or "to_q", _) => "query",
        ("key" or "to_k", _) => "key",
        ("value" or "to_v", _) => "value",
        _ => "proj_attn",
    };
}
