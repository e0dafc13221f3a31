using System.Text.Json.Nodes;
using Graft.Formats;

namespace Graft.Adapters;

/// <summary>
/// An adapter on disk, as PEFT lays it out: <c>adapter_config.json</c>, which names the source model by path or hub id and by the
/// SHA-256 of its weights, and <c>adapter_model.safetensors</c>.
/// </summary>
public static class AdapterFolder
{
    /// <summary>The file of the weights.</summary>
    internal const string WeightsFile = "adapter_model.safetensors";

    /// <summary>What stands before every name in it.</summary>
    internal const string Prefix = "base_model.model.";

    private const string ConfigurationFile = "adapter_config.json";
    private const string OwnKey = "graft";

    /// <summary>Whether a folder looks like one.</summary>
    public static bool Is(string folder) => File.Exists(Path.Combine(folder, ConfigurationFile));

    /// <summary>Writes a folder. Every file appears whole; the configuration comes last.</summary>
    /// <param name="folder">Created if need be.</param>
    /// <param name="attachment">The adapter.</param>
    /// <param name="source">Where the source model was opened: a path or a hub id; null: it was made in memory.</param>
    /// <param name="fingerprint">The source's <see cref="DiffusionModel.Fingerprint"/>.</param>
    internal static void Write(string folder, Attachment attachment, string? source, string fingerprint)
    {
        Directory.CreateDirectory(folder);
        WeightFile.Write(Path.Combine(folder, WeightsFile), attachment.Parameters().Select(p => p with { Name = Prefix + p.Name }));
        attachment.Conditions?.Write(folder);
        var configuration = attachment.Configuration();
        configuration["base_model_name_or_path"] = source;
        configuration[OwnKey] = new JsonObject
        {
            ["source_fingerprint"] = fingerprint,
            ["source_from_here"] = source is not null && Directory.Exists(source) ? Path.GetRelativePath(folder, source) : null,
        };
        AtomicFile.WriteText(Path.Combine(folder, ConfigurationFile), JsonStyle.Sorted(configuration));
    }

    /// <summary>Reads the settings.</summary>
    /// <exception cref="InputException">The file is broken, or is no adapter made here.</exception>
    internal static AdapterConfiguration Read(string folder)
    {
        var path = Path.Combine(folder, ConfigurationFile);
        var json = JsonStyle.ReadObject(path);
        if (json["peft_type"] is not JsonValue kind || !kind.TryGetValue<string>(out var name))
            throw new InputException($"The adapter's configuration {path} has no peft_type: it was not written by PEFT or Graft.");
        var own = json[OwnKey] as JsonObject;
        return new AdapterConfiguration(
            folder, name, json, Text(json["base_model_name_or_path"]), Text(own?["source_from_here"]), Text(own?["source_fingerprint"]));

        static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
    }

    /// <summary>Loads the weights of an adapter that was made after <see cref="Read"/>'s settings.</summary>
    /// <exception cref="InputException">The file is missing, broken, or belongs to another adapter.</exception>
    internal static void Load(string folder, Attachment attachment)
    {
        var path = Path.Combine(folder, WeightsFile);
        using var file = WeightFile.Open(path);
        attachment.Load(name => file.Contains(Prefix + name) ? file.Read(Prefix + name) : null, path);
        var known = attachment.Parameters().Select(p => Prefix + p.Name).ToHashSet();
        var surplus = file.Names.FirstOrDefault(n => !known.Contains(n));
        if (surplus is not null)
            throw new InputException($"The file {path} holds '{surplus}', which {ConfigurationFile} does not account for: they belong to different adapters.");
    }
}

/// <summary>The settings of an adapter's folder.</summary>
/// <param name="Folder">The folder.</param>
/// <param name="Kind"><c>peft_type</c>.</param>
/// <param name="Json">All keys.</param>
/// <param name="Source">The source as it was named when the adapter was made.</param>
/// <param name="SourceFromHere">The source's path from the folder, where it was a path.</param>
/// <param name="Fingerprint">SHA-256 of the source's weights; null if another program wrote the adapter.</param>
internal sealed record AdapterConfiguration(string Folder, string Kind, JsonObject Json, string? Source, string? SourceFromHere, string? Fingerprint)
{
    /// <summary>Where the source may be: what the caller says, or where it was seen from the folder, or as it was named.</summary>
    internal string FindSource(string? given)
    {
        if (given is not null)
            return given;
        if (SourceFromHere is not null && Path.Combine(Folder, SourceFromHere) is var near && Directory.Exists(near))
            return Path.GetRelativePath(Environment.CurrentDirectory, Path.GetFullPath(near));
        return Source is not null
            ? Source
            : throw new InputException($"The adapter {Folder} was made beside a model that was never saved: name the source model (--source).");
    }
}
