using Graft.Formats.Images;

namespace Graft.Data;

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
