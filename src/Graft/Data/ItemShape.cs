namespace Graft.Data;

/// <summary>The shape of one item as a network sees it, without the batch: [C, H, W] of pictures, [D] of points, [leads, samples] of recordings.</summary>
public sealed class ItemShape : IEquatable<ItemShape>
{
    private readonly long[] _sizes;

    /// <summary>Makes a shape.</summary>
    /// <param name="sizes">At least one, each at least 1; their product fits an int.</param>
    public ItemShape(params ReadOnlySpan<long> sizes)
    {
        ArgumentOutOfRangeException.ThrowIfZero(sizes.Length, nameof(sizes));
        var product = 1L;
        foreach (var size in sizes)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(size, 1, nameof(sizes));
            product = checked(product * size);
        }

        Elements = checked((int)product);
        _sizes = sizes.ToArray();
    }

    /// <summary>The sizes, the slowest first.</summary>
    public ReadOnlySpan<long> Sizes => _sizes;

    /// <summary>Number of dimensions.</summary>
    public int Rank => _sizes.Length;

    /// <summary>How many numbers one item has.</summary>
    public int Elements { get; }

    /// <summary>A picture's shape as an item's.</summary>
    public static implicit operator ItemShape(ImageShape shape) => new(shape.Channels, shape.Height, shape.Width);

    /// <summary>Whether the sizes are the same.</summary>
    public static bool operator ==(ItemShape? a, ItemShape? b) => a is null ? b is null : a.Equals(b);

    /// <summary>Whether a size differs.</summary>
    public static bool operator !=(ItemShape? a, ItemShape? b) => !(a == b);

    /// <inheritdoc/>
    public bool Equals(ItemShape? other) => other is not null && _sizes.AsSpan().SequenceEqual(other._sizes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as ItemShape);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var size in _sizes)
            hash.Add(size);
        return hash.ToHashCode();
    }

    /// <summary>As <c>3 x 64 x 64</c>; of points, <c>2 numbers</c>.</summary>
    public override string ToString() => Rank == 1 ? $"{_sizes[0]} number{(_sizes[0] == 1 ? "" : "s")}" : string.Join(" x ", _sizes);
}
