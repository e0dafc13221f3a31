using Graft.Data;
using Graft.Formats;
using Graft.Formats.Images;

namespace Graft.Recipes;

/// <summary>
/// Where data come from, as recipes say it: pictures from a folder or a pair of IDX files; points from a file or a mixture; ECGs. Relative
/// paths start at the current folder.
/// </summary>
public sealed record DataOptions
{
    /// <summary>A folder of PNG, JPEG and WebP files.</summary>
    public string? Folder { get; init; }

    /// <summary>
    /// A text file that names the pictures of the folder that are read, one relative path a line; blank lines and lines that begin
    /// with # do not count. None: all are read.
    /// </summary>
    public string? List { get; init; }

    /// <summary>Whether sub-folders are read.</summary>
    public bool Recursive { get; init; }

    /// <summary>Whether the first sub-folder names a picture's class.</summary>
    public bool LabelsFromFolders { get; init; }

    /// <summary>
    /// A CSV file with the class of each picture of the folder, as a whole number from 0 or as a name (names are numbered by their ordinal
    /// order); every picture must have one, and every one its picture.
    /// </summary>
    public string? LabelsCsv { get; init; }

    /// <summary>Whether only those pictures of the folder are read that <see cref="LabelsCsv"/> names, so that it is a <see cref="List"/> too.</summary>
    public bool OnlyLabelled { get; init; }

    /// <summary>What the CSV file's header calls the column of file names.</summary>
    public string LabelsFileColumn { get; init; } = "file_name";

    /// <summary>What the CSV file's header calls the column of classes.</summary>
    public string LabelsColumn { get; init; } = "label";

    /// <summary>How pictures of another shape are brought to the model's.</summary>
    public ImageFit Fit { get; init; } = ImageFit.Crop;

    /// <summary>What transparent pictures are laid over: <c>#rrggbb</c>.</summary>
    public string Background { get; init; } = "#ffffff";

    /// <summary>At most so many pictures, the first ones; 0: all.</summary>
    public int MaxCount { get; init; }

    /// <summary>So many pictures, the first ones, are left out; they do not count in <see cref="MaxCount"/>.</summary>
    public int Skip { get; init; }

    /// <summary>So many pictures of each class, the first ones of a permutation by <see cref="PerClassSeed"/> of those that the other options leave; 0: all.</summary>
    public int PerClass { get; init; }

    /// <summary>Seed of the permutation that <see cref="PerClass"/> takes the first pictures of.</summary>
    public long PerClassSeed { get; init; }

    /// <summary>A folder that keeps the decoded pictures for the next time; none: they are decoded each time.</summary>
    public string? CacheDirectory { get; init; }

    /// <summary>An IDX file of pictures (plain or gzip), in place of a folder.</summary>
    public string? Images { get; init; }

    /// <summary>The IDX file of its labels.</summary>
    public string? Labels { get; init; }

    /// <summary>Classes of an IDX set that are read; none: all.</summary>
    public IReadOnlyList<int>? IncludeClasses { get; init; }

    /// <summary>Classes of an IDX set that are left out.</summary>
    public IReadOnlyList<int>? ExcludeClasses { get; init; }

    /// <summary>A file of points (or other items) in place of pictures: CSV or safetensors (<see cref="SampleFile"/>).</summary>
    public string? Points { get; init; }

    /// <summary>A Gaussian mixture that points are drawn from, in place of pictures.</summary>
    public MixtureOptions? Mixture { get; init; }

    /// <summary>ECGs, in place of pictures.</summary>
    public EcgDataOptions? Ecg { get; init; }

    /// <summary>Whether they are points, not pictures.</summary>
    internal bool IsPoints => Points is not null || Mixture is not null;

