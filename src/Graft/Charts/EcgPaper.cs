using Graft.Data.Ecg;
using Graft.Formats.Images;

namespace Graft.Charts;

/// <summary>
/// ECGs on paper as hospitals draw them: a grid of 1 and 5 mm, 25 mm a second, 10 mm a millivolt; twelve leads in three rows of four,
/// 2.5 s each, above a rhythm strip.
/// </summary>
public sealed record EcgPaper
{
    private const int TextScale = 2;
    private const int Columns = 4;
    private const double MillimetresASecond = 25;
    private static readonly string[][] Layout = [["I", "aVR", "V1", "V4"], ["II", "aVL", "V2", "V5"], ["III", "aVF", "V3", "V6"]];
    private static readonly Rgb Background = new(255, 250, 248);
    private static readonly Rgb Fine = new(250, 222, 218);
    private static readonly Rgb Coarse = new(238, 170, 165);
    private static readonly Rgb Ink = new(20, 20, 30);

    /// <summary>Pixels a millimetre, at least 2.</summary>
    public int Scale { get; init; } = 4;

    /// <summary>Millimetres for one unit of the samples; null: 10 for millivolts, 2.5 for everything else.</summary>
    public double? MillimetresAUnit { get; init; }

    /// <summary>The lead of the rhythm strip; the first lead where a set has none of that name.</summary>
    public string Rhythm { get; init; } = "II";

    /// <summary>Millimetres from row to row.</summary>
    public int RowHeight { get; init; } = 30;

