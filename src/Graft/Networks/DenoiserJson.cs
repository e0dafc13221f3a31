using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Graft.Formats;

namespace Graft.Networks;

/// <summary>Options of the networks whose <c>config.json</c> has the records' own names, in snake_case.</summary>
internal static class DenoiserJson
{
    private static readonly JsonSerializerOptions Serialiser = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
    };

    /// <summary>The configuration, over the keys that were read (which are kept).</summary>
    internal static JsonObject Write<T>(T options, JsonObject? read)
        where T : DenoiserOptions
    {
        var json = (JsonObject?)read?.DeepClone() ?? [];
        foreach (var (key, value) in JsonSerializer.SerializeToNode(options, Serialiser)!.AsObject())
            json[key] = value?.DeepClone();
        json["_class_name"] = options.ClassName;
        return json;
    }

    /// <summary>Reads a configuration; absent keys take the defaults. Nothing is checked but names and types.</summary>
    /// <param name="json">The keys; those that begin with _ mean nothing.</param>
    /// <param name="where">Where they are from, for messages.</param>
    /// <exception cref="InputException">A key is unknown, or a value is of another type.</exception>
    internal static T Read<T>(JsonObject json, string where)
        where T : DenoiserOptions
    {
        ArgumentNullException.ThrowIfNull(json);
        try
        {
            var keys = new JsonObject(json.Where(p => !p.Key.StartsWith('_')).Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone())));
            return keys.Deserialize<T>(Serialiser)!;
        }
        catch (JsonException e)
        {
            throw new InputException($"The network configuration {where} cannot be read: {FileFault.Shorten(e.Message.TrimEnd('.'), 240)}.", e);
        }
    }

    /// <summary>Refuses a value that a network cannot be built of.</summary>
    /// <param name="condition">What must hold.</param>
    /// <param name="where">Where the configuration is from.</param>
    /// <param name="message">What is asked for, as "blocks must lie between 1 and 64".</param>
    /// <exception cref="InputException">It does not hold.</exception>
    internal static void Require(bool condition, string where, string message)
    {
        if (!condition)
            throw new InputException($"The network configuration {where} cannot be used: {message}.");
    }
}
