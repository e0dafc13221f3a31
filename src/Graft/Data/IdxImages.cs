using Graft.Formats.Images;
using Graft.Torch;

namespace Graft.Data;

/// <summary>Grey pictures of a pair of IDX files, as MNIST and Fashion-MNIST come, held in memory.</summary>
public sealed class IdxImages : IImageSource
{
    private readonly byte[] _data;
    private readonly int[] _originals;
    private readonly byte[]? _labels;
    private readonly string _file;

    private IdxImages(string file, ImageShape shape, byte[] data, int[] originals, byte[]? labels)
    {
        _file = file;
        Shape = shape;
        _data = data;
        _originals = originals;
        _labels = labels;
    }

    /// <inheritdoc/>
    public int Count => _originals.Length;

    /// <inheritdoc/>
    public ImageShape Shape { get; }

    /// <summary>Empty: IDX files number their classes and do not name them.</summary>
    public IReadOnlyList<string> Classes => [];

    /// <inheritdoc/>
    public string Description =>
        $"{Count} pictures of {Shape} from '{_file}'"
        + (_labels is null ? string.Empty : $", classes {string.Join(", ", _labels.Distinct().Order())}");

    /// <inheritdoc/>
    public ReadOnlySpan<byte> this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            return _data.AsSpan(index * Shape.Elements, Shape.Elements);
        }
    }

    /// <summary>Reads pictures and, if given, their labels.</summary>
    /// <param name="imagesPath">IDX of rank 3, plain or gzip.</param>
    /// <param name="labelsPath">IDX of rank 1, plain or gzip; null for no labels.</param>
    /// <param name="includeClasses">Keep these classes only; null for all. Needs labels.</param>
    /// <param name="excludeClasses">Leave these classes out; null for none. Needs labels.</param>
    /// <param name="shape">What the pictures are brought to; null for 1 channel in the file's size.</param>
    /// <param name="fit">How, if the shape is another; padding is black, as the pictures' background is.</param>
    /// <exception cref="InputException">
    /// A file is missing or damaged, the numbers of pictures and labels differ, classes are asked for without labels, no picture is
    /// left, or the shape is impossible.
    /// </exception>
    public static IdxImages Open(
        string imagesPath,
        string? labelsPath = null,
        IReadOnlyCollection<int>? includeClasses = null,
        IReadOnlyCollection<int>? excludeClasses = null,
        ImageShape? shape = null,
        ImageFit fit = ImageFit.Crop)
    {
        ArgumentException.ThrowIfNullOrEmpty(imagesPath);
        var images = IdxFile.Read(imagesPath, rank: 3);
        var (count, height, width) = (images.Sizes[0], images.Sizes[1], images.Sizes[2]);
        var labels = labelsPath is null ? null : IdxFile.Read(labelsPath, rank: 1).Data;
        if (labels is not null && labels.Length != count)
        {
            throw new InputException(
                $"'{imagesPath}' holds {count} pictures and '{labelsPath}' {labels.Length} labels; give the files that belong together.");
        }

        if (labels is null && (includeClasses is not null || excludeClasses is not null))
            throw new InputException($"Classes of '{imagesPath}' can only be chosen with its file of labels; give that too.");

        var kept = Enumerable.Range(0, count)
            .Where(i => labels is null
                || ((includeClasses?.Contains(labels[i]) ?? true) && !(excludeClasses?.Contains(labels[i]) ?? false)))
            .ToArray();
        if (kept.Length == 0)
        {
            throw new InputException(
                $"No picture of '{imagesPath}' is left after choosing classes; it has {string.Join(", ", labels!.Distinct().Order())}.");
        }

        var result = shape ?? new ImageShape(1, height, width);
        result.Check();
        if ((long)kept.Length * result.Elements > Array.MaxLength)
        {
            throw new InputException(
                $"{kept.Length} pictures of {result} do not fit into one array; choose a smaller shape or fewer classes.");
        }

        var data = new byte[kept.Length * result.Elements];
        Parallel.For(0, kept.Length, TorchRuntime.Parallelism(), i =>
        {
            var source = images.Data.AsSpan(kept[i] * height * width, height * width);
            var target = data.AsSpan(i * result.Elements, result.Elements);
            if (result == new ImageShape(1, height, width))
                source.CopyTo(target);
            else
                ImageFitting.To(new Picture(width, height, 1, source.ToArray()), result, fit, Rgb.Black).ToPlanes().CopyTo(target);
        });

        return new IdxImages(imagesPath, result, data, kept, labels is null ? null : Array.ConvertAll(kept, i => labels[i]));
    }

    /// <summary>The file's name and the picture's number in the file, as <c>t10k-images-idx3-ubyte.gz#13</c>.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    public string Name(int index) => $"{Path.GetFileName(_file)}#{_originals[index]}";

    /// <summary>The picture's number in the file, before classes were chosen.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    public int OriginalIndex(int index) => _originals[index];

    /// <inheritdoc/>
    public int? Label(int index) => _labels?[index];
}
