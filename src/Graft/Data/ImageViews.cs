using Graft.Formats.Images;

namespace Graft.Data;

/// <summary>Some pictures of a set, in an order of choice; nothing is copied.</summary>
public sealed class ImageSubset : IImageSource
{
    private readonly IImageSource _source;
    private readonly int[] _indices;

    /// <summary>Chooses pictures.</summary>
    /// <param name="source">Where from.</param>
    /// <param name="indices">Which, at least one.</param>
    /// <exception cref="ArgumentException">There is none, or one that the source has not.</exception>
    public ImageSubset(IImageSource source, IEnumerable<int> indices)
    {
        ArgumentNullException.ThrowIfNull(source);
        _source = source;
        _indices = [.. indices];
        if (_indices.Length == 0 || _indices.Any(i => i < 0 || i >= source.Count))
            throw new ArgumentException($"a subset takes at least one picture, and of this source 0 to {source.Count - 1}", nameof(indices));
    }

    /// <inheritdoc/>
    public int Count => _indices.Length;

    /// <inheritdoc/>
    public ImageShape Shape => _source.Shape;

    /// <inheritdoc/>
    public IReadOnlyList<string> Classes => _source.Classes;

    /// <inheritdoc/>
    public string Description => $"{Count} of {_source.Description}";

    /// <inheritdoc/>
    public ReadOnlySpan<byte> this[int index] => _source[_indices[index]];

    /// <inheritdoc/>
    public string Name(int index) => _source.Name(_indices[index]);

    /// <inheritdoc/>
    public int? Label(int index) => _source.Label(_indices[index]);
}

/// <summary>The pictures of a set in another size, by Pillow's antialiased resize to bytes. Each is resized anew when it is asked for.</summary>
/// <param name="source">Where from.</param>
/// <param name="height">Pixels, at least 1.</param>
/// <param name="width">Pixels, at least 1.</param>
/// <param name="filter">How pixels are weighted.</param>
public sealed class ResizedImages(IImageSource source, int height, int width, ResizeFilter filter) : IImageSource
{
    /// <inheritdoc/>
    public int Count => source.Count;

    /// <inheritdoc/>
    public ImageShape Shape { get; } = new(source.Shape.Channels, height, width);

    /// <inheritdoc/>
    public IReadOnlyList<string> Classes => source.Classes;

    /// <inheritdoc/>
    public string Description => $"{source.Description}, resized to {height} x {width} by Pillow's {(filter.ToString().ToLowerInvariant())}";

    /// <inheritdoc/>
    public ReadOnlySpan<byte> this[int index] =>
        source.Shape == Shape ? source[index] : Resize.To(source.ToPicture(index), width, height, filter).ToPlanes();

    /// <inheritdoc/>
    public string Name(int index) => source.Name(index);

    /// <inheritdoc/>
    public int? Label(int index) => source.Label(index);
}
