using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Graft.Formats;

/// <summary>How JSON files are read and written.</summary>
internal static class JsonStyle
{
    internal static JsonSerializerOptions Indented { get; } = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Two spaces, keys sorted, a newline at the end: as diffusers writes its configurations.</summary>
    internal static string Sorted(JsonObject json) =>
        new JsonObject(json.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone())))
            .ToJsonString(Indented) + "\n";

    /// <summary>What the parser says, which may quote the rest of the file, and where.</summary>
    private static string Reason(Exception fault)
    {
        var reason = FileFault.Shorten(fault.Message.Split(" Path: ")[0].Split(" LineNumber: ")[0].TrimEnd('.'));
        return fault is JsonException { LineNumber: { } line } ? $"{reason}, in line {line + 1}" : reason;
    }

    /// <summary>Reads a file that holds a JSON object.</summary>
    /// <exception cref="InputException">It is missing, or holds something else.</exception>
    internal static JsonObject ReadObject(string path)
    {
        try
        {
            var json = JsonNode.Parse(File.ReadAllText(path), null, new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject
                ?? throw new InputException($"The file {path} does not hold a JSON object.");
            _ = json.ToJsonString(); // strings are decoded on use: a broken escape shows here instead of later
            return json;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
        {
            throw new InputException($"The file {path} cannot be read: {Reason(e)}.", e);
        }
    }
}
