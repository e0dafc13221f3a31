using System.Text.Json;
using System.Text.Json.Nodes;
using Graft.Formats;

namespace Graft.Hub;

/// <summary>What is known about a file that came from a URL: kept beside it, so that it need not be fetched or hashed again.</summary>
internal sealed record UrlRecord(string Url, string Sha256, long Size, long Modified)
{
    internal const string Extension = ".graft.json";

    /// <summary>The record of a file; null if there is none that could be relied on.</summary>
    internal static UrlRecord? Read(string file)
    {
        try
        {
            var json = JsonNode.Parse(File.ReadAllText(file + Extension));
            return SafeName.IsSha256((string?)json?["sha256"])
                ? new UrlRecord((string?)json!["url"] ?? "", (string)json["sha256"]!, (long?)json["size"] ?? -1, (long?)json["modified"] ?? 0)
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException or FormatException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Writes the record of a file that was just verified.</summary>
    internal static void Write(string file, Uri url, string sha256)
    {
        var info = new FileInfo(file);
        AtomicFile.WriteText(file + Extension, new JsonObject
        {
            ["url"] = DownloadFaults.Shown(url), // what follows a question mark may be a secret
            ["sha256"] = sha256,
            ["size"] = info.Length,
            ["modified"] = info.LastWriteTimeUtc.Ticks,
        }.ToJsonString(JsonStyle.Indented) + "\n");
    }

    /// <summary>Whether the file is as it was when the record was written.</summary>
    internal bool Fits(string file) => new FileInfo(file) is { Exists: true } info && info.Length == Size && info.LastWriteTimeUtc.Ticks == Modified;
}
