using System.Runtime.InteropServices;

namespace Graft.Formats.Images;

/// <summary>Reads PNG, JPEG and WebP; writes PNG and JPEG.</summary>
/// <remarks>
/// <para>
/// Pixels equal Pillow's: no gamma or colour profile is applied, JPEG is decoded with the accurate DCT and smooth chroma
/// upsampling, palettes are expanded, a transparent colour becomes alpha. EXIF orientation is reported and not applied.
/// Samples of 16 bits are cut to their high byte. Pillow does the same for colour; its 16-bit grey has a mode of its own
/// (<c>I</c>) whose conversion to 8 bits clips everything above 255 to white, which is not imitated. CMYK becomes RGB by Pillow's
/// formula, without a colour profile. Of an animated WebP the first frame is read, on its whole canvas, as Pillow reads it.
/// </para>
/// <para>
/// The format is told by content. At most 178,956,970 pixels are read, and no memory is taken for a size that the data cannot
/// hold. (Lossless WebP can hold any size in a few bytes, if all pixels are alike: beyond 16,777,216 pixels it must have a byte for each
/// 1024 of them.) A truncated or damaged file is an error, never a partly grey picture.
/// </para>
/// </remarks>
public static class ImageCodec
{
    private const int PaletteFlag = 4;

    /// <summary>Reads a picture file.</summary>
    /// <param name="path">A PNG, JPEG or WebP.</param>
    /// <exception cref="InputException">The file cannot be read or decoded; the message names it and why.</exception>
    /// <exception cref="GraftException">The native codecs have not been built.</exception>
    public static Picture Load(string path) => Decode(InputFile.Read(path), path);

    /// <summary>Decodes the bytes of a picture file.</summary>
    /// <param name="data">All bytes of the file.</param>
    /// <param name="name">What messages call it; usually its path.</param>
    /// <exception cref="InputException">The bytes cannot be decoded; the message names the picture and why.</exception>
    /// <exception cref="GraftException">The native codecs have not been built.</exception>
    public static Picture Decode(ReadOnlySpan<byte> data, string name) =>
        TryDecode(data, out var picture, out _) is { } reason ? throw Unreadable(name, reason) : picture!;

    /// <summary>Reads the header only.</summary>
    /// <param name="data">All bytes of the file (their number is checked against the size that the header claims).</param>
    /// <param name="name">What messages call it; usually its path.</param>
    /// <exception cref="InputException">The bytes are no PNG, JPEG or WebP that can be read; the message names the picture and why.</exception>
    /// <exception cref="GraftException">The native codecs have not been built.</exception>
    public static ImageInfo Probe(ReadOnlySpan<byte> data, string name) =>
        TryProbe(data, out var info) is { } reason ? throw Unreadable(name, reason) : info;

    /// <summary>Encodes as PNG: 8 bits, grey, grey and alpha, RGB or RGBA as the picture has channels, no metadata.</summary>
    /// <param name="picture">What to encode.</param>
    /// <param name="compression">zlib's level, 0 (none) to 9 (smallest).</param>
    /// <returns>The bytes of a PNG file.</returns>
    /// <exception cref="GraftException">The native codecs have not been built, or the picture has too many pixels.</exception>
    public static byte[] EncodePng(Picture picture, int compression = 6)
    {
        ArgumentNullException.ThrowIfNull(picture);
        ArgumentOutOfRangeException.ThrowIfNegative(compression);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(compression, 9);

        NativeCodecs.ThrowIfMissing();
        Span<byte> message = stackalloc byte[NativeCodecs.MessageSize];
        message.Clear();
        var status = NativeCodecs.EncodePng(
            picture.Pixels,
            (nuint)picture.Pixels.Length,
            picture.Width,
            picture.Height,
            picture.Channels,
            compression,
            out var encoded,
            out var size,
            message,
            NativeCodecs.MessageSize);
        return Take(status, encoded, size, message, picture, "PNG");
    }

