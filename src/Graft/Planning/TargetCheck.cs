using System.Security.Cryptography;
using Graft.Data;
using Graft.Formats;
using Graft.Formats.Images;

namespace Graft.Planning;

/// <summary>What is to be said of a few pictures before anything is trained on them.</summary>
public static class TargetCheck
{
    private const int Few = 3;
    private const int Many = 1000;
    private const double LargestShape = 1.2;

    /// <summary>Looks at the pictures.</summary>
    /// <param name="images">The pictures, in the source's shape.</param>
    /// <param name="folder">The folder they come from.</param>
    /// <param name="source">The source.</param>
    /// <returns>Sentences; none where there is nothing to say.</returns>
    public static IReadOnlyList<string> Of(IImageSource images, string folder, PlanSource source)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(source);
        var said = new List<string>();
        if (images.Count == 1)
            said.Add("One picture alone: every sample will become it sooner or later, and nothing tells how near is too near, since there is no second one to measure by. Two more help much.");
        else if (images.Count < Few)
            said.Add($"{images.Count} pictures: the distance between them is all that says which sample is a copy. More help much.");
        else if (images.Count >= Many)
            said.Add($"{images.Count} pictures are no longer few: plain fine-tuning with many more steps, or `graft pretrain`, may serve better; nothing here measured it.");
        if (DuplicatesOf(images) is { Count: > 0 } twins)
            said.Add($"{twins.Count} of the pictures are twins of another ({FileFault.Shorten(string.Join(", ", twins.Take(5)))}): they count as one more of the same, and spoil the measure of copies. Take them out.");
        said.AddRange(SizesOf(images, folder, source.Shape));
        if (source.Options.IsClassConditional)
            said.Add($"The source {source.Path} is class-conditional: `graft adapt` needs a class for each picture (--labels FILE.csv).");
        return said;
    }

    private static List<string> DuplicatesOf(IImageSource images)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        return [.. Enumerable.Range(0, images.Count).Where(i => !seen.Add(Convert.ToHexString(SHA256.HashData(images[i])))).Select(images.Name)];
    }

    private static IEnumerable<string> SizesOf(IImageSource images, string folder, ImageShape shape)
    {
        var (smaller, larger, cut) = (0, 0, 0);
        for (var i = 0; i < images.Count; i++)
        {
            var path = Path.Combine(folder, images.Name(i));
            var info = ImageCodec.Probe(InputFile.Read(path), path);
            var (width, height) = info.Orientation >= 5 ? (info.Height, info.Width) : (info.Width, info.Height);
            if (width < shape.Width || height < shape.Height)
                smaller++;
            else if (width > shape.Width || height > shape.Height)
                larger++;
            var form = (double)width * shape.Height / ((double)height * shape.Width);
            if (form is > LargestShape or < 1 / LargestShape)
                cut++;
        }

        if (smaller > 0)
            yield return $"{smaller} of {images.Count} pictures are smaller than the source's {shape.Width} x {shape.Height} and are enlarged: the adapted model learns their blur.";
        if (larger > 0)
            yield return $"{larger} of {images.Count} pictures are larger than the source's {shape.Width} x {shape.Height} and are reduced to it.";
        if (cut > 0)
            yield return $"{cut} of {images.Count} pictures have another form than the source's: what lies outside the middle is cut off (target.fit says otherwise).";
    }
}
