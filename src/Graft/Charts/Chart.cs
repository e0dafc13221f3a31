using Graft.Formats.Images;

namespace Graft.Charts;

/// <summary>
/// A plain chart: title, legend, axes with ticks and labels, grid, series. Everything has its own place (the legend stands between
/// title and plot), so that nothing covers anything.
/// </summary>
public sealed record Chart
{
    private const int Scale = 2; // of the font
    private const int Gap = 8;
    private const int Key = 26; // width of a line in the legend
    private static readonly Rgb Ink = new(40, 40, 40);
    private static readonly Rgb GridLine = new(225, 225, 225);
    private static readonly int TextHeight = Canvas.HeightOf(Scale);

    /// <summary>Colours of Okabe and Ito (2008), which stay distinct for colour-blind people; the yellow is left out as too faint on white.</summary>
    public static IReadOnlyList<Rgb> Palette { get; } =
    [
        new(0, 114, 178), new(213, 94, 0), new(0, 158, 115), new(204, 121, 167), new(230, 159, 0), new(86, 180, 233), new(0, 0, 0),
    ];

    /// <summary>What it shows; broken into lines where it is too long. Texts are ASCII.</summary>
    public string Title { get; init; } = "";

    /// <summary>What runs to the right, with its unit.</summary>
    public string XLabel { get; init; } = "";

    /// <summary>What runs upwards, with its unit.</summary>
    public string YLabel { get; init; } = "";

    /// <summary>Ends of the x axis; null: around the values.</summary>
    public (double From, double To)? XRange { get; init; }

    /// <summary>Ends of the y axis; null: around the values, and from 0 where there are bars.</summary>
    public (double From, double To)? YRange { get; init; }

    /// <summary>What lies behind everything, with a colour bar at the right; null: nothing.</summary>
    public HeatMap? Background { get; init; }

    /// <summary>What is drawn, later ones above earlier ones.</summary>
    public required IReadOnlyList<Series> Series { get; init; }

    /// <summary>Pixels, at least 200.</summary>
    public int Width { get; init; } = 640;

    /// <summary>Pixels, at least 150.</summary>
    public int Height { get; init; } = 400;

