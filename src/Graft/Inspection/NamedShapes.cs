using System.Diagnostics.CodeAnalysis;

namespace Graft.Inspection;

/// <summary>Shapes by name, and the questions that telling networks apart asks of them.</summary>
internal sealed class NamedShapes
{
    private readonly Dictionary<string, IReadOnlyList<long>> _shapes;

    internal NamedShapes(IEnumerable<InspectedTensor> tensors)
        : this(tensors.ToDictionary(t => t.Name, t => t.Shape, StringComparer.Ordinal))
    {
    }

    private NamedShapes(Dictionary<string, IReadOnlyList<long>> shapes) => _shapes = shapes;

    internal IReadOnlyCollection<string> Names => _shapes.Keys;

    internal bool Has(string name) => _shapes.ContainsKey(name);

    internal bool HasAny(string part) => _shapes.Keys.Any(n => n.Contains(part, StringComparison.Ordinal));

    internal bool TryShape(string name, [NotNullWhen(true)] out IReadOnlyList<long>? shape) => _shapes.TryGetValue(name, out shape);

    /// <summary>A size of a tensor's shape, or null where there is no such tensor or dimension.</summary>
    internal long? Size(string name, int dimension) =>
        _shapes.TryGetValue(name, out var shape) && dimension < shape.Count ? shape[dimension] : null;

    /// <summary>How many numbers in a row, from 0, stand after <paramref name="start"/>.</summary>
    internal int CountFrom(string start)
    {
        var numbers = _shapes.Keys
            .Where(n => n.StartsWith(start, StringComparison.Ordinal))
            .Select(n => n[start.Length..].Split('.')[0])
            .ToHashSet(StringComparer.Ordinal);
        var count = 0;
        while (numbers.Contains(count.ToString()))
            count++;
        return count;
    }

    /// <summary>The shortest prefix (<c>module.</c>, <c>ema.unet.</c>, or none) under which all names are, or null.</summary>
    internal string? PrefixOf(params ReadOnlySpan<string> names)
    {
        string? shortest = null;
        foreach (var name in _shapes.Keys)
        {
            if (!name.EndsWith(names[0], StringComparison.Ordinal))
                continue;
            var prefix = name[..^names[0].Length];
            if (prefix.Length > 0 && prefix[^1] is not ('.' or '/'))
                continue;
            var all = true;
            foreach (var other in names)
                all &= Has(prefix + other);
            if (all && (shortest is null || prefix.Length < shortest.Length))
                shortest = prefix;
        }

        return shortest;
    }

    /// <summary>The tensors under a prefix, without it.</summary>
    internal NamedShapes Under(string prefix) => new(_shapes
        .Where(p => p.Key.StartsWith(prefix, StringComparison.Ordinal))
        .ToDictionary(p => p.Key[prefix.Length..], p => p.Value, StringComparer.Ordinal));

    /// <summary>Prefixes with counts: as many parts of the name as still give a short list.</summary>
    internal static IReadOnlyList<NamePrefix> Summary(IReadOnlyList<InspectedTensor> tensors)
    {
        const int Longest = 24;
        var best = Grouped(1);
        for (var parts = 2; parts <= 4 && best.Count < Longest / 3; parts++)
        {
            var finer = Grouped(parts);
            if (finer.Count > Longest)
                break;
            best = finer;
        }

        return best;

        List<NamePrefix> Grouped(int parts) =>
        [
            .. tensors.GroupBy(t => string.Join('.', t.Name.Split('.') is var all && all.Length > parts ? all[..parts] : all[..^1].Length > 0 ? all[..^1] : all), StringComparer.Ordinal)
                .Select(g => new NamePrefix(g.Key, g.Count(), g.Sum(t => t.Count))),
        ];
    }
}
