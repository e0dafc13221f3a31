using System.Text.Encodings.Web;
using System.Text.Json;

namespace Graft.Formats;

/// <summary>How JSON files are written: two spaces, readable characters.</summary>
internal static class JsonStyle
{
    internal static JsonSerializerOptions Indented { get; } = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
}
