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

    /// <summary>Reads a file that holds a JSON object.</summary>
    /// <exception cref="InputException">It is missing, or holds something else.</exception>
    internal static JsonObject ReadObject(string path)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllText(path)) as JsonObject
                ?? throw new InputException($"The file {path} does not hold a JSON object.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new InputException($"The file {path} cannot be read: {e.Message}", e);
        }
    }
}
