using System.Text.Json.Nodes;
using Graft.Formats;

namespace Graft.Augmenting;

/// <summary>
/// <c>augmentation.json</c>: where generated pictures come from. It is written first, so that the folder is known for what it is, and again
/// after every class.
/// </summary>
public sealed class AugmentationRecord
{
    /// <summary>The file's name.</summary>
    public const string FileName = "augmentation.json";

    private const int Format = 1;
    private readonly string _path;
    private readonly JsonObject _json;

    private AugmentationRecord(string path, JsonObject json) => (_path, _json) = (path, json);

    /// <summary>Whether every class, the labels and the sheet are there.</summary>
    public bool IsFinished => (bool)_json["finished"]!;

    /// <summary>Everything that is recorded, a copy.</summary>
    public JsonObject Json => (JsonObject)_json.DeepClone();

    /// <summary>Takes up the record of a folder, or begins one.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="settings">What the pictures depend on: must be the same.</param>
    /// <param name="about">What else is recorded when it begins.</param>
    /// <exception cref="InputException">The folder holds another augmentation, or other files.</exception>
    internal static AugmentationRecord Open(string folder, JsonObject settings, JsonObject about)
    {
        var path = Path.Combine(folder, FileName);
        if (File.Exists(path))
            return Continue(folder, path, settings);
        if (File.Exists(folder))
            throw new InputException($"{FileFault.Quote(folder)} is a file: give a folder as out.");
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).FirstOrDefault(e => Path.GetFileName(e)[0] != '.') is { } other)
            throw new InputException($"The folder {folder} holds {FileFault.Quote(Path.GetFileName(other))} and no {FileName}: give a new folder, so that nothing is overwritten.");
        var json = new JsonObject { ["format"] = Format, ["finished"] = false };
        foreach (var (key, value) in about)
            json[key] = value?.DeepClone();
        json["settings"] = settings.DeepClone();
        json["classes"] = new JsonArray();
        var record = new AugmentationRecord(path, json);
        record.Save();
        return record;
    }

    /// <summary>What is recorded of a class, or null.</summary>
    internal JsonObject? Of(int label) => Classes.OfType<JsonObject>().FirstOrDefault(c => (int?)c["label"] == label);

    /// <summary>Records a class, in place of what was recorded of it.</summary>
    internal void Put(JsonObject entry)
    {
        var label = (int)entry["label"]!;
        if (Of(label) is { } before)
            Classes.Remove(before);
        Classes.Add(entry);
        var sorted = Classes.OrderBy(c => (int)c!["label"]!).Select(c => c!.DeepClone()).ToArray();
        _json["classes"] = new JsonArray(sorted);
        _json["finished"] = false;
        Save();
    }

    /// <summary>Records something of the whole.</summary>
    internal void Note(string key, JsonNode? value)
    {
        if (JsonNode.DeepEquals(_json[key], value))
            return;
        _json[key] = value?.DeepClone();
        Save();
    }

    private JsonArray Classes => (JsonArray)_json["classes"]!;

    private static AugmentationRecord Continue(string folder, string path, JsonObject settings)
    {
        var json = JsonStyle.ReadObject(path);
        try
        {
            if ((int?)json["format"] != Format || json["finished"]?.GetValue<bool>() is null || json["settings"] is not JsonObject before
                || json["classes"] is not JsonArray classes || classes.Any(c => c is not JsonObject entry || (int?)entry["label"] is null || entry["files"] is not JsonArray))
            {
                throw new FormatException("a part is missing, or it is of another format");
            }

            foreach (var (key, value) in settings)
            {
                if (!JsonNode.DeepEquals(before[key], value))
                    throw new InputException($"The folder {folder} holds another augmentation: its {key} is {FileFault.Shorten(before[key]?.ToJsonString() ?? "nothing")} and not {FileFault.Shorten(value?.ToJsonString() ?? "nothing")}; give another folder, or the same settings to go on.");
            }
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException)
        {
            throw new InputException($"The record {path} cannot be read ({e.Message.TrimEnd('.')}): give another folder.", e);
        }

        return new AugmentationRecord(path, json);
    }

    private void Save() => AtomicFile.WriteText(_path, _json.ToJsonString(JsonStyle.Indented) + "\n");
}
