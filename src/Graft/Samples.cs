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
    public IReadOnlyList<string> Classes => [];

    /// <inheritdoc/>
    public string Description { get; }

    /// <inheritdoc/>
    public ReadOnlySpan<byte> this[int index] => _pictures[index];

    /// <inheritdoc/>
    public string Name(int index) => FormattableString.Invariant($"{index:D5}.png");

    /// <inheritdoc/>
    public int? Label(int index) => _labels is null ? null : (int)_labels[index];

    /// <summary>Writes every picture as <c>00000.png</c>, <c>00001.png</c>, … into a folder, which is created if need be.</summary>
    public void Save(string folder)
    {
        Directory.CreateDirectory(folder);
        for (var i = 0; i < Count; i++)
            ImageCodec.SavePng(Path.Combine(folder, Name(i)), this.ToPicture(i));
    }

    /// <summary>Writes the pictures as one sheet.</summary>
    /// <param name="path">A PNG file.</param>
    /// <param name="columns">Pictures in a row; 0: about as many as rows.</param>
    public void SaveGrid(string path, int columns = 0) => ImageCodec.SavePng(path, this.ToGrid(columns));

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
