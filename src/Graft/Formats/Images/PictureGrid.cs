namespace Graft.Formats.Images;

/// <summary>Sheets of pictures: samples side by side, with titles.</summary>
public static class PictureGrid
{
    /// <summary>Lays pictures out in rows, from the upper left.</summary>
    /// <param name="pictures">At least one; sizes may differ, each cell is as large as the largest and pictures are centred in it.</param>
    /// <param name="columns">Pictures in a row, at least 1.</param>
    /// <param name="padding">Pixels between pictures and around them, before scaling, at least 0.</param>
    /// <param name="background">What shows between them and through alpha; white if not given.</param>
    /// <param name="scale">Every pixel becomes a square of this edge, at least 1: makes 28 x 28 visible.</param>
    /// <returns>One picture: grey if all are grey and so is the background, RGB otherwise.</returns>
    public static Picture Compose(
        IReadOnlyList<Picture> pictures, int columns, int padding = 2, Rgb? background = null, int scale = 1)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        ArgumentOutOfRangeException.ThrowIfZero(pictures.Count, nameof(pictures));
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(padding);
        ArgumentOutOfRangeException.ThrowIfLessThan(scale, 1);

        var behind = background ?? Rgb.White;
        var across = Math.Min(columns, pictures.Count);
        var down = (pictures.Count + across - 1) / across;
        var cellWidth = pictures.Max(p => p.Width);
        var cellHeight = pictures.Max(p => p.Height);
        var channels = pictures.All(p => p.Channels <= 2) && behind.IsGrey ? 1 : 3;
        var sheet = Picture.Filled(
            checked(padding + (across * (cellWidth + padding))),
            checked(padding + (down * (cellHeight + padding))),
            channels,
            behind);

        for (var i = 0; i < pictures.Count; i++)
        {
            var picture = Flatten(pictures[i], behind, channels);
            var x = padding + (i % across * (cellWidth + padding)) + ((cellWidth - picture.Width) / 2);
            var y = padding + (i / across * (cellHeight + padding)) + ((cellHeight - picture.Height) / 2);
            Paste(picture, sheet, x, y);
        }

        return Enlarge(sheet, scale);
    }

    /// <summary>Puts a line of text above a picture, in a built-in 5 x 7 font.</summary>
    /// <param name="picture">What gets the title.</param>
    /// <param name="title">ASCII; other characters show as '?'. What does not fit into the width makes the picture wider.</param>
    /// <param name="scale">Edge of a dot of the font in pixels, at least 1.</param>
    /// <param name="background">Behind the text (and behind alpha); white if not given. The text is black, or white on dark.</param>
    /// <returns>A new picture, <c>11 * scale</c> pixels higher.</returns>
    public static Picture WithTitle(Picture picture, string title, int scale = 1, Rgb? background = null)
    {
        ArgumentNullException.ThrowIfNull(picture);
        ArgumentNullException.ThrowIfNull(title);
        ArgumentOutOfRangeException.ThrowIfLessThan(scale, 1);

        var behind = background ?? Rgb.White;
        var channels = picture.Channels <= 2 && behind.IsGrey ? 1 : 3;
        var bar = checked((BitmapFont.Height + 4) * scale);
        var text = checked(((BitmapFont.Advance * title.Length) + 3) * scale);
        var result = Picture.Filled(Math.Max(picture.Width, text), checked(picture.Height + bar), channels, behind);
        Write(result, title, 2 * scale, 2 * scale, scale, behind.Luma < 128 ? (byte)255 : (byte)0);
        Paste(Flatten(picture, behind, channels), result, 0, bar);
        return result;
    }

    /// <summary>Puts pictures below one another, flush left: titled rows to one sheet.</summary>
    /// <param name="pictures">At least one; widths may differ.</param>
    /// <param name="background">What fills the rest of narrower ones and shows through alpha; white if not given.</param>
    public static Picture Stack(IReadOnlyList<Picture> pictures, Rgb? background = null)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        ArgumentOutOfRangeException.ThrowIfZero(pictures.Count, nameof(pictures));
        var behind = background ?? Rgb.White;
        var channels = pictures.All(p => p.Channels <= 2) && behind.IsGrey ? 1 : 3;
        var result = Picture.Filled(pictures.Max(p => p.Width), checked(pictures.Sum(p => p.Height)), channels, behind);
        var y = 0;
        foreach (var picture in pictures)
        {
            Paste(Flatten(picture, behind, channels), result, 0, y);
            y += picture.Height;
        }

        return result;
    }

    /// <summary>Enlarges by a whole number, every pixel to a square.</summary>
    /// <param name="picture">What to enlarge.</param>
    /// <param name="scale">At least 1; 1 gives back the picture itself.</param>
    public static Picture Enlarge(Picture picture, int scale)
    {
        ArgumentNullException.ThrowIfNull(picture);
        ArgumentOutOfRangeException.ThrowIfLessThan(scale, 1);
        if (scale == 1)
            return picture;

        var (width, height, channels) = (picture.Width * scale, picture.Height * scale, picture.Channels);
        var pixels = new byte[checked(width * height * channels)];
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                picture.Pixels.AsSpan(((y / scale * picture.Width) + (x / scale)) * channels, channels)
                    .CopyTo(pixels.AsSpan(((y * width) + x) * channels));
            }
        }

        return new Picture(width, height, channels, pixels);
    }

    private static Picture Flatten(Picture picture, Rgb behind, int channels)
    {
        var opaque = picture.OverColour(behind);
        return channels == 1 ? opaque.ToGrey() : opaque.ToRgb();
    }

    private static void Paste(Picture picture, Picture onto, int x, int y)
    {
        var bytes = picture.Width * picture.Channels;
        for (var row = 0; row < picture.Height; row++)
        {
            picture.Pixels.AsSpan(row * bytes, bytes)
                .CopyTo(onto.Pixels.AsSpan((((y + row) * onto.Width) + x) * onto.Channels));
        }
    }

    private static void Write(Picture onto, string text, int left, int top, int scale, byte ink)
    {
        for (var i = 0; i < text.Length; i++)
        {
            for (var y = 0; y < BitmapFont.Height * scale; y++)
            {
                for (var x = 0; x < BitmapFont.Width * scale; x++)
                {
                    if (!BitmapFont.IsSet(text[i], x / scale, y / scale))
                        continue;
                    var at = ((top + y) * onto.Width) + left + (i * BitmapFont.Advance * scale) + x;
                    onto.Pixels.AsSpan(at * onto.Channels, onto.Channels).Fill(ink);
                }
            }
        }
    }
}