    /// <summary>Reads what a model can be trained on, or held against.</summary>
    /// <param name="model">Says whether pictures are due, and of which shape.</param>
    /// <param name="warn">Told of files that cannot be read.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">There are none, they are of another shape, or the options contradict each other.</exception>
    public ISampleSource OpenFor(DiffusionModel model, Action<string>? warn = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.MakesPictures)
            return Open(model.Shape, warn, cancellationToken);
        var items = OpenItems() ?? throw new InputException($"The model {model.Origin} makes items of {model.ItemShape}, and the data are pictures: give points (a CSV or safetensors file), a mixture or ecg.");
        return items.ItemShape == model.ItemShape
            ? items
            : throw new InputException($"The model {model.Origin} makes items of {model.ItemShape}, and {items.Description} holds items of {items.ItemShape}: they must be the same.");
    }

    /// <summary>Reads the items where they are no pictures; null where they are.</summary>
    /// <exception cref="InputException">They cannot be read, or the options contradict each other.</exception>
    public ISampleSource? OpenItems()
    {
        if (!IsPoints && Ecg is null)
            return null;
        if (new object?[] { Points, Mixture, Ecg, Folder, Images }.Count(given => given is not null) > 1)
            throw new InputException("The data must be given as one of folder, images, points, mixture and ecg.");
        return Ecg is not null ? Ecg.Open() : Points is null ? Mixture!.Draw() : SampleFile.Read(Points);
    }

    /// <summary>Reads the pictures.</summary>
    /// <param name="shape">The shape they are brought to.</param>
    /// <param name="warn">Told of files that cannot be read.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">There are none, or the options contradict each other.</exception>
    public IImageSource Open(ImageShape shape, Action<string>? warn = null, CancellationToken cancellationToken = default)
    {
        if (IsPoints || Ecg is not null)
            throw new InputException($"The data are {(Ecg is null ? "points" : "ECGs")}, where pictures are due: give a folder (of pictures) or images (an IDX file).");
        if (Skip < 0)
            throw new InputException($"The option skip is {Skip}: give 0 or more.");
        if (MaxCount < 0)
            throw new InputException($"The option max_count is {MaxCount}: give 0 (all) or more.");
        if (PerClass < 0)
            throw new InputException($"The option per_class is {PerClass}: give 0 (all) or more.");
        var images = OpenAll(shape, warn, cancellationToken);
        if (Skip >= images.Count)
            throw new InputException($"Nothing is left of {images.Description} when the first {Skip} are skipped: skip fewer.");
        var count = MaxCount == 0 ? images.Count - Skip : Math.Min(MaxCount, images.Count - Skip);
        IImageSource left = count == images.Count ? images : new ImageSubset(images, [.. Enumerable.Range(Skip, count)]);
        return PerClass == 0 ? left : FewPerClass.Of(left, PerClass, PerClassSeed).Chosen;
    }

    /// <summary>Says of a recipe's files that are not there where to look for them.</summary>
    /// <param name="recipe">The recipe's name.</param>
    /// <param name="key">What it calls them.</param>
    /// <exception cref="InputException">The folder or the file is missing.</exception>
    internal void Require(string recipe, string key)
    {
        var (path, part) = Ecg is not null ? (Ecg.Folder, "ecg.folder") : Folder is null ? (Images, "images") : (Folder, "folder");
        if (path is not null && !Path.Exists(path))
            throw new InputException($"The recipe {FileFault.Shorten(recipe)} takes its {(Ecg is null ? "pictures" : "ECGs")} from {FileFault.Quote(path)}, which is not there: its about, which --dry-run prints, says where they come from; another place can be named with --set {key}.{part}=PLACE.");
    }

    private IImageSource OpenAll(ImageShape shape, Action<string>? warn, CancellationToken cancellationToken)
    {
        if (Folder is not null == Images is not null)
            throw new InputException("The data must be given either as folder (of pictures) or as images (an IDX file).");
        if (OnlyLabelled && (LabelsCsv is null || List is not null))
            throw new InputException("only_labelled takes labels_csv for the list of pictures: give labels_csv, and no list.");
        if (Images is not null)
        {
            if (List is not null)
                throw new InputException("A list names pictures of a folder; IDX files have no names: leave list out, or give a folder.");
            if (LabelsCsv is not null)
                throw new InputException("labels_csv names pictures of a folder; IDX files have no names: give their labels as labels, an IDX file.");
            return IdxImages.Open(
                Images, Labels,
                includeClasses: IncludeClasses is null ? null : [.. IncludeClasses],
                excludeClasses: ExcludeClasses is null ? null : [.. ExcludeClasses],
                shape: shape, fit: Fit);
        }

        var labels = LabelsCsv is null ? null : ReadLabels(LabelsCsv);
        var options = new ImageFolderOptions
        {
            Recursive = Recursive || LabelsFromFolders,
            LabelsFromFolders = LabelsFromFolders,
            Labels = labels,
            Fit = Fit,
            Background = ParseColour(Background),
            MaxCount = MaxCount == 0 ? null : MaxCount + Skip,
            Only = OnlyLabelled ? labels!.Files.Keys.ToHashSet(StringComparer.Ordinal) : List is null ? null : ReadList(List),
            CacheDirectory = CacheDirectory,
        };
        return ImageFolder.Open(Folder!, shape, options, warn, cancellationToken);
    }

    private ImageLabels ReadLabels(string path)
    {
        if (LabelsFileColumn.Length == 0 || LabelsColumn.Length == 0)
            throw new InputException("labels_file_column and labels_column must name columns of the CSV file of labels.");
        return LabelTable.Read(path, LabelsFileColumn, LabelsColumn).ToClasses(LabelsColumn);
    }

    private static HashSet<string> ReadList(string path)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"The list of pictures {path} cannot be read: {e.Message}", e);
        }

        var names = lines.Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#').ToHashSet(StringComparer.Ordinal);
        return names.Count > 0 ? names : throw new InputException($"The list {path} names no picture; write one relative path a line.");
    }

    private static Rgb ParseColour(string text) =>
        text.Length == 7 && text[0] == '#' && int.TryParse(text.AsSpan(1), System.Globalization.NumberStyles.HexNumber, null, out var rgb)
            ? new Rgb((byte)(rgb >> 16), (byte)(rgb >> 8), (byte)rgb)
            : throw new InputException($"The background '{text}' is no colour: give #rrggbb, as #ffffff for white.");
}
