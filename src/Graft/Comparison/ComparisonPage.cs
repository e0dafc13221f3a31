using System.Globalization;
using System.Net;
using System.Text;
using Graft.Charts;
using Graft.Formats;
using Graft.Formats.Images;

namespace Graft.Comparison;

/// <summary>A comparison as one HTML file that needs nothing else: tables, curves over training, samples to look at.</summary>
public static class ComparisonPage
{
    private const string Style = """
        body { font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em; color: #222; }
        table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1em 0; }
        th, td { padding: .25em .7em; border-bottom: 1px solid #ddd; text-align: right; }
        th:first-child, td:first-child { text-align: left; }
        figure { display: inline-block; margin: .5em; vertical-align: top; }
        figcaption { font-size: 13px; color: #555; max-width: 420px; }
        img { image-rendering: pixelated; max-width: 100%; border: 1px solid #eee; }
        .sheet img { width: 420px; }
        """;

    /// <summary>Writes <c>report.html</c> into the comparison's folder.</summary>
    /// <returns>The file.</returns>
    public static string Write(ComparisonTable table)
    {
        ArgumentNullException.ThrowIfNull(table);
        var path = Path.Combine(table.Recipe.Out, "report.html");
        AtomicFile.WriteText(path, Of(table));
        return path;
    }

    /// <summary>The page.</summary>
    public static string Of(ComparisonTable table)
    {
        ArgumentNullException.ThrowIfNull(table);
        var recipe = table.Recipe;
        var html = new StringBuilder();
        html.Append(CultureInfo.InvariantCulture, $"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{Text(recipe.Name)}</title><style>{Style}</style>");
        html.Append(CultureInfo.InvariantCulture, $"<h1>{Text(recipe.Name)}</h1><p>{Text(recipe.About)}</p><p>{table.Progress.Done} of {table.Progress.Of} cells are finished. Source <code>{Text(recipe.Source)}</code>; {recipe.Samples} samples by {Text(recipe.Sampler)} with {recipe.SampleSteps} steps; seeds {string.Join(", ", recipe.Seeds)}: mean ± standard deviation over them.{(table.Command is null ? "" : $" Made again by <code>{Text(table.Command)}</code>.")}</p>");
        html.Append("<h2>What the numbers mean</h2><ul>");
        foreach (var (word, meaning) in table.Kind.Meanings)
            html.Append(CultureInfo.InvariantCulture, $"<li><b>{word}</b>: {Text(meaning)}</li>");
        html.Append(CultureInfo.InvariantCulture, $"</ul><p>{Text(table.Kind.Footing)}</p>");
        if (table.MarksMeaning.Length > 0)
            html.Append(CultureInfo.InvariantCulture, $"<p>{Text(table.MarksMeaning)}</p>");
        foreach (var judge in table.Overviews)
            Figure(html, OverCounts(table, judge), $"{judge.Title} over the number of training {table.Kind.Noun}, at step {recipe.At[^1]}", "");
        foreach (var target in recipe.Targets.Keys)
            Target(html, table, target);
        return html.Append("</html>\n").ToString();
    }

    private static void Target(StringBuilder html, ComparisonTable table, string target)
    {
        var recipe = table.Recipe;
        html.Append(CultureInfo.InvariantCulture, $"<h2>{Text(target)}</h2>");
        Head(html, table);
        foreach (var method in table.RowsOf(target))
        {
            foreach (var step in table.Steps(method).Where(s => table.Seconds(target, method, s) is not null))
                Row(html, table, target, method, step, step);
        }

        html.Append("</table>");
        foreach (var (heading, judge, copies) in table.Bests())
        {
            html.Append(CultureInfo.InvariantCulture, $"<h3>{Text(heading)}</h3>");
            Head(html, table);
            foreach (var (method, step, baselineStep) in table.RowsOf(target, judge, copies))
                Row(html, table, target, method, step, baselineStep);
            html.Append("</table>");
        }

        foreach (var judge in table.Judges)
        {
            if (table.Columns.FirstOrDefault(c => c.Value == table.Kind.Diversity && c.Space == judge.Space) is { } diversity)
                Figure(html, Paths(table, target, judge, diversity), $"{judge.Title} (left is better) against {diversity.Title} (up is better), from step {recipe.At[0]} to {recipe.At[^1]}", "");
        }

        if (recipe.At.Count > 1)
        {
            foreach (var column in table.Columns)
                Figure(html, Curve(table, target, column), $"{column.Title} over training", "");
        }

        foreach (var method in table.RowsOf(target))
        {
            var cell = new ComparisonCell(target, method, recipe.Seeds[0], table.Steps(method).Last());
            if (table.Cell(cell) is null)
                continue;
            html.Append(CultureInfo.InvariantCulture, $"<h3>{Text(method)}, step {cell.Step}, seed {cell.Seed}</h3>");
            foreach (var (suffix, caption, style) in table.Kind.Pictures)
                Sheet(html, cell.Picture(recipe.Out, suffix), caption, style);
        }
    }

