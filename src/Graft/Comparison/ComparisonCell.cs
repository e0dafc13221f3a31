using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Recipes;
using Graft.Sampling;

namespace Graft.Comparison;

/// <summary>One measurement: a method on a target with a seed, at a step.</summary>
/// <param name="Target">The target's name.</param>
/// <param name="Method">The method's name.</param>
/// <param name="Seed">The seed.</param>
/// <param name="Step">The step; 0: a row that is no method and was not trained, as the source as it is.</param>
public sealed record ComparisonCell(string Target, string Method, long Seed, long Step)
{
    /// <summary>The name that the source itself has in a comparison.</summary>
    public const string SourceName = "source";

    /// <summary>Whether the source itself is measured, not what a method made of it.</summary>
    internal bool IsOfSource => Method is SourceName or EcgComparison.AskedRow;

    internal string Folder(string root) => Path.Combine(root, "cells", Target, Method, FormattableString.Invariant($"seed-{Seed}"));

    internal string File(string root) => Path.Combine(Folder(root), FormattableString.Invariant($"step-{Step:D6}.json"));

    /// <summary>The file of one of its pictures.</summary>
    /// <param name="root">The comparison's folder.</param>
    /// <param name="suffix">Which (<see cref="IComparisonKind.Pictures"/>).</param>
    internal string Picture(string root, string suffix) => $"{Path.ChangeExtension(File(root), null)}{suffix}.png";

    /// <summary>What the finished cell says; null where it is not finished.</summary>
    /// <param name="recipe">The comparison.</param>
    /// <exception cref="InputException">It was made with other settings than the recipe's: one table must not hold both.</exception>
    internal JsonObject? Read(CompareRecipe recipe)
    {
        var file = File(recipe.Out);
        if (!System.IO.File.Exists(file))
            return null;
        var json = JsonStyle.ReadObject(file);
        var sampler = Sampler.Parse(recipe.Sampler, recipe.SampleSteps);
        Require("samples", new JsonObject { ["count"] = recipe.Samples, ["sampler"] = sampler.Name, ["steps"] = sampler.Steps });
        if (Step > 0)
            Require("settings", recipe.SettingsOf(Method));
        if (ComparisonKinds.Of(recipe).DataOf(recipe, this) is { } data)
            Require("data", data);
        return json;

        void Require(string key, JsonObject due)
        {
            if (json[key] is JsonObject found && Difference(found, due, key) is { } fault)
                throw new InputException($"The cell {file} was made with {fault}: give the comparison another out, or delete the cell.");
        }
    }

    /// <summary>Where two settings differ, in words; a key that only one of them has says nothing.</summary>
    private static string? Difference(JsonObject found, JsonObject due, string where)
    {
        foreach (var (key, value) in found)
        {
            if (!due.TryGetPropertyValue(key, out var other))
                continue;
            var fault = value is JsonObject inner && other is JsonObject expected
                ? Difference(inner, expected, $"{where}.{key}")
                : JsonNode.DeepEquals(value, other) ? null : $"{FileFault.Shorten($"{where}.{key}")} {FileFault.Shorten(Text(value))} where the recipe has {FileFault.Shorten(Text(other))}";
            if (fault is not null)
                return fault;
        }

        return null;
    }

    private static string Text(JsonNode? value) => value?.ToJsonString() ?? "null";
}
