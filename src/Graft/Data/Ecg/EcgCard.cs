using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Graft.Formats;

namespace Graft.Data.Ecg;

/// <summary>The record of a set of ECGs: where it is from, what its samples are, and every step that was done to them. Goes into a model's folder as JSON.</summary>
public sealed record EcgCard
{
    private static readonly JsonSerializerOptions Style = new(JsonStyle.Indented)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    /// <summary>What the set is called.</summary>
    public required string Name { get; init; }

    /// <summary>Licence of the data, and whose they are.</summary>
    public string Licence { get; init; } = "";

    /// <summary>What the publisher did to the samples, in words; empty where they are raw.</summary>
    public string Published { get; init; } = "";

    /// <summary>Names of the leads.</summary>
    public required IReadOnlyList<string> Leads { get; init; }

    /// <summary>Samples a second.</summary>
    public required double SamplingRate { get; init; }

    /// <summary>The unit of the samples.</summary>
    public required string Unit { get; init; }

    /// <summary>Names of the classes.</summary>
    public IReadOnlyList<string> Classes { get; init; } = [];

    /// <summary>What was done to the samples here, in this order.</summary>
    public IReadOnlyList<EcgStep> Steps { get; init; } = [];

    /// <summary>The card as JSON, keys in snake case.</summary>
    public JsonObject ToJson() => JsonSerializer.SerializeToNode(this, Style)!.AsObject();

    /// <summary>Reads what <see cref="ToJson"/> gave.</summary>
    /// <exception cref="InputException">It is something else.</exception>
    public static EcgCard FromJson(JsonObject json)
    {
        try
        {
            return json.Deserialize<EcgCard>(Style)!;
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            throw new InputException($"The record of the ECG data does not say what it should ({FileFault.Shorten(e.Message.TrimEnd('.'))}); take it from a model's folder as it is.", e);
        }
    }
}
