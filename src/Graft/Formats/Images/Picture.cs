namespace Graft.Formats.Images;

/// <summary>A decoded picture: 8-bit pixels, rows from the top, channels interleaved (HWC).</summary>
/// <remarks>Conversions give back a new picture, or the same one where nothing is to be done.</remarks>
public sealed class Picture
{
    /// <summary>Creates a picture over <paramref name="pixels"/>, which is kept and not copied.</summary>
    /// <param name="width">Pixels, at least 1.</param>
    /// <param name="height">Pixels, at least 1.</param>
    /// <param name="channels">1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. Alpha is not premultiplied.</param>
    /// <param name="pixels"><c>height * width * channels</c> bytes, HWC.</param>
    /// <exception cref="ArgumentException">A size is out of range or the number of bytes does not fit.</exception>
    public Picture(int width, int height, int channels, byte[] pixels)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(channels, 4);
        ArgumentNullException.ThrowIfNull(pixels);
        if (pixels.Length != (long)width * height * channels)
            throw new ArgumentException($"{pixels.Length} bytes are not {height} x {width} x {channels}", nameof(pixels));

        Width = width;
        Height = height;
        Channels = channels;
        Pixels = pixels;
    }

    /// <summary>Pixels in a row.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.</summary>
    public int Channels { get; }

    /// <summary>The pixels themselves (no copy): <c>Height * Width * Channels</c> bytes, HWC.</summary>
    public byte[] Pixels { get; }

    /// <summary>Whether there is an alpha channel (2 or 4 channels); it is the last one.</summary>
    public bool HasAlpha => Channels is 2 or 4;

    /// <summary>A picture of one colour.</summary>
    /// <param name="width">Pixels, at least 1.</param>
    /// <param name="height">Pixels, at least 1.</param>
    /// <param name="channels">1 (the colour's luma) or 3.</param>
    /// <param name="colour">What fills it.</param>
    public static Picture Filled(int width, int height, int channels, Rgb colour)
    {
        if (channels is not (1 or 3))
            throw new ArgumentOutOfRangeException(nameof(channels), channels, "1 or 3 channels can be filled");

        var pixels = new byte[checked(width * height * channels)];
        if (channels == 1)
            pixels.AsSpan().Fill(colour.Luma);
        else
        {
            for (var i = 0; i < pixels.Length; i += 3)
                (pixels[i], pixels[i + 1], pixels[i + 2]) = (colour.R, colour.G, colour.B);
        }

        return new Picture(width, height, channels, pixels);
    }

    /// <summary>A picture from planes: the layout of tensors.</summary>
    /// <param name="planes"><c>channels * height * width</c> bytes, CHW.</param>
    /// <param name="channels">1 to 4.</param>
    /// <param name="height">Pixels, at least 1.</param>
    /// <param name="width">Pixels, at least 1.</param>
    /// <exception cref="ArgumentException">A size is out of range or the number of bytes does not fit.</exception>
    public static Picture FromPlanes(ReadOnlySpan<byte> planes, int channels, int height, int width)
    {
        if (planes.Length != (long)channels * height * width)
            throw new ArgumentException($"{planes.Length} bytes are not {channels} x {height} x {width}", nameof(planes));

        var pixels = new byte[planes.Length];
        var area = height * width;
        for (var c = 0; c < channels; c++)
        {
            for (var i = 0; i < area; i++)
                pixels[(i * channels) + c] = planes[(c * area) + i];
        }

        return new Picture(width, height, channels, pixels);
    }

    /// <summary>The pixels as planes: <c>Channels * Height * Width</c> bytes, CHW, newly allocated.</summary>
    public byte[] ToPlanes()
    {
        var planes = new byte[Pixels.Length];
        var area = Height * Width;
        for (var c = 0; c < Channels; c++)
        {
            for (var i = 0; i < area; i++)
                planes[(c * area) + i] = Pixels[(i * Channels) + c];
        }

        return planes;
    }

    /// <summary>One grey channel, by <see cref="Rgb.Luma"/> as Pillow's <c>convert("L")</c>. Alpha is dropped, not applied.</summary>
    public Picture ToGrey() => Channels switch
    {
        1 => this,
        2 => Map(1, static (from, to) => to[0] = from[0]),
        _ => Map(1, static (from, to) => to[0] = new Rgb(from[0], from[1], from[2]).Luma),
    };

    /// <summary>Three channels, as Pillow's <c>convert("RGB")</c>: grey is repeated. Alpha is dropped, not applied.</summary>
    public Picture ToRgb() => Channels switch
    {
        3 => this,
        4 => Map(3, static (from, to) => from[..3].CopyTo(to)),
        _ => Map(3, static (from, to) => to.Fill(from[0])),
    };

    /// <summary>Lays the picture over a colour by its alpha channel and gives it back without one; without alpha, itself.</summary>
    /// <remarks>
    /// <c>(picture * alpha + colour * (255 - alpha)) / 255</c>, rounded to nearest as Pillow's <c>paste</c> with a mask. Grey with
    /// alpha stays grey over a grey colour and becomes RGB over any other.
    /// </remarks>
    public Picture OverColour(Rgb colour)
    {
        if (!HasAlpha)
            return this;
        if (Channels == 2 && colour.IsGrey)
            return Map(1, (from, to) => to[0] = Blend(from[0], colour.R, from[1]));
        if (Channels == 2)
        {
            return Map(3, (from, to) =>
            {
                to[0] = Blend(from[0], colour.R, from[1]);
                to[1] = Blend(from[0], colour.G, from[1]);
                to[2] = Blend(from[0], colour.B, from[1]);
            });
        }

        return Map(3, (from, to) =>
        {
            to[0] = Blend(from[0], colour.R, from[3]);
            to[1] = Blend(from[1], colour.G, from[3]);
            to[2] = Blend(from[2], colour.B, from[3]);
        });
    }

    /// <summary>A copy of a rectangle.</summary>
    /// <param name="x">Left edge in pixels.</param>
    /// <param name="y">Upper edge in pixels.</param>
    /// <param name="width">Pixels, at least 1.</param>
    /// <param name="height">Pixels, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The rectangle leaves the picture.</exception>
    public Picture Crop(int x, int y, int width, int height)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(x);
        ArgumentOutOfRangeException.ThrowIfNegative(y);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)x + width, Width, nameof(width));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)y + height, Height, nameof(height));
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        if (width == Width && height == Height)
            return this;

        var pixels = new byte[width * height * Channels];
        for (var row = 0; row < height; row++)
        {
            Pixels.AsSpan((((y + row) * Width) + x) * Channels, width * Channels)
                .CopyTo(pixels.AsSpan(row * width * Channels));
        }

        return new Picture(width, height, Channels, pixels);
    }

    /// <summary>A copy of the middle; an odd remainder is cut as torchvision does (offset rounded, halves to even).</summary>
    /// <param name="width">Pixels, 1 to <see cref="Width"/>.</param>
    /// <param name="height">Pixels, 1 to <see cref="Height"/>.</param>
    public Picture CentreCrop(int width, int height) => Crop(
        (int)Math.Round((Width - width) / 2.0, MidpointRounding.ToEven),
        (int)Math.Round((Height - height) / 2.0, MidpointRounding.ToEven),
        width,
        height);

    /// <summary>The mirror image: left and right exchanged.</summary>
    public Picture FlipHorizontal() => Rearrange(Width, Height, (x, y) => (Width - 1 - x, y));

    /// <summary>Turned and mirrored as the EXIF orientation says, so that up is up.</summary>
    /// <param name="orientation">1 to 8 as in <see cref="ImageInfo.Orientation"/>; 1 gives back the picture itself.</param>
    public Picture Upright(int orientation) => orientation switch
    {
        1 => this,
        2 => FlipHorizontal(),
        3 => Rearrange(Width, Height, (x, y) => (Width - 1 - x, Height - 1 - y)),
        4 => Rearrange(Width, Height, (x, y) => (x, Height - 1 - y)),
        5 => Rearrange(Height, Width, (x, y) => (y, x)),
        6 => Rearrange(Height, Width, (x, y) => (y, Height - 1 - x)),
        7 => Rearrange(Height, Width, (x, y) => (Width - 1 - y, Height - 1 - x)),
        8 => Rearrange(Height, Width, (x, y) => (Width - 1 - y, x)),
        _ => throw new ArgumentOutOfRangeException(nameof(orientation), orientation, "an orientation is 1 to 8"),
    };

    /// <summary>Size and channels in words.</summary>
    public override string ToString() => $"{Width} x {Height}, {Channels} channel{(Channels == 1 ? string.Empty : "s")}";

    internal static byte Blend(byte over, byte under, byte alpha) => DivideBy255((over * alpha) + (under * (255 - alpha)));

    /// <summary>a / 255, rounded, for a up to 255 * 255, without a division.</summary>
    internal static byte DivideBy255(int a) => (byte)((a + 128 + ((a + 128) >> 8)) >> 8);

    private delegate void PixelMap(ReadOnlySpan<byte> from, Span<byte> to);

    private Picture Map(int channels, PixelMap map)
    {
        var pixels = new byte[Width * Height * channels];
        for (int from = 0, to = 0; from < Pixels.Length; from += Channels, to += channels)
            map(Pixels.AsSpan(from, Channels), pixels.AsSpan(to, channels));
        return new Picture(Width, Height, channels, pixels);
    }

    private Picture Rearrange(int width, int height, Func<int, int, (int X, int Y)> source)
    {
        var pixels = new byte[Pixels.Length];
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                var (fromX, fromY) = source(x, y);
                Pixels.AsSpan(((fromY * Width) + fromX) * Channels, Channels).CopyTo(pixels.AsSpan(((y * width) + x) * Channels));
            }
        }

        return new Picture(width, height, Channels, pixels);
    }
}
