using System.Text.Json;
using Graft.Formats;

namespace Graft.Tests.Formats;

/// <summary>The small reference files of this repository, and helpers to compare what is read from them.</summary>
internal static class FormatFiles
{
    /// <summary>The payload of every hostile pickle would create this file in the working folder.</summary>
    public const string Payload = "PICKLE_PAYLOAD_WAS_EXECUTED";

    public static string Valid(string name) => Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "formats", name);

    public static string Malformed(string kind, string name) =>
        Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "malformed", kind, name);

    public static JsonElement Json(string path)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(path));
        return document.RootElement.Clone();
    }

    /// <summary>File, reason and expected outcome of each case that is kept in this repository.</summary>
    public static IEnumerable<(string File, string Why, string Expected)> MalformedCases(string kind) =>
        from element in Json(Malformed(kind, "fixture.json")).GetProperty("cases").EnumerateArray()
        let file = element.GetProperty("file").GetString()!
        where File.Exists(Malformed(kind, file))
        select (file, element.GetProperty("why").GetString()!, element.GetProperty("expected").GetString()!);

    /// <summary>Reads every byte of every tensor, so that nothing stays unchecked.</summary>
    public static Dictionary<string, byte[]> ReadAll(SafetensorsFile file) =>
        file.Entries.ToDictionary(entry => entry.Name, entry => file.Bytes(entry.Name).ToArray());

    public static Dictionary<string, byte[]> ReadAll(CheckpointFile file) =>
        file.Tensors().ToDictionary(pair => pair.Key, pair => pair.Value.ToBytes());

    /// <summary>One sentence that names the file and ends with a full stop.</summary>
    public static void ShouldBeClear(InputException exception, string path)
    {
        exception.Message.ShouldContain($"'{path}'");
        exception.Message.ShouldContain("; ");
        exception.Message.ShouldEndWith(".");
        exception.Message.ShouldNotContain("\n");
        exception.Message.Length.ShouldBeLessThan(600 + path.Length);
    }

    public static void ShouldEqual(IReadOnlyDictionary<string, CheckpointTensor> actual, SafetensorsFile expected)
    {
        actual.Keys.Order(StringComparer.Ordinal).ShouldBe(expected.Entries.Select(entry => entry.Name).Order(StringComparer.Ordinal));
        foreach (var entry in expected.Entries)
        {
            var tensor = actual[entry.Name];
            tensor.Type.ShouldBe(entry.Type, entry.Name);
            tensor.Shape.ShouldBe(entry.Shape, entry.Name);
            tensor.ToBytes().ShouldBe(expected.Bytes(entry.Name).ToArray(), entry.Name);
        }
    }
}