    /// <summary>Draws the chart.</summary>
    /// <returns>An RGB picture of the asked size.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The size is too small, or a range is empty.</exception>
    public Picture Draw()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Width, 200, nameof(Width));
        ArgumentOutOfRangeException.ThrowIfLessThan(Height, 150, nameof(Height));
        var series = Series
            .Select((s, i) => s with { Colour = s.Colour ?? Palette[i % Palette.Count], Points = [.. s.Points.Where(p => double.IsFinite(p.X) && double.IsFinite(p.Y))] })
            .ToArray();
        var x = XRange ?? Axis.Around(series.SelectMany(s => s.Points).Select(p => p.X));
        var y = YRange ?? Axis.Around(series.SelectMany(s => s.Points.Select(p => p.Y).Concat(s.Kind == SeriesKind.Bars ? [0.0] : [])));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(x.From, x.To, nameof(XRange));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(y.From, y.To, nameof(YRange));

        var canvas = new Canvas(Width, Height, Rgb.White);
        var top = Gap;
        foreach (var line in Wrap(Title, Width - (2 * Gap)))
        {
            canvas.Text(line, Gap, top, Rgb.Black, Scale);
            top += TextHeight + (Gap / 2);
        }

        top = Legend(canvas, series, top + (Gap / 2));
        Plot(canvas, series, x, y, top);
        return canvas.Picture;
    }

    /// <summary>Breaks a text at spaces into lines of at most so many pixels; a longer word stays whole.</summary>
    internal static List<string> Wrap(string text, int width)
    {
        var lines = new List<string>();
        foreach (var word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (lines.Count > 0 && Canvas.WidthOf($"{lines[^1]} {word}", Scale) <= width)
                lines[^1] += $" {word}";
            else
                lines.Add(word);
        }

        return lines;
    }

    private int Legend(Canvas canvas, Series[] series, int top)
    {
        var left = Gap;
        var any = false;
        foreach (var s in series.Where(s => s.Label.Length > 0))
        {
            var width = Key + Gap + Canvas.WidthOf(s.Label, Scale) + (2 * Gap);
            if (any && left + width - (2 * Gap) > Width - Gap)
            {
                left = Gap;
                top += TextHeight + (Gap / 2);
            }

            any = true;
            var middle = top + (TextHeight / 2.0);
            if (s.Kind == SeriesKind.Points)
                canvas.Dot(left + (Key / 2.0), middle, 1.5 * s.Width, s.Colour!.Value);
            else if (s.Kind == SeriesKind.Bars)
                canvas.Fill(left, top, left + Key, top + TextHeight, s.Colour!.Value, 0.5);
            else
                Stroke(canvas, s, [(left, middle), (left + Key, middle)], (left, top, Key, TextHeight));
            canvas.Text(s.Label, left + Key + Gap, top, Ink, Scale);
            left += width;
        }

        return any ? top + TextHeight + (Gap / 2) : top;
    }

    private void Plot(Canvas canvas, Series[] series, (double From, double To) x, (double From, double To) y, int top)
    {
        // Half a tick label reaches above the plot; below there is room for tick labels and the axis' own.
        top += (TextHeight / 2) + (Gap / 2);
        var bottom = Height - Gap - TextHeight - Gap - (XLabel.Length > 0 ? TextHeight + Gap : 0);
        var yTicks = Axis.Ticks(y.From, y.To, Math.Clamp((bottom - top) / (2 * TextHeight), 2, 8));
        var yLabels = Axis.Labels(yTicks);
        var left = Gap + (YLabel.Length > 0 ? TextHeight + Gap : 0) + yLabels.Select(l => Canvas.WidthOf(l, Scale)).DefaultIfEmpty(0).Max() + Gap;
        var right = Width - (3 * Gap) - (Background?.BarWidth ?? 0);
        double AtX(double value) => left + ((value - x.From) / (x.To - x.From) * (right - left));
        double AtY(double value) => bottom - ((value - y.From) / (y.To - y.From) * (bottom - top));

        var (xTicks, xLabels) = XTicks(x, right - left);
        Background?.Draw(canvas, (left, top, right - left, bottom - top), x, y);
        foreach (var tick in xTicks)
            canvas.Fill(Math.Round(AtX(tick)), top, Math.Round(AtX(tick)) + 1, bottom + 4, GridLine, Background is null ? 1 : 0.4);
        foreach (var tick in yTicks)
            canvas.Fill(left - 4, Math.Round(AtY(tick)), right, Math.Round(AtY(tick)) + 1, GridLine, Background is null ? 1 : 0.4);
        foreach (var s in series)
            Values(canvas, s, AtX, AtY, (left, top - 2, right - left + 2, bottom - top + 4));
        canvas.Fill(left, top, left + 1, bottom + 1, Ink);
        canvas.Fill(left, bottom, right + 1, bottom + 1, Ink);

        for (var i = 0; i < xTicks.Length; i++)
            canvas.Text(xLabels[i], (int)Math.Round(AtX(xTicks[i]) - (Canvas.WidthOf(xLabels[i], Scale) / 2.0)), bottom + Gap, Ink, Scale);
        for (var i = 0; i < yTicks.Length; i++)
            canvas.Text(yLabels[i], left - Gap - Canvas.WidthOf(yLabels[i], Scale), (int)Math.Round(AtY(yTicks[i]) - (TextHeight / 2.0)), Ink, Scale);
        canvas.Text(XLabel, Math.Max(0, Math.Min(left + ((right - left - Canvas.WidthOf(XLabel, Scale)) / 2), Width - Gap - Canvas.WidthOf(XLabel, Scale))), Height - Gap - TextHeight, Ink, Scale);
        canvas.Text(YLabel, Gap, Math.Max(0, top + ((bottom - top - Canvas.WidthOf(YLabel, Scale)) / 2)), Ink, Scale, upwards: true);
    }

    /// <summary>As many ticks as their labels leave room for.</summary>
    private static (double[] Ticks, string[] Labels) XTicks((double From, double To) range, int width)
    {
        for (var most = 12; most > 2; most--)
        {
            var ticks = Axis.Ticks(range.From, range.To, most);
            var labels = Axis.Labels(ticks);
            if (ticks.Length < 2 || labels.Max(l => Canvas.WidthOf(l, Scale)) + (2 * Gap) <= (ticks[1] - ticks[0]) / (range.To - range.From) * width)
                return (ticks, labels);
        }

        double[] ends = [range.From, range.To];
        return (ends, Axis.Labels(ends));
    }

    private static void Values(Canvas canvas, Series series, Func<double, double> atX, Func<double, double> atY, (int X, int Y, int Width, int Height) clip)
    {
        var points = series.Points;
        switch (series.Kind)
        {
            case SeriesKind.Points:
                foreach (var (x, y) in points)
                    canvas.Dot(atX(x), atY(y), 1.5 * series.Width, series.Colour!.Value);
                break;
            case SeriesKind.Bars:
                for (var i = 0; i + 1 < points.Count; i++)
                    canvas.Fill(Within(atX(points[i].X)) + 1, Math.Max(clip.Y, atY(points[i].Y)), Within(atX(points[i + 1].X)), Math.Min(clip.Y + clip.Height - 2, atY(0)), series.Colour!.Value, 0.5);
                break;
            case SeriesKind.Steps:
                Stroke(canvas, series, [.. points.SelectMany((p, i) => i == 0 ? [p] : new[] { (p.X, points[i - 1].Y), p }).Select(p => (atX(p.Item1), atY(p.Item2)))], clip);
                break;
            default:
                Stroke(canvas, series, [.. points.Select(p => (atX(p.X), atY(p.Y)))], clip);
                break;
        }

        double Within(double x) => Math.Clamp(x, clip.X, clip.X + clip.Width - 2);
    }

    private static void Stroke(Canvas canvas, Series series, IReadOnlyList<(double X, double Y)> points, (int X, int Y, int Width, int Height) clip) =>
        canvas.Polyline(points, series.Colour!.Value, series.Width, series.Dashed ? 6 : 0, clip);
}
