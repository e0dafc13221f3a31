using Graft.Data;
using Graft.Formats.Images;

namespace Graft;

/// <summary>Pictures that a model drew. They are a set of pictures like any other, so every metric takes them.</summary>
public sealed class Samples : IImageSource
{
    private const int GridPixels = 640;
    private readonly IReadOnlyList<byte[]> _pictures;
    private readonly long[]? _labels;

    internal Samples(IReadOnlyList<byte[]> pictures, ImageShape shape, long[]? labels, string description)
    {
        _pictures = pictures;
        _labels = labels;
        Shape = shape;
        Description = description;
    }

    /// <inheritdoc/>
    public int Count => _pictures.Count;

    /// <inheritdoc/>
    public ImageShape Shape { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Classes { get; internal init; } = [];

    /// <summary>The condition picture that each was drawn from; null where there were none.</summary>
    public IReadOnlyList<string>? ConditionNames { get; internal init; }

    /// <inheritdoc/>
    public string Description { get; }

    /// <inheritdoc/>
    public ReadOnlySpan<byte> this[int index] => _pictures[index];

    /// <inheritdoc/>
    public string Name(int index) => FormattableString.Invariant($"{index:D5}.png");

    /// <inheritdoc/>
    public int? Label(int index) => _labels is null ? null : (int)_labels[index];

    /// <summary>
    /// Writes every picture as <c>00000.png</c>, <c>00001.png</c>, … (or <c>.jpg</c>) into a folder, which is created if need be.
    /// </summary>
    /// <param name="folder">Where.</param>
    /// <param name="format">PNG, which keeps every pixel, or JPEG.</param>
    /// <param name="quality">JPEG's quality, 1 to 100.</param>
    public void Save(string folder, ImageFormat format = ImageFormat.Png, int quality = 95)
    {
        if (format is not (ImageFormat.Png or ImageFormat.Jpeg))
            throw new ArgumentOutOfRangeException(nameof(format), format, "PNG and JPEG are written.");
        Directory.CreateDirectory(folder);
        for (var i = 0; i < Count; i++)
            Write(Path.Combine(folder, format == ImageFormat.Png ? Name(i) : Path.ChangeExtension(Name(i), ".jpg")), this.ToPicture(i), quality);
    }

    /// <summary>Writes the pictures as one sheet.</summary>
    /// <param name="path">A PNG file, or a JPEG where it ends in .jpg or .jpeg.</param>
    /// <param name="columns">Pictures in a row; 0: about as many as rows.</param>
    /// <param name="quality">JPEG's quality, 1 to 100.</param>
    public void SaveGrid(string path, int columns = 0, int quality = 95) => Write(path, this.ToGrid(columns), quality);

    private static void Write(string path, Picture picture, int quality)
    {
        if (Path.GetExtension(path).ToUpperInvariant() is ".JPG" or ".JPEG")
            ImageCodec.SaveJpeg(path, picture, quality);
        else
            ImageCodec.SavePng(path, picture);
    }

    /// <summary>Enlargement at which small pictures of a sheet can be seen: whole numbers, so that pixels stay pixels.</summary>
    internal static int GridScale(ImageShape shape, int columns) => Math.Clamp(GridPixels / Math.Max(1, columns * shape.Width), 1, 8);
}

/// <summary>Sheets of pictures.</summary>
public static class ImageSheets
{
    /// <summary>The first pictures of a set on one sheet.</summary>
    /// <param name="pictures">The set.</param>
    /// <param name="columns">Pictures in a row; 0: about as many as rows.</param>
    /// <param name="count">How many; 0: all.</param>
    public static Picture ToGrid(this IImageSource pictures, int columns = 0, int count = 0)
    {
        var n = count == 0 ? pictures.Count : Math.Min(count, pictures.Count);
        var across = columns > 0 ? columns : (int)Math.Ceiling(Math.Sqrt(n));
        return PictureGrid.Compose([.. Enumerable.Range(0, n).Select(pictures.ToPicture)], across, scale: Samples.GridScale(pictures.Shape, across));
    }
}
