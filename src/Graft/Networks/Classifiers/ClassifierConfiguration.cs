using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Graft.Formats;

namespace Graft.Networks;

/// <summary><c>config.json</c> of a classifier and the record of its options: keys are the properties' names in snake_case.</summary>
internal static class ClassifierConfiguration
{
    private const string ClassKey = "_class_name";
    private static readonly JsonSerializerOptions Serialiser = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    /// <summary>Reads a configuration; absent keys take the defaults, keys that begin with an underscore do not count. Values are not held against each other.</summary>
    /// <param name="json">The keys.</param>
    /// <param name="where">What is being read, for messages.</param>
    /// <param name="className">What the configuration is to be of, where it says so.</param>
    /// <exception cref="InputException">A key is unknown, a value has another type, or it is of another network.</exception>
    internal static T Read<T>(JsonObject json, string where, string className)
    {
        ArgumentNullException.ThrowIfNull(json);
        if (json[ClassKey] is { } kind && !(kind is JsonValue value && value.TryGetValue<string>(out var name) && name == className))
            throw new InputException($"The network configuration {where} is of a {FileFault.Shorten(kind.ToJsonString().Trim('"'))}; a {className} is due.");
        try
        {
            var given = new JsonObject(json.Where(p => !p.Key.StartsWith('_')).Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone())));
            return given.Deserialize<T>(Serialiser)!;
        }
        catch (JsonException e)
        {
            throw new InputException($"The network configuration {where} cannot be read: {FileFault.Shorten(e.Message.TrimEnd('.'))}.", e);
        }
    }

    /// <summary>The configuration with every key.</summary>
    internal static JsonObject Write<T>(T options, string className)
    {
        var json = JsonSerializer.SerializeToNode(options, Serialiser)!.AsObject();
        json[ClassKey] = className;
        return json;
    }
}