    /// <summary>
    /// Encodes as JPEG: baseline, accurate DCT, grey or YCbCr as the picture has channels, no metadata. JPEG has no transparency: a
    /// picture with alpha is laid over a background first.
    /// </summary>
    /// <param name="picture">What to encode.</param>
    /// <param name="quality">libjpeg's, 1 (smallest) to 100 (best; still not lossless).</param>
    /// <param name="subsample">Whether colour has half the resolution in both directions (4:2:0); if not, the full one (4:4:4).</param>
    /// <param name="background">What shows through alpha; white if null.</param>
    /// <returns>The bytes of a JPEG file.</returns>
    /// <exception cref="GraftException">
    /// The native codecs have not been built, or the picture has too many pixels or a side of more than 65,535.
    /// </exception>
    public static byte[] EncodeJpeg(Picture picture, int quality = 95, bool subsample = false, Rgb? background = null)
    {
        ArgumentNullException.ThrowIfNull(picture);
        ArgumentOutOfRangeException.ThrowIfLessThan(quality, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(quality, 100);

        NativeCodecs.ThrowIfMissing();
        var opaque = picture.Channels is 2 or 4 ? picture.OverColour(background ?? Rgb.White) : picture;
        Span<byte> message = stackalloc byte[NativeCodecs.MessageSize];
        message.Clear();
        var status = NativeCodecs.EncodeJpeg(
            opaque.Pixels,
            (nuint)opaque.Pixels.Length,
            opaque.Width,
            opaque.Height,
            opaque.Channels,
            quality,
            subsample ? 1 : 0,
            out var encoded,
            out var size,
            message,
            NativeCodecs.MessageSize);
        return Take(status, encoded, size, message, opaque, "JPEG");
    }

    /// <summary>Writes a PNG file whole or not at all: under a temporary name beside it, then renamed.</summary>
    /// <param name="path">Where; a file of that name is replaced, missing folders are made.</param>
    /// <param name="picture">What to write.</param>
    /// <exception cref="InputException">The file cannot be written.</exception>
    /// <exception cref="GraftException">The native codecs have not been built, or the picture has too many pixels.</exception>
    public static void SavePng(string path, Picture picture)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var bytes = EncodePng(picture);
        AtomicFile.Write(path, stream => stream.Write(bytes));
    }

    /// <summary>Writes a JPEG file whole or not at all, as <see cref="SavePng"/> does.</summary>
    /// <param name="path">Where; a file of that name is replaced, missing folders are made.</param>
    /// <param name="picture">What to write; alpha is laid over white.</param>
    /// <param name="quality">libjpeg's, 1 (smallest) to 100 (best; still not lossless). Colour keeps its full resolution (4:4:4).</param>
    /// <exception cref="InputException">The file cannot be written.</exception>
    /// <exception cref="GraftException">
    /// The native codecs have not been built, or the picture has too many pixels or a side of more than 65,535.
    /// </exception>
    public static void SaveJpeg(string path, Picture picture, int quality = 95)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var bytes = EncodeJpeg(picture, quality);
        AtomicFile.Write(path, stream => stream.Write(bytes));
    }

    /// <summary>As <see cref="Decode"/>, but gives back the reason instead of throwing; null if all is well.</summary>
    internal static string? TryDecode(ReadOnlySpan<byte> data, out Picture? picture, out ImageInfo info)
    {
        picture = null;
        if (TryProbe(data, out info) is { } reason)
            return reason;

        // The probe vouches for width * height * channels: at most 4 * 178,956,970, and within what the data can hold.
        var pixels = new byte[info.Width * info.Height * info.Channels];
        Span<byte> message = stackalloc byte[NativeCodecs.MessageSize];
        message.Clear();
        if (NativeCodecs.Decode(data, (nuint)data.Length, pixels, (nuint)pixels.Length, message, NativeCodecs.MessageSize) != 0)
            return NativeCodecs.Text(message);

        picture = new Picture(info.Width, info.Height, info.Channels, pixels);
        return null;
    }

    /// <summary>The encoder's bytes, copied and freed, or its fault.</summary>
    private static byte[] Take(int status, nint encoded, nuint size, ReadOnlySpan<byte> message, Picture picture, string format)
    {
        if (status != 0)
            throw new GraftException($"The picture of {picture} cannot be written as {format}: {NativeCodecs.Text(message)}.");

        try
        {
            var bytes = new byte[checked((int)size)];
            Marshal.Copy(encoded, bytes, 0, bytes.Length);
            return bytes;
        }
        finally
        {
            NativeCodecs.Free(encoded);
        }
    }

    private static string? TryProbe(ReadOnlySpan<byte> data, out ImageInfo info)
    {
        NativeCodecs.ThrowIfMissing();
        Span<byte> message = stackalloc byte[NativeCodecs.MessageSize];
        message.Clear();
        var failed = NativeCodecs.Probe(data, (nuint)data.Length, out var native, message, NativeCodecs.MessageSize) != 0;
        info = new ImageInfo(
            (ImageFormat)native.Format,
            native.Width,
            native.Height,
            native.Channels,
            native.BitDepth,
            (native.Flags & PaletteFlag) != 0,
            native.Orientation);
        return failed ? NativeCodecs.Text(message) : null;
    }

    private static InputException Unreadable(string name, string reason) =>
        new($"The picture '{name}' cannot be read: {reason}; replace it with a whole PNG, JPEG or WebP.");
}
