using Graft.Formats.Images;

namespace Graft.Data;

/// <summary>
/// Folders of pictures that are judged as they are: the shape is theirs, and none is resized or cut, since that would change what is
/// measured.
/// </summary>
public static class SampleFolder
{
    private const string Sheet = "grid.png";

    /// <summary>Reads a folder. The sheet <c>grid.png</c>, which <c>graft sample</c> writes beside its pictures, is not one of them.</summary>
    /// <param name="path">The folder. Where it has no pictures of its own, those of its sub-folders are meant, as <c>graft augment</c> writes them.</param>
    /// <param name="most">Read at most so many, the first in ordinal order; null for all.</param>
    /// <param name="warn">Told of files that cannot be read.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">There are none, they cannot be read, or their shapes differ.</exception>
    public static ImageFolder Open(string path, int? most = null, Action<string>? warn = null, CancellationToken cancellationToken = default)
    {
        // The one list of the folder's pictures is ImageFolder's; read at one pixel it costs a decoding.
        var own = new EnumerationOptions { IgnoreInaccessible = true };
        var options = new ImageFolderOptions { Recursive = Directory.Exists(path) && !Directory.EnumerateFiles(path, "*", own).Any(ImageFolder.IsPicture) };
        var all = ImageFolder.Open(path, new ImageShape(1, 1, 1), options, null, cancellationToken);
        var names = Enumerable.Range(0, all.Count).Select(all.Name).Where(name => name != Sheet).Take(most ?? int.MaxValue).ToArray();
        if (names.Length == 0)
            throw new InputException($"There are no pictures in '{path}' but {Sheet}, which is a sheet of several: give a folder with one file a picture.");
        var shapes = names.Select(name => (Name: name, Shape: ShapeOf(Path.Combine(path, name)))).ToArray();
        var other = shapes.FirstOrDefault(s => (s.Shape.Height, s.Shape.Width) != (shapes[0].Shape.Height, shapes[0].Shape.Width));
        if (other.Name is not null)
        {
            throw new InputException(
                $"The pictures in '{path}' differ in size: {shapes[0].Name} is {Size(shapes[0].Shape)} and {other.Name} {Size(other.Shape)}; samples are not resized, so give pictures of one size.");
        }

        var shape = new ImageShape(shapes.Max(s => s.Shape.Channels), shapes[0].Shape.Height, shapes[0].Shape.Width);
        options = options with { Only = all.Unreadable.Select(u => u.Path).Concat(names).ToHashSet(StringComparer.Ordinal) };
        return ImageFolder.Open(path, shape, options, warn, cancellationToken);
    }

    private static ImageShape ShapeOf(string file)
    {
        var info = ImageCodec.Probe(Formats.InputFile.Read(file), file);
        var turned = info.Orientation > 4; // EXIF's 5 to 8 lie on their side
        return new ImageShape(info.Channels <= 2 ? 1 : 3, turned ? info.Width : info.Height, turned ? info.Height : info.Width);
    }

    private static string Size(ImageShape shape) => $"{shape.Width} x {shape.Height}";
}
