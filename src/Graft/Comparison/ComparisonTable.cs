using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Recipes;

namespace Graft.Comparison;

/// <summary>A value that a comparison shows, and which way is better.</summary>
/// <param name="Metric">The metric's name.</param>
/// <param name="Value">The value's name within it.</param>
/// <param name="Title">What a column is called.</param>
/// <param name="Higher">Whether higher is better.</param>
public sealed record ComparisonColumn(string Metric, string Value, string Title, bool Higher);

/// <summary>Mean and spread over the seeds.</summary>
/// <param name="Mean">Mean.</param>
/// <param name="Deviation">Deviation (divisor: seeds less one); null of one seed.</param>
/// <param name="Seeds">How many.</param>
public readonly record struct SeedSpread(double Mean, double? Deviation, int Seeds)
{
    internal static SeedSpread? Of(IReadOnlyList<double> values) => values.Count == 0 ? null : new SeedSpread(
        values.Average(),
        values.Count > 1 ? Math.Sqrt(values.Sum(v => Math.Pow(v - values.Average(), 2)) / (values.Count - 1)) : null,
        values.Count);

    /// <inheritdoc/>
    public override string ToString() => Deviation is { } deviation
        ? string.Create(CultureInfo.InvariantCulture, $"{Mean:G3} ± {deviation:G2}")
        : Mean.ToString("G3", CultureInfo.InvariantCulture);
}

/// <summary>What the finished cells of a comparison say, gathered over seeds.</summary>
public sealed class ComparisonTable
{
    private static readonly (string Value, string Title, bool Higher)[] Shown =
    [
        ("frechet_distance", "Fréchet", false), ("kernel_distance", "kernel", false), ("intra_distance", "intra", true),
        ("memorised_share", "memorised", false), ("precision", "precision", true), ("recall", "recall", true),
    ];

    private readonly Dictionary<ComparisonCell, JsonObject> _cells = [];

    /// <summary>Reads the cells that are there.</summary>
    /// <param name="recipe">The comparison.</param>
    /// <exception cref="InputException">A cell is no JSON, or was made with other settings than the recipe's.</exception>
    public ComparisonTable(CompareRecipe recipe)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        Recipe = recipe;
        foreach (var cell in ComparisonRun.Cells(recipe))
        {
            if (cell.Read(recipe) is { } json)
                _cells[cell] = json;
        }

        Columns = [.. ColumnsOf(_cells.Values)];
    }

    /// <summary>The comparison.</summary>
    public CompareRecipe Recipe { get; }

    /// <summary>The command that makes the table again; null: it is not said.</summary>
    public string? Command { get; init; }

    /// <summary>The values that are shown.</summary>
    public IReadOnlyList<ComparisonColumn> Columns { get; }

    /// <summary>Cells that are finished, and of how many.</summary>
    public (int Done, int Of) Progress => (_cells.Count, ComparisonRun.Cells(Recipe).Count());

    /// <summary>Steps at which a method was measured on a target.</summary>
    public IEnumerable<long> Steps(string method) => method == ComparisonCell.SourceName ? [0L] : Recipe.At;

    /// <summary>A value over the seeds; null where no cell is finished.</summary>
    public SeedSpread? At(string target, string method, long step, ComparisonColumn column) => SeedSpread.Of(
        [.. Cells(target, method, step).Select(c => (double?)c["metrics"]?[column.Metric]?["values"]?[column.Value]?["value"]).OfType<double>()]);

    /// <summary>Seconds of training over the seeds.</summary>
    public SeedSpread? Seconds(string target, string method, long step) =>
        SeedSpread.Of([.. Cells(target, method, step).Select(c => (double?)c["training_seconds"]).OfType<double>()]);

    /// <summary>The whole as Markdown.</summary>
    public string ToMarkdown()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"# {Recipe.Name}").AppendLine();
        text.AppendLine(Recipe.About.Trim()).AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Progress.Done} of {Progress.Of} cells are finished. Source `{Recipe.Source}`; {Recipe.Samples} samples, {Recipe.Sampler} with {Recipe.SampleSteps} steps; seeds {string.Join(", ", Recipe.Seeds)}: mean ± standard deviation over them.").AppendLine();
        if (Command is not null)
            text.AppendLine(CultureInfo.InvariantCulture, $"Made again by `{Command}`.").AppendLine();
        foreach (var target in Recipe.Targets.Keys)
        {
            var any = _cells.FirstOrDefault(c => c.Key.Target == target).Value;
            if (any is null)
                continue;
            text.AppendLine(CultureInfo.InvariantCulture, $"## {target}: {any["training_pictures"]} training pictures, {((int)any["reference_pictures"]! == 0 ? "none" : any["reference_pictures"])} for reference").AppendLine();
            text.AppendLine($"| method | step | seconds | {string.Join(" | ", Columns.Select(c => $"{c.Title} {(c.Higher ? "↑" : "↓")}"))} |");
            text.AppendLine($"|---|---|---|{string.Concat(Enumerable.Repeat("---|", Columns.Count))}");
            foreach (var method in Recipe.Methods.Keys.Prepend(ComparisonCell.SourceName))
            {
                foreach (var step in Steps(method).Where(s => Cells(target, method, s).Any()))
                    text.AppendLine($"| {method} | {step} | {Seconds(target, method, step)} | {string.Join(" | ", Columns.Select(c => At(target, method, step, c)?.ToString() ?? "-"))} |");
            }

            text.AppendLine();
        }

        return text.ToString();
    }

    /// <summary>Every cell as one JSON array.</summary>
    public JsonArray ToJson() => new([.. _cells.Values.Select(c => c.DeepClone())]);

    /// <summary>Writes <c>results.md</c> and <c>results.json</c> into the comparison's folder.</summary>
    public void Write()
    {
        AtomicFile.WriteText(Path.Combine(Recipe.Out, "results.json"), ToJson().ToJsonString(JsonStyle.Indented) + "\n");
        AtomicFile.WriteText(Path.Combine(Recipe.Out, "results.md"), ToMarkdown());
    }

    internal JsonObject? Cell(ComparisonCell cell) => _cells.GetValueOrDefault(cell);

    private IEnumerable<JsonObject> Cells(string target, string method, long step) =>
        _cells.Where(c => c.Key.Target == target && c.Key.Method == method && c.Key.Step == step).Select(c => c.Value);

    private static IEnumerable<ComparisonColumn> ColumnsOf(IEnumerable<JsonObject> cells)
    {
        var metrics = cells.SelectMany(c => c["metrics"]!.AsObject()).GroupBy(m => m.Key).Select(g => g.First()).ToList();
        foreach (var (metric, found) in metrics)
        {
            foreach (var (value, title, higher) in Shown)
            {
                if (found!["values"]![value] is null)
                    continue;
                var space = metric.Contains('_', StringComparison.Ordinal) ? metric[(metric.LastIndexOf('_') + 1)..] : "pixels";
                yield return new ComparisonColumn(metric, value, $"{title} ({space})", higher);
            }
        }
    }
}
