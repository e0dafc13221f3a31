using Graft.Formats.Images;

namespace Graft.Data;

/// <summary>How a folder of pictures is read.</summary>
public sealed record ImageFolderOptions
{
    /// <summary>Whether sub-folders are searched too; true also when <see cref="LabelsFromFolders"/> is, or <see cref="Labels"/> names some.</summary>
    public bool Recursive { get; init; }

    /// <summary>
    /// Whether the first folder of a picture's relative path is its class. Classes are numbered by ordinal order of their names;
    /// pictures that lie in no sub-folder are left out and counted as ignored.
    /// </summary>
    public bool LabelsFromFolders { get; init; }

    /// <summary>
    /// The class of each picture, as a file says it (see <see cref="LabelTable"/>); null for none. Every picture that it names must be
    /// there, and every picture that is read must have a class. Sub-folders are searched too if it names pictures in them.
    /// </summary>
    public ImageLabels? Labels { get; init; }

    /// <summary>How another aspect ratio is brought to the shape.</summary>
    public ImageFit Fit { get; init; } = ImageFit.Crop;

    /// <summary>What shows through alpha, and around pictures with <see cref="ImageFit.Pad"/>.</summary>
    public Rgb Background { get; init; } = Rgb.White;

    /// <summary>Whether pictures are turned as EXIF says (photographs from telephones); Pillow does not unless it is asked to.</summary>
    public bool ApplyOrientation { get; init; } = true;

    /// <summary>Read at most this many pictures, the first in order; null for all.</summary>
    public int? MaxCount { get; init; }

    /// <summary>
    /// Read only the pictures of these names, relative to the folder and with forward slashes; null for all. Others are counted as
    /// ignored; names that are not there are told in one warning. <see cref="MaxCount"/> counts what is left.
    /// </summary>
    public IReadOnlySet<string>? Only { get; init; }

    /// <summary>
    /// A folder in which the decoded pictures are kept for the next time; null to keep none. Its entries are keyed by path, sizes
    /// and times of the files that are read and by these options; one that is broken is made anew.
    /// </summary>
    public string? CacheDirectory { get; init; }
}

/// <summary>A picture file that was left out because it could not be read.</summary>
/// <param name="Path">Relative to the folder.</param>
/// <param name="Reason">Why, in a few words.</param>
public sealed record UnreadableImage(string Path, string Reason);
