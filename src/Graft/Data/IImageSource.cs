using Graft.Formats.Images;

namespace Graft.Data;

/// <summary>A set of pictures of one shape, decoded and in memory: what training and evaluation read.</summary>
/// <remarks>Implementations never change after they are made and may be read from several threads.</remarks>
public interface IImageSource : ISampleSource
{
    /// <summary>The shape that every picture has.</summary>
    ImageShape Shape { get; }

    /// <summary>One picture: <see cref="ImageShape.Elements"/> bytes 0 to 255 in planes (CHW). No copy.</summary>
    /// <param name="index">0 to the count - 1.</param>
    ReadOnlySpan<byte> this[int index] { get; }

    /// <inheritdoc/>
    ItemShape ISampleSource.ItemShape => Shape;

    /// <summary>One picture in [-1, 1]: byte/127.5 - 1.</summary>
    /// <inheritdoc/>
    void ISampleSource.Read(int index, Span<float> values)
    {
        const float Scale = (float)(1 / 127.5);
        var bytes = this[index];
        for (var i = 0; i < bytes.Length; i++)
            values[i] = (bytes[i] * Scale) - 1;
    }
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
