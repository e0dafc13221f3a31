using System.Globalization;
using System.Net;
using System.Text;
using Graft.Charts;
using Graft.Formats;
using Graft.Formats.Images;

namespace Graft.Comparison;

/// <summary>A comparison as one HTML file that needs nothing else: tables, curves over training, sheets of samples, copied pictures.</summary>
public static class ComparisonPage
{
    private const string Style = """
        body { font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em; color: #222; }
        table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1em 0; }
        th, td { padding: .25em .7em; border-bottom: 1px solid #ddd; text-align: right; }
        th:first-child, td:first-child { text-align: left; }
        .best { font-weight: 600; background: #e8f3ea; }
        figure { display: inline-block; margin: .5em; vertical-align: top; }
        figcaption { font-size: 13px; color: #555; max-width: 420px; }
        img { image-rendering: pixelated; max-width: 100%; border: 1px solid #eee; }
        .sheet img { width: 420px; }
        """;

    private static readonly (string Word, string Meaning)[] Meanings =
    [
        ("Fréchet", "distance between Gaussians fitted to the features of samples and of reference pictures: quality and variety in one number. FID only where the network is FID's."),
        ("kernel", "the same question without Gaussians, unbiased for few pictures; may come out below 0. KID only where the network is FID's."),
        ("intra", "mean distance between samples that resemble the same training picture (protocol of CDC): diversity. 0 is all copies."),
        ("memorised", "share of samples nearer to a training picture than half of the median distance of these to each other."),
        ("precision", "share of samples that lie among the reference pictures."),
        ("recall", "share of reference pictures that lie among the samples."),
    ];

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
        foreach (var (word, meaning) in Meanings)
            html.Append(CultureInfo.InvariantCulture, $"<li><b>{word}</b>: {Text(meaning)}</li>");
        html.Append("</ul><p>The network that looked is in brackets; numbers of different networks, counts or targets cannot be compared. The best mean of a column at the last step is marked; whether it is best beyond the spread of the seeds is for the reader to see.</p>");
        foreach (var target in recipe.Targets.Keys)
            Target(html, table, target);
        return html.Append("</html>\n").ToString();
    }

    private static void Target(StringBuilder html, ComparisonTable table, string target)
    {
        var recipe = table.Recipe;
        html.Append(CultureInfo.InvariantCulture, $"<h2>{Text(target)}</h2><table><tr><th>method</th><th>step</th><th>seconds</th>");
        foreach (var column in table.Columns)
            html.Append(CultureInfo.InvariantCulture, $"<th>{Text(column.Title)} {(column.Higher ? "↑" : "↓")}</th>");
        html.Append("</tr>");
        foreach (var method in recipe.Methods.Keys.Prepend(ComparisonCell.SourceName))
        {
            foreach (var step in table.Steps(method).Where(s => table.Seconds(target, method, s) is not null))
            {
                html.Append(CultureInfo.InvariantCulture, $"<tr><td>{Text(method)}</td><td>{step}</td><td>{table.Seconds(target, method, step)}</td>");
                foreach (var column in table.Columns)
                    html.Append(CultureInfo.InvariantCulture, $"<td{(step == recipe.At[^1] && IsBest(table, target, method, column) ? " class=\"best\"" : "")}>{table.At(target, method, step, column)?.ToString() ?? "-"}</td>");
                html.Append("</tr>");
            }
        }

        html.Append("</table>");
        if (recipe.At.Count > 1)
        {
            foreach (var column in table.Columns)
                Figure(html, Curve(table, target, column), $"{column.Title} over training", "");
        }

        foreach (var method in recipe.Methods.Keys)
        {
            var cell = new ComparisonCell(target, method, recipe.Seeds[0], recipe.At[^1]);
            if (table.Cell(cell) is null)
                continue;
            html.Append(CultureInfo.InvariantCulture, $"<h3>{Text(method)}, step {cell.Step}, seed {cell.Seed}</h3>");
            Sheet(html, cell.Sheet(recipe.Out), "the first samples, none left out", "sheet");
            Sheet(html, cell.Nearest(recipe.Out), "the most copied samples beside their nearest training pictures", "");
        }
    }

    private static bool IsBest(ComparisonTable table, string target, string method, ComparisonColumn column)
    {
        var step = table.Recipe.At[^1];
        var means = table.Recipe.Methods.Keys.Select(m => table.At(target, m, step, column)?.Mean).OfType<double>().ToList();
        return table.At(target, method, step, column)?.Mean is { } own && own.Equals(column.Higher ? means.Max() : means.Min());
    }

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
