namespace Graft.Formats.Images;

/// <summary>File formats of pictures that are read.</summary>
public enum ImageFormat
{
    /// <summary>Portable Network Graphics.</summary>
    Png = 1,

    /// <summary>JPEG, baseline or progressive, grey, colour or CMYK (which is decoded to RGB).</summary>
    Jpeg = 2,

    /// <summary>WebP, lossy or lossless; of an animation the first frame.</summary>
    WebP = 3,
}

/// <summary>What the header of a picture file says.</summary>
/// <param name="Format">By the first bytes, not by the file's name.</param>
/// <param name="Width">Pixels, before any turning.</param>
/// <param name="Height">Pixels, before any turning.</param>
/// <param name="Channels">Of the decoded picture: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA (palettes are expanded).</param>
/// <param name="BitDepth">Bits a sample has in the file: 1, 2, 4, 8 or 16.</param>
/// <param name="Palette">Whether the file stores indices into a palette.</param>
/// <param name="Orientation">EXIF's, 1 (upright) to 8; see <see cref="Picture.Upright"/>. Decoding does not apply it.</param>
public readonly record struct ImageInfo(
    ImageFormat Format, int Width, int Height, int Channels, int BitDepth, bool Palette, int Orientation);
