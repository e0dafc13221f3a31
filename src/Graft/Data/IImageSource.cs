using Graft.Formats.Images;

namespace Graft.Data;

/// <summary>A set of pictures of one shape, decoded and in memory: what training and evaluation read.</summary>
/// <remarks>Implementations never change after they are made and may be read from several threads.</remarks>
public interface IImageSource
{
    /// <summary>How many pictures there are, at least 1.</summary>
    int Count { get; }

    /// <summary>The shape that every picture has.</summary>
    ImageShape Shape { get; }

    /// <summary>One picture: <see cref="ImageShape.Elements"/> bytes 0 to 255 in planes (CHW). No copy.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    ReadOnlySpan<byte> this[int index] { get; }

    /// <summary>What to call a picture in messages and reports: a relative path, or file and number.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    string Name(int index);

    /// <summary>The class of a picture, or null if the set has none.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    int? Label(int index);

    /// <summary>Names of the classes, where the set knows them: label n is called <c>Classes[n]</c>. May be empty.</summary>
    IReadOnlyList<string> Classes { get; }

    /// <summary>One line for people: what it is, where from, how many.</summary>
    string Description { get; }
}

/// <summary>Conveniences over <see cref="IImageSource"/>.</summary>
public static class ImageSourceExtensions
{
    /// <summary>One picture as a <see cref="Picture"/> (a copy), to be shown or saved.</summary>
    /// <param name="source">Where from.</param>
    /// <param name="index">0 to the source's count - 1.</param>
    public static Picture ToPicture(this IImageSource source, int index)
    {
        ArgumentNullException.ThrowIfNull(source);
        return Picture.FromPlanes(source[index], source.Shape.Channels, source.Shape.Height, source.Shape.Width);
    }
}