    /// <summary>Draws a record.</summary>
    /// <param name="card">What the samples are: leads, rate, unit.</param>
    /// <param name="record">The record; its first 10 s are drawn.</param>
    /// <param name="title">Stands above, ASCII; null: the record's name and its set's.</param>
    /// <returns>An RGB picture, wide enough for 10 s.</returns>
    public Picture Draw(EcgCard card, EcgRecord record, string? title = null)
    {
        ArgumentNullException.ThrowIfNull(card);
        ArgumentNullException.ThrowIfNull(record);
        ArgumentOutOfRangeException.ThrowIfLessThan(Scale, 2, nameof(Scale));
        ArgumentOutOfRangeException.ThrowIfLessThan(RowHeight, 10, nameof(RowHeight));
        if (record.LeadCount != card.Leads.Count)
            throw new ArgumentException($"the record has {record.LeadCount} leads and the card names {card.Leads.Count}", nameof(record));

        var twelve = EcgLeads.Standard.All(card.Leads.Contains);
        var rows = twelve ? Layout.Length + 1 : card.Leads.Count;
        // 5 mm on the left for the calibration pulse and its foot, 10 s, 5 mm on the right; the head holds two lines of text.
        var head = (int)Math.Ceiling(((3 * Canvas.HeightOf(TextScale)) + 12.0) / Scale / 5) * 5;
        var (width, height) = ((10 + 250 + 5) * Scale, (head + (rows * RowHeight) + 5) * Scale);
        var canvas = new Canvas(width + 1, height + 1, Background);
        Grid(canvas, width, height, head);

        var gain = MillimetresAUnit ?? (card.Unit == "mV" ? 10 : 2.5);
        canvas.Text(title ?? $"{record.Name}, {card.Name}", 2 * Scale, Scale, Rgb.Black, TextScale);
        var paper = FormattableString.Invariant($"25 mm/s   {(card.Unit == "mV" ? $"{gain:0.##} mm/mV" : $"{gain:0.##} mm a unit (no millivolts): {card.Unit}")}   {card.SamplingRate:0.##} Hz");
        canvas.Text(paper, 2 * Scale, Scale + Canvas.HeightOf(TextScale) + 6, Ink, Canvas.WidthOf(paper, TextScale) <= width - (4 * Scale) ? TextScale : 1);

        for (var row = 0; row < rows; row++)
        {
            var middle = (head + (row * RowHeight) + (RowHeight / 2)) * Scale;
            Calibration(canvas, gain, middle);
            if (twelve && row < Layout.Length)
            {
                for (var column = 0; column < Columns; column++)
                    Trace(canvas, card, record, Layout[row][column], column * 2.5, (column + 1) * 2.5, (middle, head * Scale), gain, column > 0);
            }
            else
            {
                var rhythm = card.Leads.Contains(Rhythm) ? Rhythm : card.Leads[0];
                Trace(canvas, card, record, twelve ? rhythm : card.Leads[row], 0, 10, (middle, head * Scale), gain, false);
            }
        }

        return canvas.Picture;
    }

    /// <summary>Draws records of two sets beside each other, as real ones and generated ones.</summary>
    /// <param name="left">Sets, records and titles of the left side.</param>
    /// <param name="right">Those of the right side.</param>
    /// <returns>One picture, a row for each pair.</returns>
    public Picture Beside(IReadOnlyList<(EcgCard Card, EcgRecord Record, string Title)> left, IReadOnlyList<(EcgCard Card, EcgRecord Record, string Title)> right)
    {
        ArgumentNullException.ThrowIfNull(left);
        ArgumentNullException.ThrowIfNull(right);
        const int Gap = 12;
        var sides = new[] { left, right }.Select(side => side.Select(s => Draw(s.Card, s.Record, s.Title)).ToArray()).ToArray();
        var rows = Math.Max(left.Count, right.Count);
        ArgumentOutOfRangeException.ThrowIfZero(rows, nameof(left));
        var widths = sides.Select(side => side.Select(p => p.Width).DefaultIfEmpty(0).Max()).ToArray();
        var heights = Enumerable.Range(0, rows).Select(row => sides.Max(side => row < side.Length ? side[row].Height : 0)).ToArray();
        var canvas = new Canvas(widths.Sum() + Gap, heights.Sum() + (Gap * (rows - 1)), Rgb.White);
        var top = 0;
        for (var row = 0; row < rows; row++)
        {
            for (var side = 0; side < 2; side++)
            {
                if (row < sides[side].Length)
                    canvas.Paste(sides[side][row], side * (widths[0] + Gap), top);
            }

            top += heights[row] + Gap;
        }

        return canvas.Picture;
    }

    private void Grid(Canvas canvas, int width, int height, int head)
    {
        foreach (var coarse in (ReadOnlySpan<bool>)[false, true])
        {
            var (colour, step) = (coarse ? Coarse : Fine, coarse ? 5 : 1);
            for (var x = 0; x <= width / Scale; x += step)
                canvas.Fill(x * Scale, head * Scale, (x * Scale) + 1, height + 1, colour);
            for (var y = head; y <= height / Scale; y += step)
                canvas.Fill(0, y * Scale, width + 1, (y * Scale) + 1, colour);
        }
    }

    /// <summary>1 mV over 0.2 s, or one unit.</summary>
    private void Calibration(Canvas canvas, double gain, int middle)
    {
        double left = 2 * Scale, top = middle - (gain * Scale);
        (double, double)[] pulse = [(left, middle), (left + Scale, middle), (left + Scale, top), (left + (6 * Scale), top), (left + (6 * Scale), middle), (left + (7 * Scale), middle)];
        canvas.Polyline(pulse, Ink, Line, 0, (0, Math.Max(0, (int)top - 4), 10 * Scale, (int)(gain * Scale) + 8));
    }

    private void Trace(Canvas canvas, EcgCard card, EcgRecord record, string lead, double from, double to, (int Middle, int Head) place, double gain, bool isNext)
    {
        var middle = place.Middle;
        var samples = record.Lead(card.Leads.ToList().IndexOf(lead));
        var (first, last) = ((int)Math.Round(from * card.SamplingRate), (int)Math.Min(samples.Length - 1, Math.Round(to * card.SamplingRate)));
        var start = 10.0 * Scale;
        int x0 = (int)(start + (from * MillimetresASecond * Scale)), x1 = (int)(start + (to * MillimetresASecond * Scale));
        // A trace may reach into the next row, as on paper, but neither beyond it nor into the head.
        int reach = RowHeight * Scale, top = Math.Max(place.Head, middle - reach);
        var clip = (X: x0, Y: top, Width: x1 - x0 + 1, Height: Math.Min(canvas.Picture.Height, middle + reach) - top);
        var points = new List<(double X, double Y)>();
        for (var t = first; t <= last; t++)
        {
            if (float.IsFinite(samples[t]))
                points.Add((start + (t / card.SamplingRate * MillimetresASecond * Scale), middle + 0.5 - (samples[t] * gain * Scale)));
            if ((!float.IsFinite(samples[t]) || t == last) && points.Count > 0)
            {
                canvas.Polyline(points, Ink, Line, 0, clip);
                points.Clear();
            }
        }

        if (isNext) // the mark between two leads of a row
            canvas.Fill(x0, middle - (3 * Scale), x0 + 1, middle + (3 * Scale), Ink);
        canvas.Text(lead, x0 + Scale, middle - (RowHeight / 2 * Scale) + (3 * Scale), Rgb.Black, TextScale);
    }

    private double Line => Math.Max(1, Scale / 3.0);
}
