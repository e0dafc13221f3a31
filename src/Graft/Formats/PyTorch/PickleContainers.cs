using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Graft.Formats;

/// <summary>A Python dictionary of a checkpoint, in its order. Keys that are numbers, booleans or None are given as text.</summary>
public sealed class PickleDictionary : IReadOnlyDictionary<string, object?>
{
    private readonly OrderedDictionary<string, object?> _items = new(StringComparer.Ordinal);

    internal PickleDictionary()
    {
    }

    /// <inheritdoc/>
    public int Count => _items.Count;

    /// <inheritdoc/>
    public IEnumerable<string> Keys => _items.Keys;

    /// <inheritdoc/>
    public IEnumerable<object?> Values => _items.Values;

    /// <inheritdoc/>
    public object? this[string key] => _items[key];

    /// <inheritdoc/>
    public bool ContainsKey(string key) => _items.ContainsKey(key);

    /// <inheritdoc/>
    public bool TryGetValue(string key, [MaybeNullWhen(false)] out object? value) => _items.TryGetValue(key, out value);

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator() => _items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal bool TryAdd(string key, object? value) => _items.TryAdd(key, value);
}

/// <summary>A Python list or tuple of a checkpoint.</summary>
public sealed class PickleList : IReadOnlyList<object?>
{
    private readonly List<object?> _items;

    internal PickleList(bool isTuple, List<object?> items)
    {
        IsTuple = isTuple;
        _items = items;
    }

    /// <summary>Whether it is a tuple, which includes <c>torch.Size</c>.</summary>
    public bool IsTuple { get; }

    /// <inheritdoc/>
    public int Count => _items.Count;

    /// <inheritdoc/>
    public object? this[int index] => _items[index];

    /// <inheritdoc/>
    public IEnumerator<object?> GetEnumerator() => _items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal void AddRange(IEnumerable<object?> items) => _items.AddRange(items);
}
