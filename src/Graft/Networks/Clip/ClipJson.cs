using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Graft.Formats;

namespace Graft.Networks.Clip;

/// <summary>Reads the keys of Hugging Face's configurations of CLIP; null is as good as absent.</summary>
internal sealed class ClipJson(JsonObject json, string where)
{
    public bool Has(string key) => json[key] is not null;

    public InputException Fault(string what) => new($"The CLIP configuration {where} cannot be used: {what}.");

    public long Integer(string key, long absent)
    {
        if (json[key] is not { } node)
            return absent;
        return Number(node) is var number && number == Math.Floor(number) && Math.Abs(number) <= int.MaxValue
            ? (long)number
            : throw Fault($"{key} {FileFault.Quote(node.ToJsonString())} is no whole number");
    }

    public double Real(string key, double absent)
    {
        if (json[key] is not { } node)
            return absent;
        return Number(node) is var number && double.IsFinite(number)
            ? number
            : throw Fault($"{key} {FileFault.Quote(node.ToJsonString())} is no number");
    }

    public bool Flag(string key, bool absent)
    {
        if (json[key] is not { } node)
            return absent;
        return node is JsonValue value && value.TryGetValue<bool>(out var flag) ? flag : throw Fault($"{key} {FileFault.Quote(node.ToJsonString())} is neither true nor false");
    }

    public string Text(string key, string absent)
    {
        if (json[key] is not { } node)
            return absent;
        return node is JsonValue value && value.TryGetValue<string>(out var text) ? text : throw Fault($"{key} {FileFault.Quote(node.ToJsonString())} is no text");
    }

    /// <summary>Three numbers, one for each colour.</summary>
    public double[] Colours(string key, double[] absent)
    {
        if (json[key] is not { } node)
            return absent;
        double[] numbers = [.. (node as JsonArray ?? []).Select(Number)];
        return numbers.Length == 3 && numbers.All(double.IsFinite) ? numbers : throw Fault($"{key} does not hold three numbers");
    }

    /// <summary>A number however it is held (of a file or made here), or NaN.</summary>
    private static double Number(JsonNode? node) =>
        node?.GetValueKind() == JsonValueKind.Number ? double.Parse(node.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture) : double.NaN;
}
