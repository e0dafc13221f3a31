using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Graft.Adapters;
using Graft.Formats.Diffusers;
using Graft.Networks;

namespace Graft.Inspection;

/// <summary>What a model's folder or a bare weight file is, told without libtorch and without executing anything.</summary>
public sealed partial record ModelInspection
{
    private static readonly JsonSerializerOptions Serialiser = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter() },
    };

    /// <summary>What was inspected.</summary>
    public required string Path { get; init; }

    /// <summary>What it is, in words.</summary>
    public required string Description { get; init; }

    /// <summary>Whose names the weights use.</summary>
    public required WeightLayout Layout { get; init; }

    /// <summary>What stands before every name of the layout, as <c>module.</c>; mostly nothing.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>The file of the weights; null where a folder has none.</summary>
    public string? Weights { get; init; }

    /// <summary>What kind of file the weights are in.</summary>
    public string? Format { get; init; }

    /// <summary>Channels, height and width of the pictures; 0 where that is unknown.</summary>
    public IReadOnlyList<long> PictureShape { get; init; } = [];

    /// <summary>The architecture, where it is a U-Net that is understood.</summary>
    public UNetArchitecture? Architecture { get; init; }

    /// <summary>The network's configuration, where there is one.</summary>
    public UNet2DOptions? Configuration { get; init; }

    /// <summary>The noise schedule, where there is one.</summary>
    public ScheduleSummary? Schedule { get; init; }

    /// <summary>How diffusers' attention layers are named; null where there are none.</summary>
    public AttentionNames? AttentionNames { get; init; }

    /// <summary>Number of elements of all floating-point tensors.</summary>
    public long ParameterCount { get; init; }

    /// <summary>Number of tensors.</summary>
    public int TensorCount { get; init; }

    /// <summary>Bytes of the weights' files.</summary>
    public long SizeOnDisk { get; init; }

    /// <summary>Element types, and how many tensors have each.</summary>
    public IReadOnlyDictionary<string, int> ElementTypes { get; init; } = new Dictionary<string, int>();

    /// <summary>Keys of the configurations that mean nothing here; they are kept when the model is saved.</summary>
    public IReadOnlyList<string> UnknownKeys { get; init; } = [];

    /// <summary>Keys that the configurations leave out, so that diffusers' defaults hold.</summary>
    public IReadOnlyList<string> DefaultedKeys { get; init; } = [];

    /// <summary>What was not said anywhere, but inferred from tensor shapes.</summary>
    public IReadOnlyList<string> Inferred { get; init; } = [];

    /// <summary>What cannot be known from the weights alone.</summary>
    public IReadOnlyList<string> NotInferable { get; init; } = [];

    /// <summary>Sentences on what is wrong or will surprise.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Sentences that are good to know.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>How the tensors' names begin.</summary>
    public IReadOnlyList<NamePrefix> Prefixes { get; init; } = [];

    /// <summary>Every tensor, in the order of the file.</summary>
    [JsonIgnore]
    public IReadOnlyList<InspectedTensor> Tensors { get; init; } = [];

    /// <summary>Inspects a model.</summary>
    /// <param name="path">
    /// A diffusers folder, an adapter's or a classifier's, or a weight file: safetensors (or the index of shards), or a PyTorch checkpoint; or the hub id of a model that
    /// was pulled (<see cref="Hub.ModelReference"/>).
    /// </param>
    /// <exception cref="InputException">There is none, or it is broken.</exception>
    public static ModelInspection Of(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        path = Hub.ModelReference.Resolve(path);
        if (!Directory.Exists(path))
            return OfFile(path);
        if (AdapterFolder.Is(path))
            return OfAdapter(path);
        if (DiffusersFolder.Is(path))
            return OfFolder(path);

        // A folder that merely keeps one weight file is as good as the file.
        string[] known = [".safetensors.index.json", ".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".pkl"];
        var files = known.SelectMany(e => Directory.EnumerateFiles(path, "*" + e)).ToList();
        if (files.Count == 1)
            return OfFile(files[0]);
        throw new InputException(files.Count == 0
            ? $"The folder {path} holds no model: neither unet/config.json, nor config.json, nor a weight file is in it."
            : $"The folder {path} holds {files.Count} weight files and no config.json: name one of them, as {files[0]}.");
    }

    /// <summary>Everything as one JSON object, keys in snake case.</summary>
    /// <param name="tensors">Whether every tensor is listed.</param>
    public string ToJson(bool tensors = false)
    {
        var json = JsonSerializer.SerializeToNode(this, Serialiser)!.AsObject();
        if (tensors)
        {
            json["tensors"] = new JsonArray([.. Tensors.Select(t => new JsonObject
            {
                ["name"] = t.Name,
                ["type"] = t.Type.ToString().ToLowerInvariant(),
                ["shape"] = new JsonArray([.. t.Shape.Select(size => (JsonNode)size)]),
            })]);
        }

        return json.ToJsonString(Serialiser);
    }
}
