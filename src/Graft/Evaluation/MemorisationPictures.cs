using System.Globalization;
using Graft.Charts;
using Graft.Data;
using Graft.Data.Ecg;
using Graft.Evaluation.Ecg;
using Graft.Formats.Images;

namespace Graft.Evaluation;

/// <summary>Memorisation to look at: the curve, and the most copied samples beside what they copy.</summary>
public static class MemorisationPictures
{
    private const int Shown = 20;
    private const int Columns = 4;
    private const int PictureEdge = 96; // pixels that a small picture is enlarged to, about
    private const int FontScale = 2;

    /// <summary>Both pictures by file name: <c>nearest.png</c> (where the samples are pictures or ECGs) and <c>memorisation.png</c>.</summary>
    public static IReadOnlyDictionary<string, Picture> Of(Memorisation found)
    {
        var pictures = new Dictionary<string, Picture>();
        if (found.Samples is IImageSource)
            pictures["nearest.png"] = Nearest(found);
        else if (found.Samples is EcgItems)
            pictures["nearest.png"] = EcgPictures.Nearest(found);
        pictures["memorisation.png"] = Curve(found);
        return pictures;
    }

    /// <summary>
    /// The share of samples, and of training pictures among themselves, that lies nearer than each distance: in multiples of the
    /// median leave-one-out distance, or in the space's own unit where that does not exist.
    /// </summary>
    public static Picture Curve(Memorisation found)
    {
        var unit = found.NoShare is null ? found.MedianLeaveOneOut!.Value : 1;
        var end = found.NoShare is null ? 2 : Axis.Around(found.Nearest.Select(n => n.Distance).Append(0)).To;
        var series = new List<Series>
        {
            new() { Label = $"{found.Nearest.Count} samples", Points = Cumulative(found.Nearest, unit, end) },
        };
        if (found.LeaveOneOut.Count > 0)
            series.Add(new() { Label = $"{found.LeaveOneOut.Count} training {found.Training.Noun()}, each left out", Points = Cumulative(found.LeaveOneOut, unit, end) });
        var title = $"Distance to the nearest training {found.Training.Noun()[..^1]}";
        if (found.Memorised is { } share)
        {
            series.Add(new() { Label = "half of their median", Points = [(Memorisation.Bar, 0), (Memorisation.Bar, 1)], Colour = new Rgb(90, 90, 90), Dashed = true, Width = 1.5 });
            title += $": {share} memorised";
        }

        return new Chart
        {
            Title = title,
            XLabel = found.NoShare is null ? "multiple of the median leave-one-out distance" : $"distance, {found.Distance.Name}",
            YLabel = "share below",
            XRange = (0, end),
            YRange = (0, 1),
            Series = [.. series.Select(s => s.Dashed ? s : s with { Kind = SeriesKind.Steps })],
        }.Draw();
    }

    /// <summary>Pairs, the most copied first: a sample, its nearest training picture (mirrored where that is nearer), and the distance below.</summary>
    public static Picture Nearest(Memorisation found)
    {
        var order = Enumerable.Range(0, found.Nearest.Count).OrderBy(i => found.Nearest[i].Distance).Take(Shown).ToArray();
        var (samples, trained) = (found.Samples.Pictures("A sheet of copies shows"), found.Training.Pictures("A sheet of copies shows"));
        var shape = samples.Shape;
        var scale = Math.Max(1, (int)Math.Round(PictureEdge / (double)Math.Max(shape.Width, shape.Height)));
        var (width, height) = (shape.Width * scale, shape.Height * scale);
        var captions = order.Select(i => Caption(found, found.Nearest[i])).ToArray();
        var (gap, line) = (12, Canvas.HeightOf(FontScale) + 6);
        var cell = Math.Max((2 * width) + 2, captions.Max(c => c.Max(l => Canvas.WidthOf(l, FontScale)))) + gap;
        var tall = height + (captions.Max(c => c.Length) * line) + gap;
        var across = Math.Min(Columns, order.Length);
        var sheetWidth = Math.Max((across * cell) + gap, 480);
        var title = Chart.Wrap($"Left: sample. Right: its nearest training picture. Below: {found.Distance.Name}{(found.NoShare is null ? ", and as a multiple of the median leave-one-out distance" : "")}.", sheetWidth - (2 * gap));
        var head = gap + (title.Count * line) + gap;
        var canvas = new Canvas(sheetWidth, head + ((order.Length + across - 1) / across * tall), Rgb.White);
        for (var i = 0; i < title.Count; i++)
            canvas.Text(title[i], gap, gap + (i * line), Rgb.Black, FontScale);
        for (var k = 0; k < order.Length; k++)
        {
            var (x, y) = (gap + (k % across * cell), head + (k / across * tall));
            var neighbour = found.Nearest[order[k]];
            var training = trained.ToPicture(neighbour.Index);
            canvas.Paste(samples.ToPicture(order[k]), x, y, scale);
            canvas.Paste(neighbour.Mirrored ? training.FlipHorizontal() : training, x + width + 2, y, scale);
            for (var i = 0; i < captions[k].Length; i++)
                canvas.Text(captions[k][i], x, y + height + 4 + (i * line), Rgb.Black, FontScale);
        }

        return canvas.Picture;
    }

    private static string[] Caption(Memorisation found, Neighbour neighbour)
    {
        var distance = neighbour.Distance.ToString("0.000", CultureInfo.InvariantCulture);
        var multiple = found.NoShare is null ? string.Create(CultureInfo.InvariantCulture, $" ={neighbour.Distance / found.MedianLeaveOneOut!.Value,5:0.00} x") : "";
        return neighbour.Mirrored ? [distance + multiple, "mirrored"] : [distance + multiple];
    }

    private static List<(double X, double Y)> Cumulative(IReadOnlyList<Neighbour> neighbours, double unit, double end)
    {
        var points = new List<(double X, double Y)> { (0, 0) };
        var sorted = neighbours.Select(n => n.Distance / unit).Order().ToArray();
        for (var i = 0; i < sorted.Length && sorted[i] <= end; i++)
            points.Add((sorted[i], (i + 1) / (double)sorted.Length));
        points.Add((end, points[^1].Y));
        return points;
    }
}
