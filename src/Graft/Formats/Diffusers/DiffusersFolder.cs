using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Graft.Diffusion;
using Graft.Networks;

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
    private const string WeightsName = "diffusion_pytorch_model";
    private static readonly string[] WeightFiles =
        [".safetensors", ".safetensors.index.json", ".fp16.safetensors", ".bin", ".fp16.bin"];

    /// <summary>Whether a folder looks like one.</summary>
    public static bool Is(string folder) =>
        File.Exists(Path.Combine(folder, "unet", "config.json")) || File.Exists(Path.Combine(folder, "config.json"));

    /// <summary>Finds a folder's files, in either layout, without opening them.</summary>
    internal static DiffusersFiles Locate(string folder)
    {
        var networkFolder = File.Exists(Path.Combine(folder, "unet", "config.json")) ? Path.Combine(folder, "unet") : folder;
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
        var config = JsonStyle.ReadObject(files.Network);
        if (config["_class_name"] is { } kind && kind.ToString() != "UNet2DModel")
            throw new InputException($"The network of {folder} is a {kind.ToJsonString().Trim('"')}; of diffusers' networks UNet2DModel can be read.");
        var scheduler = files.Scheduler
            ?? throw new InputException($"The folder {folder} has no scheduler/scheduler_config.json, which says how noise was added: add the one it was trained with.");

        var weights = files.Weights
            ?? throw new InputException($"The folder {files.NetworkFolder} has no weights: {WeightsName}.safetensors or .bin is due there.");
        using var file = WeightFile.Open(weights);
        var toOwn = OwnNames(file);
        var options = UNet2DOptions.FromJson(config, files.Network);
        CheckSizes(options, file, toOwn);
        var (schedule, index) = (JsonStyle.ReadObject(scheduler), files.Index is null ? null : JsonStyle.ReadObject(files.Index));
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

        return (network, new DiffusersConfiguration
        {
            Index = index,
            Network = config,
            Scheduler = schedule,
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
        var names = configuration.AttentionNames;
        WeightFile.Write(
            Path.Combine(folder, "unet", WeightsName + ".safetensors"),
            network.Parameters().Select(p => names == AttentionNames.Old ? p with { Name = NewAttention().Replace(p.Name, m => Rename(m, names)) } : p));
        AtomicFile.WriteText(Path.Combine(folder, "model_index.json"), JsonStyle.Sorted(configuration.Index ?? DefaultIndex()));
    }

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
        return new DiffusersConfiguration { Index = DefaultIndex(), Network = networkJson, Scheduler = scheduleJson };
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
        ["unet"] = new JsonArray("diffusers", "UNet2DModel"),
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
