using Graft.Formats;
using Graft.Formats.Images;
using Graft.Torch;

namespace Graft.Data;

/// <summary>The pictures of a folder, any mix of PNG, JPEG and WebP and of sizes, brought to one shape and held in memory.</summary>
/// <remarks>
/// Files ending in .png, .jpg, .jpeg or .webp (in any case) are read, by content whatever their ending says; hidden files are passed over,
/// others are counted as ignored. Order is ordinal by relative path. Files that cannot be read are left out, listed in
/// <see cref="Unreadable"/> and told in one warning.
/// </remarks>
public sealed class ImageFolder : IImageSource
{
    private static readonly string[] Extensions = [".png", ".jpg", ".jpeg", ".webp"];

    private readonly byte[][] _pictures;
    private readonly string[] _names;
    private readonly int[]? _labels;
    private readonly ImageLabels? _labelFile;

    private ImageFolder(
        string path, ImageShape shape, Listing listing, ImageLabels? labels, DecodedFolder decoded, IReadOnlyList<UnreadableImage> unreadable)
    {
        Path = path;
        Shape = shape;
        Ignored = listing.Ignored;
        Classes = listing.Classes;
        Unreadable = unreadable;
        _pictures = decoded.Pictures;
        _names = Array.ConvertAll(decoded.Indices, i => listing.Files[i].Path);
        _labelFile = labels;
        _labels = listing.Classes.Count == 0 && labels is null ? null : Array.ConvertAll(decoded.Indices, i => listing.Files[i].Label);
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public int Count => _pictures.Length;

    /// <inheritdoc/>
    public ImageShape Shape { get; }

    /// <summary>
    /// The sub-folders' names, with <see cref="ImageFolderOptions.LabelsFromFolders"/>; the names of <see cref="ImageFolderOptions.Labels"/>,
    /// if it has any; empty otherwise.
    /// </summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>Files that end like pictures and could not be read.</summary>
    public IReadOnlyList<UnreadableImage> Unreadable { get; }

    /// <summary>
    /// Other files met: with other endings, beyond the wanted number, not among the wanted names, without a class. Hidden ones do
    /// not count.
    /// </summary>
    public int Ignored { get; }

    /// <inheritdoc/>
    public string Description =>
        $"{Count} picture{(Count == 1 ? string.Empty : "s")} of {Shape} from the folder '{Path}'"
        + (_labelFile is not null ? $", {Describe(_labelFile)}" : Classes.Count > 0 ? $", {Classes.Count} classes" : string.Empty)
        + (Unreadable.Count > 0 ? $", {Unreadable.Count} unreadable" : string.Empty)
        + (Ignored > 0 ? $", {Ignored} other file{(Ignored == 1 ? string.Empty : "s")} ignored" : string.Empty);

    /// <inheritdoc/>
    public ReadOnlySpan<byte> this[int index] => _pictures[index];

    /// <summary>Reads the pictures of a folder.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="shape">What every picture is brought to: 1 or 3 channels, height, width.</param>
    /// <param name="options">How; defaults if null.</param>
    /// <param name="warn">
    /// Gets at most one line about wanted names that are not there, one about files that could not be read, and one if the cache
    /// cannot be written.
    /// </param>
    /// <param name="cancellationToken">Stops reading.</param>
    /// <exception cref="InputException">
    /// The folder is missing or empty, nothing in it can be read, the shape is impossible, or pictures and labels do not belong together.
    /// </exception>
    /// <exception cref="GraftException">The native codecs have not been built.</exception>
    public static ImageFolder Open(
        string path,
        ImageShape shape,
        ImageFolderOptions? options = null,
        Action<string>? warn = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        shape.Check();
        options ??= new ImageFolderOptions();
        if (options.MaxCount < 1)
            throw new InputException($"At most {options.MaxCount} pictures are to be read from '{path}'; ask for at least one.");
        if (options.Only is { Count: 0 })
            throw new InputException($"No picture of '{path}' is wanted: the list of names is empty; name at least one.");
        if (options.LabelsFromFolders && options.Labels is not null)
            throw new InputException($"The classes of '{path}' are to come from its sub-folders and from '{options.Labels.Source}'; choose one of them.");
        var listing = List(path, options);
        if (listing.Absent is { Length: > 0 } absent)
        {
            warn?.Invoke(
                $"{absent.Length} of the {options.Only!.Count} pictures that are wanted of '{path}' are not there: {Names(absent, 3)}.");
        }

        var cache = options.CacheDirectory is { } folder ? new DecodedCache(folder, path, shape, options, listing.Files) : null;
        var decoded = cache?.TryRead();
        if (decoded is null)
        {
            decoded = Decode(path, shape, options, listing.Files, cancellationToken);
            if (decoded.Pictures.Length > 0)
                cache?.TryWrite(decoded, warn);
        }

        var unreadable = decoded.Faults.Select(fault => new UnreadableImage(listing.Files[fault.Index].Path, fault.Reason)).ToArray();
        if (decoded.Pictures.Length == 0)
        {
            throw new InputException(
                $"None of the {unreadable.Length} picture files in '{path}' can be read ({List(unreadable, 3)}); "
                + "replace them with whole PNG, JPEG or WebP files.");
        }

        if (unreadable.Length > 0)
        {
            warn?.Invoke(
                $"{unreadable.Length} of {listing.Files.Length} pictures in '{path}' are left out: {List(unreadable, int.MaxValue)}.");
        }

        return new ImageFolder(path, shape, listing, options.Labels, decoded, unreadable);
    }

    /// <inheritdoc/>
    public string Name(int index) => _names[index];

    /// <inheritdoc/>
    public int? Label(int index) => _labels?[index];

    /// <summary>Whether a file's name is that of a picture.</summary>
    internal static bool IsPicture(string file) => Extensions.Contains(System.IO.Path.GetExtension(file), StringComparer.OrdinalIgnoreCase);

    private static Listing List(string path, ImageFolderOptions options)
    {
        if (File.Exists(path))
            throw new InputException($"'{path}' is a file, not a folder of pictures; give the folder that it lies in.");
        if (!Directory.Exists(path))
            throw new InputException($"There is no folder '{path}'; check the path.");

        var recursive = options.Recursive || options.LabelsFromFolders || (options.Labels?.Files.Keys.Any(name => name.Contains('/')) ?? false);
        var search = new EnumerationOptions
        {
            RecurseSubdirectories = recursive,
            IgnoreInaccessible = true,
            MaxRecursionDepth = 32,
            AttributesToSkip = FileAttributes.Hidden | FileAttributes.System,
        };
        FileInfo[] all;
        try
        {
            all = new DirectoryInfo(path).GetFiles("*", search);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"The folder '{path}' cannot be read ({e.Message}); give one that you may read.", e);
        }

        var root = System.IO.Path.GetFullPath(path);
        var candidates = all
            .Where(file => IsPicture(file.Name))
            .Select(file => Stat(System.IO.Path.GetRelativePath(root, file.FullName).Replace('\\', '/'), file))
            .Where(file => !options.LabelsFromFolders || file.Path.Contains('/'))
            .OrderBy(file => file.Path, StringComparer.Ordinal)
            .ToArray();
        if (candidates.Length == 0)
        {
            var holders = (recursive, options.LabelsFromFolders) switch
            {
                (_, true) => "its sub-folders, one for each class, hold",
                (true, _) => "it and its sub-folders hold",
                _ => "it holds",
            };
            throw new InputException(
                $"There are no pictures in '{path}': {holders} {all.Length} files, none ending in .png, .jpg, .jpeg or .webp"
                + $"{(recursive ? string.Empty : " (sub-folders were not searched)")}; give a folder with PNG, JPEG or WebP files.");
        }

        var absent = options.Only is null
            ? []
            : options.Only.Except(candidates.Select(file => file.Path), StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray();
        var files = candidates
            .Where(file => options.Only is null || options.Only.Contains(file.Path))
            .Take(options.MaxCount ?? int.MaxValue)
            .ToArray();
        if (files.Length == 0)
        {
            throw new InputException(
                $"None of the {candidates.Length} pictures in '{path}' is among the {options.Only!.Count} wanted names "
                + $"({Names(absent, 3)}); give names relative to the folder"
                + $"{(recursive ? string.Empty : " (sub-folders were not searched)")}.");
        }

        if (options.Labels is not null)
            return new Listing(Labelled(path, files, candidates, options.Labels), options.Labels.Classes, all.Length - files.Length, absent);
        if (!options.LabelsFromFolders)
            return new Listing(files, [], all.Length - files.Length, absent);

        var classes = files.Select(FolderOf).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray();
        var labelled = Array.ConvertAll(
            files, file => file with { Label = Array.BinarySearch(classes, FolderOf(file), StringComparer.Ordinal) });
        return new Listing(labelled, classes, all.Length - files.Length, absent);
    }

    /// <summary>Gives every file its class, and sees to it that files and labels are the same set.</summary>
    private static ListedFile[] Labelled(string path, ListedFile[] files, ListedFile[] candidates, ImageLabels labels)
    {
        var there = candidates.Select(file => file.Path).ToHashSet(StringComparer.Ordinal);
        foreach (var (name, label) in labels.Files.OrderBy(entry => entry.Value.Line))
        {
            if (there.Contains(name))
                continue;
            throw new InputException(
                $"Line {label.Line} of the labels '{labels.Source}' names '{name}', "
                + (File.Exists(System.IO.Path.Combine(path, name))
                    ? "which does not end as pictures do (.png, .jpg, .jpeg or .webp); take the line out."
                    : $"and there is no such file in '{path}'; correct the name, or take the line out."));
        }

        return Array.ConvertAll(files, file => labels.Files.TryGetValue(file.Path, out var label)
            ? file with { Label = label.Class }
            : throw new InputException(
                $"The picture '{file.Path}' of '{path}' has no label: '{labels.Source}' does not name it; add a line for it, or take it out of the folder."));
    }

    private static string Describe(ImageLabels labels)
    {
        const int Most = 20;
        if (labels.Classes.Count == 0)
            return $"classes up to {labels.Files.Values.Max(label => label.Class)} from '{labels.Source}'";
        var names = labels.Classes.Take(Most).Select((name, i) => $"{i} {name}");
        return $"{labels.Classes.Count} class{(labels.Classes.Count == 1 ? string.Empty : "es")} from '{labels.Source}' ({string.Join(", ", names)}{(labels.Classes.Count > Most ? ", …" : string.Empty)})";
    }

    /// <summary>Size and time of what a link points to; a dangling one is listed, and found unreadable later.</summary>
    private static ListedFile Stat(string relative, FileInfo file)
    {
        try
        {
            var real = file.LinkTarget is null ? file : file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? file;
            return new ListedFile(relative, real.Length, real.LastWriteTimeUtc.Ticks, 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new ListedFile(relative, 0, 0, 0);
        }
    }

    private static string FolderOf(ListedFile file) => file.Path[..file.Path.IndexOf('/')];

    private static DecodedFolder Decode(
        string path, ImageShape shape, ImageFolderOptions options, ListedFile[] files, CancellationToken cancellationToken)
    {
        // Inside the loop this would come out wrapped.
        NativeCodecs.ThrowIfMissing();
        var pictures = new byte[]?[files.Length];
        var reasons = new string?[files.Length];
        var parallel = TorchRuntime.Parallelism(cancellationToken);
        Parallel.For(0, files.Length, parallel, i =>
        {
            try
            {
                var data = InputFile.Read(System.IO.Path.Combine(path, files[i].Path));
                reasons[i] = ImageCodec.TryDecode(data, out var picture, out var info);
                if (picture is null)
                    return;
                var upright = options.ApplyOrientation ? picture.Upright(info.Orientation) : picture;
                pictures[i] = ImageFitting.To(upright, shape, options.Fit, options.Background).ToPlanes();
            }
            catch (InputException e)
            {
                reasons[i] = e.Message.TrimEnd('.');
            }
        });

        var read = Enumerable.Range(0, files.Length).Where(i => pictures[i] is not null).ToArray();
        var faults = Enumerable.Range(0, files.Length).Where(i => pictures[i] is null).Select(i => (i, reasons[i]!)).ToArray();
        return new DecodedFolder(read, Array.ConvertAll(read, i => pictures[i]!), faults);
    }

    private static string List(UnreadableImage[] unreadable, int most) =>
        string.Join("; ", unreadable.Take(most).Select(u => $"{u.Path}: {u.Reason}"))
        + (unreadable.Length > most ? $"; and {unreadable.Length - most} more" : string.Empty);

    private static string Names(string[] names, int most) =>
        string.Join(", ", names.Take(most)) + (names.Length > most ? $" and {names.Length - most} more" : string.Empty);

    private sealed record Listing(ListedFile[] Files, IReadOnlyList<string> Classes, int Ignored, string[] Absent);
}

/// <summary>A candidate: relative path with forward slashes, bytes, time of the last change (ticks, UTC), class.</summary>
internal readonly record struct ListedFile(string Path, long Length, long Changed, int Label);

/// <summary>Which of the candidates could be read (ascending), their planes, and which could not.</summary>
internal sealed record DecodedFolder(int[] Indices, byte[][] Pictures, (int Index, string Reason)[] Faults);
