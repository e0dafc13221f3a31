namespace Graft.Data;

/// <summary>The mirror images of a set, left and right exchanged: what a training with flips sees beside the pictures themselves.</summary>
public sealed class MirroredImages : IImageSource
{
    private readonly IImageSource _images;
    private readonly byte[][] _pictures;

    /// <summary>Mirrors every picture of a set (copies).</summary>
    public MirroredImages(IImageSource images)
    {
        ArgumentNullException.ThrowIfNull(images);
        _images = images;
        _pictures = new byte[images.Count][];
        for (var i = 0; i < images.Count; i++)
        {
            _pictures[i] = images[i].ToArray();
            Mirror(_pictures[i], images.Shape.Width);
        }
    }

    /// <inheritdoc/>
    public int Count => _pictures.Length;

    /// <inheritdoc/>
    public ImageShape Shape => _images.Shape;

    /// <inheritdoc/>
    public IReadOnlyList<string> Classes => _images.Classes;

    /// <inheritdoc/>
    public string Description => $"{_images.Description}, mirrored";

    /// <inheritdoc/>
    public ReadOnlySpan<byte> this[int index] => _pictures[index];

    /// <inheritdoc/>
    public string Name(int index) => $"{_images.Name(index)} (mirrored)";

    /// <inheritdoc/>
    public int? Label(int index) => _images.Label(index);

    /// <summary>Exchanges left and right in place.</summary>
    /// <param name="planes">A picture in planes (CHW).</param>
    /// <param name="width">Pixels in a row.</param>
    internal static void Mirror<T>(Span<T> planes, int width)
    {
        for (var row = 0; row < planes.Length; row += width)
            planes.Slice(row, width).Reverse();
    }
}
