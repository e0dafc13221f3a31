using Graft.Formats.Images;

namespace Graft.Charts;

/// <summary>An RGB picture that is drawn on: anti-aliased lines, rectangles, text, other pictures. What leaves it is cut off.</summary>
internal sealed class Canvas
{
    private const double Reach = 0.5; // half a pixel: how far an edge is smeared

    internal Canvas(int width, int height, Rgb background) => Picture = Picture.Filled(width, height, 3, background);

    /// <summary>What was drawn so far.</summary>
    internal Picture Picture { get; }

    /// <summary>Width of a text in pixels.</summary>
    internal static int WidthOf(string text, int scale) => text.Length == 0 ? 0 : ((BitmapFont.Advance * text.Length) - 1) * scale;

    /// <summary>Height of a text in pixels.</summary>
    internal static int HeightOf(int scale) => BitmapFont.Height * scale;

    /// <summary>A line through points, as one stroke: where it meets itself it is no darker.</summary>
    /// <param name="points">In pixels; the middle of the first pixel is (0.5, 0.5).</param>
    /// <param name="colour">Its colour.</param>
    /// <param name="width">In pixels.</param>
    /// <param name="dash">Length of dashes and of gaps in pixels; 0: none.</param>
    /// <param name="clip">Nothing is drawn outside: x, y, width, height.</param>
    internal void Polyline(IReadOnlyList<(double X, double Y)> points, Rgb colour, double width, double dash, (int X, int Y, int Width, int Height) clip)
    {
        var cover = new float[clip.Width * clip.Height];
        var length = 0.0;
        for (var i = 1; i < points.Count; i++)
        {
            Segment(points[i - 1], points[i], width / 2, dash, length, cover, clip);
            length += Distance(points[i - 1], points[i]);
        }

        for (var y = 0; y < clip.Height; y++)
        {
            for (var x = 0; x < clip.Width; x++)
                Blend(clip.X + x, clip.Y + y, colour, cover[(y * clip.Width) + x]);
        }
    }

    /// <summary>A filled circle.</summary>
    internal void Dot(double x, double y, double radius, Rgb colour)
    {
        for (var row = (int)(y - radius - 1); row <= y + radius + 1; row++)
        {
            for (var column = (int)(x - radius - 1); column <= x + radius + 1; column++)
                Blend(column, row, colour, radius + Reach - Distance((x, y), (column + 0.5, row + 0.5)));
        }
    }

    /// <summary>A filled rectangle with edges between pixels.</summary>
    internal void Fill(double left, double top, double right, double bottom, Rgb colour, double opacity = 1)
    {
        for (var y = (int)Math.Floor(top); y < bottom; y++)
        {
            for (var x = (int)Math.Floor(left); x < right; x++)
                Blend(x, y, colour, opacity * Overlap(left, right, x) * Overlap(top, bottom, y));
        }

        static double Overlap(double from, double to, int pixel) => Math.Clamp(Math.Min(to, pixel + 1) - Math.Max(from, pixel), 0, 1);
    }

    /// <summary>Text, its upper left corner given.</summary>
    /// <param name="text">ASCII; other characters show as '?'.</param>
    /// <param name="left">Pixels.</param>
    /// <param name="top">Pixels.</param>
    /// <param name="colour">Its colour.</param>
    /// <param name="scale">Edge of a dot of the font.</param>
    /// <param name="upwards">Whether it runs from below to above; the corner is then that of the turned text.</param>
    internal void Text(string text, int left, int top, Rgb colour, int scale, bool upwards = false)
    {
        var width = WidthOf(text, scale);
        for (var i = 0; i < text.Length; i++)
        {
            for (var y = 0; y < BitmapFont.Height * scale; y++)
            {
                for (var x = 0; x < BitmapFont.Width * scale; x++)
                {
                    if (!BitmapFont.IsSet(text[i], x / scale, y / scale))
                        continue;
                    var along = (i * BitmapFont.Advance * scale) + x;
                    if (upwards)
                        Blend(left + y, top + width - 1 - along, colour, 1);
                    else
                        Blend(left + along, top + y, colour, 1);
                }
            }
        }
    }

    /// <summary>Another picture, every pixel a square.</summary>
    internal void Paste(Picture picture, int left, int top, int scale = 1)
    {
        var enlarged = PictureGrid.Enlarge(picture.ToRgb(), scale);
        for (var y = 0; y < enlarged.Height; y++)
        {
            for (var x = 0; x < enlarged.Width; x++)
            {
                var at = ((y * enlarged.Width) + x) * 3;
                Blend(left + x, top + y, new Rgb(enlarged.Pixels[at], enlarged.Pixels[at + 1], enlarged.Pixels[at + 2]), 1);
            }
        }
    }

    private static double Distance((double X, double Y) a, (double X, double Y) b) =>
        Math.Sqrt(((a.X - b.X) * (a.X - b.X)) + ((a.Y - b.Y) * (a.Y - b.Y)));

    private static void Segment(
        (double X, double Y) a, (double X, double Y) b, double half, double dash, double before, float[] cover, (int X, int Y, int Width, int Height) clip)
    {
        var (dx, dy) = (b.X - a.X, b.Y - a.Y);
        var length = Distance(a, b);
        var (left, right) = (Math.Max(Math.Min(a.X, b.X) - half - 1, clip.X), Math.Min(Math.Max(a.X, b.X) + half + 1, clip.X + clip.Width));
        var (top, bottom) = (Math.Max(Math.Min(a.Y, b.Y) - half - 1, clip.Y), Math.Min(Math.Max(a.Y, b.Y) + half + 1, clip.Y + clip.Height));
        for (var y = (int)top; y < bottom; y++)
        {
            for (var x = (int)left; x < right; x++)
            {
                var (px, py) = (x + 0.5, y + 0.5);
                var t = length == 0 ? 0 : Math.Clamp((((px - a.X) * dx) + ((py - a.Y) * dy)) / (length * length), 0, 1);
                if (dash > 0 && (before + (t * length)) % (2 * dash) >= dash)
                    continue;
                var at = ((y - clip.Y) * clip.Width) + x - clip.X;
                var covered = half + Reach - Distance((px, py), (a.X + (t * dx), a.Y + (t * dy)));
                cover[at] = Math.Max(cover[at], (float)Math.Clamp(covered, 0, 1));
            }
        }
    }

    private void Blend(int x, int y, Rgb colour, double opacity)
    {
        if (x < 0 || y < 0 || x >= Picture.Width || y >= Picture.Height || opacity <= 0)
            return;
        var alpha = (byte)Math.Round(255 * Math.Min(opacity, 1));
        var at = ((y * Picture.Width) + x) * 3;
        Picture.Pixels[at] = Picture.Blend(colour.R, Picture.Pixels[at], alpha);
        Picture.Pixels[at + 1] = Picture.Blend(colour.G, Picture.Pixels[at + 1], alpha);
        Picture.Pixels[at + 2] = Picture.Blend(colour.B, Picture.Pixels[at + 2], alpha);
    }
}