    private static void Head(StringBuilder html, ComparisonTable table)
    {
        html.Append("<table><tr><th>method</th><th>step</th><th>seconds</th>");
        foreach (var column in table.Columns)
            html.Append(CultureInfo.InvariantCulture, $"<th>{Text(column.Heading)}</th>");
        html.Append("</tr>");
    }

    private static void Row(StringBuilder html, ComparisonTable table, string target, string method, long step, long baselineStep)
    {
        html.Append(CultureInfo.InvariantCulture, $"<tr><td>{Text(method)}</td><td>{step}</td><td>{table.Seconds(target, method, step)}</td>");
        foreach (var column in table.Columns)
            html.Append(CultureInfo.InvariantCulture, $"<td>{table.Value(target, method, step, baselineStep, column)}</td>");
        html.Append("</tr>");
    }

    /// <summary>Quality to the right, diversity upwards: the path of each method over its steps, a dot for each.</summary>
    private static byte[] Paths(ComparisonTable table, string target, ComparisonColumn quality, ComparisonColumn diversity)
    {
        var paths = table.Recipe.Methods.Keys.Select((method, i) => new Series
        {
            Label = method,
            Colour = Chart.Palette[i % Chart.Palette.Count],
            Points = [.. table.Recipe.At.Select(s => (X: table.At(target, method, s, quality)?.Mean ?? double.NaN, Y: table.At(target, method, s, diversity)?.Mean ?? double.NaN))],
        }).ToList();
        return ImageCodec.EncodePng(new Chart
        {
            Title = Ascii($"{target}: {diversity.Title} over {quality.Title}"),
            XLabel = Ascii(quality.Title),
            Series = [.. paths, .. paths.Select(p => p with { Label = "", Kind = SeriesKind.Points })],
            Width = 560,
            Height = 400,
        }.Draw());
    }

    /// <summary>A value over the number of training items, a line for each row: grey for those that are no method.</summary>
    private static byte[] OverCounts(ComparisonTable table, ComparisonColumn column)
    {
        var targets = table.Recipe.Targets.Keys.Where(t => table.TrainingCount(t) is not null).OrderBy(t => table.TrainingCount(t)).ToList();
        var beside = table.RowsOf(table.Recipe.Targets.Keys.First()).Count() - table.Recipe.Methods.Count;
        return ImageCodec.EncodePng(new Chart
        {
            Title = Ascii($"{column.Title} over training {table.Kind.Noun}"),
            XLabel = $"log10 of training {table.Kind.Noun}",
            Series = [.. table.RowsOf(table.Recipe.Targets.Keys.First()).Select((row, i) => new Series
            {
                Label = row,
                Colour = i < beside ? Grey((byte)Math.Min(200, 80 + (60 * i))) : Chart.Palette[(i - beside) % Chart.Palette.Count],
                Dashed = i - beside >= Chart.Palette.Count,
                Points = [.. targets.Select(t => (X: Math.Log10(table.TrainingCount(t)!.Value), Y: table.At(t, row, table.Steps(row).Last(), column)?.Mean ?? double.NaN))],
            })],
            Width = 640,
            Height = 480,
        }.Draw());
    }

    private static Rgb Grey(byte level) => new(level, level, level);

    private static byte[] Curve(ComparisonTable table, string target, ComparisonColumn column) => ImageCodec.EncodePng(new Chart
    {
        Title = Ascii($"{target}: {column.Title}"),
        XLabel = "steps",
        Series = [.. table.Recipe.Methods.Keys.Select(method => new Series
        {
            Label = method,
            Points = [.. table.Recipe.At.Select(s => (X: (double)s, Y: table.At(target, method, s, column)?.Mean ?? double.NaN)).Where(p => double.IsFinite(p.Y))],
        })],
        Width = 560,
        Height = 320,
    }.Draw());

    /// <summary>A picture of a cell; cells may have been copied without their pictures.</summary>
    private static void Sheet(StringBuilder html, string path, string caption, string kind)
    {
        if (File.Exists(path))
            Figure(html, File.ReadAllBytes(path), caption, kind);
    }

    private static void Figure(StringBuilder html, byte[] png, string caption, string kind) => html.Append(CultureInfo.InvariantCulture,
        $"<figure class=\"{kind}\"><img alt=\"{Text(caption)}\" src=\"data:image/png;base64,{Convert.ToBase64String(png)}\"><figcaption>{Text(caption)}</figcaption></figure>");

    private static string Ascii(string text) => text.Replace('é', 'e');

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
