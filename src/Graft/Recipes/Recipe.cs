using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Graft.Formats;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Graft.Recipes;

/// <summary>
/// Recipes: YAML files whose keys are option names in snake_case. Values can be overridden by <c>key.inner=value</c>; unknown keys are
/// errors, so that a typing mistake never passes silently.
/// </summary>
public static class Recipe
{
    private const int MaximalDepth = 50;
    private const int MaximalParts = 10; // with a value of the deepest nesting still less than the 64 levels that JSON may have
    private const int MaximalValues = 100_000;
    private static readonly JsonSerializerOptions Strict = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
        WriteIndented = true,
        Encoder = JsonStyle.Indented.Encoder,
    };

    /// <summary>Reads a YAML file.</summary>
    /// <exception cref="InputException">It is missing, or no YAML mapping.</exception>
    public static JsonObject Read(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"The recipe {path} cannot be read: {e.Message}", e);
        }

        return Parse(text, path);
    }

    /// <summary>Parses YAML text.</summary>
    /// <exception cref="InputException">It is no YAML mapping.</exception>
    public static JsonObject Parse(string text, string where)
    {
        try
        {
            CheckDepth(text, where);
            var yaml = new YamlStream();
            using var reader = new StringReader(text);
            yaml.Load(reader);
            var budget = MaximalValues;
            return yaml.Documents.Count == 1 && Convert(yaml.Documents[0].RootNode, where, 0, ref budget) is JsonObject json
                ? json
                : throw new InputException($"The recipe {where} must hold one mapping of keys to values.");
        }
        catch (YamlException e)
        {
            throw new InputException($"The recipe {where} is no YAML: line {e.Start.Line}: {FileFault.Shorten((e.InnerException?.Message ?? e.Message).TrimEnd('.'))}.", e);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or FormatException)
        {
            // The parser throws these too where the text is broken.
            throw new InputException($"The recipe {where} is no YAML: {FileFault.Shorten(e.Message.TrimEnd('.'))}.", e);
        }
    }

    /// <summary>Sets one value: <c>training.steps=500</c>. The value is read as YAML, so lists and mappings work too.</summary>
    /// <exception cref="InputException">It is no assignment, or a part of the key is no mapping.</exception>
    public static void Set(JsonObject recipe, string assignment)
    {
        var equals = assignment.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0)
            throw new InputException($"{FileFault.Quote(assignment)} is no assignment: give key=value, as training.steps=500.");
        var keys = assignment[..equals].Split('.');
        if (keys.Length > MaximalParts)
            throw new InputException($"{FileFault.Quote(assignment)} is no assignment: its key has {keys.Length} parts, of at most {MaximalParts}.");
        var text = assignment[(equals + 1)..];
        // YAML would take #ffffff for a comment, and the value for null.
        var value = text.StartsWith('#') ? JsonValue.Create(text) : Parse($"value: {text}", assignment)["value"]?.DeepClone();
        var place = recipe;
        foreach (var key in keys[..^1])
        {
            if (place[key] is null)
                place[key] = new JsonObject();
            place = place[key] as JsonObject ?? throw new InputException($"{FileFault.Quote(assignment)} cannot be set: {FileFault.Shorten(key)} is a single value.");
        }

        place[keys[^1]] = value;
    }

    /// <summary>Takes <c>sizes</c> out of a recipe and applies the overrides of one of them.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="size">The size; null takes the recipe as it stands.</param>
    /// <exception cref="InputException">There is none of this name.</exception>
    public static void ApplySize(JsonObject recipe, string? size)
    {
        var sizes = recipe["sizes"];
        recipe.Remove("sizes");
        if (size is null)
            return;
        if (sizes is not JsonObject { Count: > 0 } named)
            throw new InputException($"The recipe has no sizes, and so none called '{size}'.");
        if (named[size] is not JsonObject chosen)
            throw new InputException($"The recipe has no size '{size}': {FileFault.Shorten(string.Join(", ", named.Select(s => s.Key)))} are there.");
        foreach (var (key, value) in chosen)
            Set(recipe, $"{key}={value?.ToJsonString() ?? "null"}");
    }

    /// <summary>Makes options of a mapping.</summary>
    /// <exception cref="InputException">A key is unknown, or a value has another type.</exception>
    public static T Bind<T>(JsonObject? json, string where)
    {
        try
        {
            return (json ?? []).Deserialize<T>(Strict)!;
        }
        catch (JsonException e)
        {
            var at = e.Path is null or "$" ? where : $"{where}{FileFault.Shorten(e.Path[1..])}";
            var reason = e.Message.Split(" Path:")[0].Split(". ")[0].TrimEnd('.');
            throw new InputException($"The value of {at} cannot be used: {FileFault.Shorten(reason)}.", e);
        }
        catch (NotSupportedException e)
        {
            // A list entry that may be one of several types, without the key that says which.
            var at = e.Message.Split(" Path: $") is [_, var path, ..] ? path.Split(" |")[0] : "";
            throw new InputException($"The value of {where}{FileFault.Shorten(at)} does not say which it is: begin it with the key that does (of a step of ECGs' preparation 'step', as in recipes/ptb-xl-classifier.yaml).", e);
        }
    }

    /// <summary>Options as a recipe would write them.</summary>
    public static JsonObject Describe<T>(T options) => JsonSerializer.SerializeToNode(options, options!.GetType(), Strict)!.AsObject();

    /// <summary>The parser's tree is built recursively: what is nested too deep must be refused before.</summary>
    private static void CheckDepth(string text, string where)
    {
        using var reader = new StringReader(text);
        var parser = new Parser(reader);
        for (var depth = 0; parser.MoveNext();)
        {
            depth += parser.Current!.NestingIncrease;
            if (depth > MaximalDepth)
                throw new InputException($"The recipe {where} is nested deeper than {MaximalDepth} levels.");
        }
    }

    private static JsonNode? Convert(YamlNode node, string where, int depth, ref int budget)
    {
        // An alias repeats what it names, so that a few lines can stand for billions of values, or for an endless one.
        if (depth > MaximalDepth || --budget < 0)
            throw new InputException($"The recipe {where} is nested deeper than {MaximalDepth} levels, or holds more than {MaximalValues} values.");
        switch (node)
        {
            case YamlMappingNode mapping:
                var result = new JsonObject();
                foreach (var (key, value) in mapping.Children)
                {
                    var name = (key as YamlScalarNode)?.Value ?? throw new InputException($"The recipe {where} has a key that is no word, in line {key.Start.Line}.");
                    result[name] = Convert(value, where, depth + 1, ref budget);
                }

                return result;
            case YamlSequenceNode sequence:
                var list = new JsonArray();
                foreach (var item in sequence)
                    list.Add(Convert(item, where, depth + 1, ref budget));
                return list;
            case YamlScalarNode scalar:
                return Scalar(scalar);
            default:
                throw new InputException($"The recipe {where} uses YAML that is not supported, in line {node.Start.Line}.");
        }
    }

    private static JsonValue? Scalar(YamlScalarNode scalar)
    {
        var text = scalar.Value ?? "";
        if (scalar.Style is not (ScalarStyle.Plain or ScalarStyle.Any))
            return JsonValue.Create(text);
        return text switch
        {
            "" or "~" or "null" => null,
            "true" => JsonValue.Create(true),
            "false" => JsonValue.Create(false),
            _ when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var integer) => JsonValue.Create(integer),
            _ when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) => JsonValue.Create(number),
            _ => JsonValue.Create(text),
        };
    }
}
