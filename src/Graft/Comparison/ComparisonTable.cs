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
/// <param name="Higher">Whether higher is better; null: neither, it is reported and decides nothing.</param>
public sealed record ComparisonColumn(string Metric, string Value, string Title, bool? Higher)
{
    /// <summary>The feature network that looked, or <c>pixels</c>; empty where items are compared in one way only.</summary>
    public string Space { get; init; } = "";

    /// <summary>The title, and an arrow to the better side.</summary>
    internal string Heading => Higher switch
    {
        true => $"{Title} ↑",
        false => $"{Title} ↓",
        null => Title,
    };
}

/// <summary>What the finished cells of a comparison say, gathered over seeds.</summary>
public sealed class ComparisonTable
{
    private readonly Dictionary<ComparisonCell, JsonObject> _cells = [];

    /// <summary>Reads the cells that are there.</summary>
    /// <param name="recipe">The comparison.</param>
    /// <exception cref="InputException">A cell is no JSON, or was made with other settings than the recipe's.</exception>
    public ComparisonTable(CompareRecipe recipe)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        (Recipe, Kind) = (recipe, ComparisonKinds.Of(recipe));
        foreach (var cell in ComparisonRun.Cells(recipe))
        {
            if (cell.Read(recipe) is { } json)
                _cells[cell] = json;
        }

        Columns = [.. ColumnsOf()];
    }

    /// <summary>The comparison.</summary>
    public CompareRecipe Recipe { get; }

    /// <summary>What it looks at.</summary>
    internal IComparisonKind Kind { get; }

    /// <summary>The command that makes the table again; null: it is not said.</summary>
    public string? Command { get; init; }

    /// <summary>The values that are shown.</summary>
    public IReadOnlyList<ComparisonColumn> Columns { get; }

    /// <summary>Cells that are finished, and of how many.</summary>
    public (int Done, int Of) Progress => (_cells.Count, ComparisonRun.Cells(Recipe).Count());

    /// <summary>Steps at which a method was measured on a target.</summary>
    public IEnumerable<long> Steps(string method) => Recipe.Methods.ContainsKey(method) && method != ComparisonCell.SourceName ? Recipe.At : [0L];

    /// <summary>A value over the seeds; null where no cell is finished.</summary>
    public SeedSpread? At(string target, string method, long step, ComparisonColumn column) => SeedSpread.Of(
        [.. Cells(target, method, step).Select(c => (double?)c["metrics"]?[column.Metric]?["values"]?[column.Value]?["value"]).OfType<double>()]);

    /// <summary>Seconds of training over the seeds.</summary>
    public SeedSpread? Seconds(string target, string method, long step) =>
        SeedSpread.Of([.. Cells(target, method, step).Select(c => (double?)c["training_seconds"]).OfType<double>()]);

    /// <summary>
    /// Whether a method differs from the recipe's baseline beyond the seeds: only where the worse end of one's seeds is ahead of the
    /// better end of the other's. Open where ranges meet, where a side has a single seed, and for the baseline itself.
    /// </summary>
    /// <param name="target">The target.</param>
    /// <param name="method">The method.</param>
    /// <param name="step">Its step.</param>
    /// <param name="baselineStep">The baseline's step.</param>
    /// <param name="column">What is compared.</param>
    public Standing Against(string target, string method, long step, long baselineStep, ComparisonColumn column) =>
        Recipe.Baseline is { } baseline && method != baseline
            && column.Higher is { } higher && At(target, method, step, column) is { } own && At(target, baseline, baselineStep, column) is { } other
            ? own.Against(other, higher)
            : Standing.Open;

    /// <summary>
    /// What decides when a method was at its best: of pictures the kernel distance in each feature network (none without such networks),
    /// of points the sliced 2-Wasserstein distance, of ECGs the utility where it is asked for.
    /// </summary>
    public IEnumerable<ComparisonColumn> Judges => Columns.Where(c => c.Value == Kind.Quality);

    /// <summary>The step at which a method's mean over the seeds was best; null where no cell is finished, or every one copies too much.</summary>
    /// <param name="target">The target.</param>
    /// <param name="method">The method.</param>
    /// <param name="judge">What decides.</param>
    /// <param name="copies">The largest share of memorised samples, seen through the judge's network; null: any.</param>
    public long? BestStep(string target, string method, ComparisonColumn judge, double? copies = null)
    {
        ArgumentNullException.ThrowIfNull(judge);
        var share = copies is null ? null : Columns.FirstOrDefault(c => c.Value == Kind.Copies && c.Space == judge.Space);
        return Steps(method)
            .Where(s => At(target, method, s, judge) is not null && (share is null || At(target, method, s, share)?.Mean <= copies))
            .Select(s => (long?)s)
            .MinBy(s => At(target, method, s!.Value, judge)!.Value.Mean * (judge.Higher == true ? -1 : 1));
    }

    /// <summary>The ways in which each method is shown at its best: a heading, what decides, and the copies that are allowed.</summary>
    internal IEnumerable<(string Heading, ComparisonColumn Judge, double? Copies)> Bests() => Recipe.At.Count == 1 && !Kind.ShowsBestOfOneStep ? [] : Judges.SelectMany(judge => new (string, ComparisonColumn, double?)[]
    {
        ($"Each method at its {(judge.Higher == true ? "highest" : "lowest")} {judge.Title}", judge, null),
        (string.Create(CultureInfo.InvariantCulture, $"Each method at its {(judge.Higher == true ? "highest" : "lowest")} {judge.Title} with at most {Recipe.CopiesAtMost:0.#%} memorised"), judge, Recipe.CopiesAtMost),
    });

    /// <summary>The rows of a way: method, its step, and the step of the baseline that it is held against.</summary>
    internal IEnumerable<(string Method, long Step, long BaselineStep)> RowsOf(string target, ComparisonColumn judge, double? copies)
    {
        foreach (var method in Recipe.Methods.Keys)
        {
            if (BestStep(target, method, judge, copies) is { } best)
                yield return (method, best, Recipe.Baseline is { } baseline ? BestStep(target, baseline, judge, copies) ?? best : best);
        }
    }

    /// <summary>The whole as Markdown.</summary>
    public string ToMarkdown()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"# {Recipe.Name}").AppendLine();
        text.AppendLine(Recipe.About.Trim()).AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Progress.Done} of {Progress.Of} cells are finished. Source `{Recipe.Source}`; {Recipe.Samples} samples, {Recipe.Sampler} with {Recipe.SampleSteps} steps; seeds {string.Join(", ", Recipe.Seeds)}: mean ± standard deviation over them.").AppendLine();
        if (MarksMeaning.Length > 0)
            text.AppendLine(MarksMeaning).AppendLine();
        if (Kind.Legend.Length > 0)
            text.AppendLine(Kind.Legend).AppendLine();
        if (Command is not null)
            text.AppendLine(CultureInfo.InvariantCulture, $"Made again by `{Command}`.").AppendLine();
        foreach (var judge in Overviews)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"## {judge.Title} of every target, at step {Recipe.At[^1]}").AppendLine();
            text.AppendLine($"| method | {string.Join(" | ", Recipe.Targets.Keys)} |");
            text.AppendLine($"|---|{string.Concat(Enumerable.Repeat("---|", Recipe.Targets.Count))}");
            foreach (var method in RowsOf(Recipe.Targets.Keys.First()))
                text.AppendLine($"| {method} | {string.Join(" | ", Recipe.Targets.Keys.Select(t => Value(t, method, Steps(method).Last(), Steps(method).Last(), judge)))} |");
            text.AppendLine();
        }

        foreach (var target in Recipe.Targets.Keys)
        {
            var any = _cells.FirstOrDefault(c => c.Key.Target == target).Value;
            if (any is null)
                continue;
            text.AppendLine(CultureInfo.InvariantCulture, $"## {target}: {any[$"training_{Kind.Noun}"]} training {Kind.Noun}, {((int)any[$"reference_{Kind.Noun}"]! == 0 ? "none" : any[$"reference_{Kind.Noun}"])} for reference").AppendLine();
            Head();
            foreach (var method in RowsOf(target))
            {
                foreach (var step in Steps(method).Where(s => Cells(target, method, s).Any()))
                    Row(target, method, step, step);
            }

            foreach (var (heading, judge, copies) in Bests())
            {
                text.AppendLine();
                text.AppendLine(CultureInfo.InvariantCulture, $"{heading}:").AppendLine();
                Head();
                foreach (var (method, step, baselineStep) in RowsOf(target, judge, copies))
                    Row(target, method, step, baselineStep);
            }

            text.AppendLine();
        }

        return text.Append(CostTable.ToMarkdown(this)).ToString();

        void Head()
        {
            text.AppendLine($"| method | step | seconds | {string.Join(" | ", Columns.Select(c => c.Heading))} |");
            text.AppendLine($"|---|---|---|{string.Concat(Enumerable.Repeat("---|", Columns.Count))}");
        }

        void Row(string target, string method, long step, long baselineStep) => text.AppendLine(
            $"| {method} | {step} | {Seconds(target, method, step)} | {string.Join(" | ", Columns.Select(c => Value(target, method, step, baselineStep, c)))} |");
    }

    /// <summary>A value with its mark.</summary>
    internal string Value(string target, string method, long step, long baselineStep, ComparisonColumn column) =>
        (At(target, method, step, column)?.ToString() ?? "-") + Against(target, method, step, baselineStep, column) switch
        {
            Standing.Better => " ▲",
            Standing.Worse => " ▼",
            _ => "",
        };

    /// <summary>What the marks mean, or nothing where the recipe names no baseline.</summary>
    internal string MarksMeaning => Recipe.Baseline is { } baseline
        ? $"▲ better and ▼ worse than {baseline} beyond the seeds: the worst seed of one is ahead of the best of the other. No mark: their ranges meet."
        : "";

    /// <summary>Where the targets differ in their number of items only: what is shown of all of them side by side.</summary>
    internal IEnumerable<ComparisonColumn> Overviews => Recipe.Targets.Count > 1 && Kind.IsOneDomain(Recipe) ? Judges : [];

    /// <summary>The rows of a target: those that need no training, and the methods.</summary>
    internal IEnumerable<string> RowsOf(string target) => Kind.RowsBeside(Recipe, target).Concat(Recipe.Methods.Keys);

    /// <summary>How many items a target trains on; null where no cell is finished.</summary>
    internal int? TrainingCount(string target) => (int?)_cells.FirstOrDefault(c => c.Key.Target == target).Value?[$"training_{Kind.Noun}"];

    /// <summary>Every cell as one JSON array.</summary>
    public JsonArray ToJson() => new([.. _cells.Values.Select(c => c.DeepClone())]);

    /// <summary>Writes <c>results.md</c> and <c>results.json</c> into the comparison's folder.</summary>
    public void Write()
    {
        AtomicFile.WriteText(Path.Combine(Recipe.Out, "results.json"), ToJson().ToJsonString(JsonStyle.Indented) + "\n");
        AtomicFile.WriteText(Path.Combine(Recipe.Out, "results.md"), ToMarkdown());
    }

    /// <summary>The finished cells of a method at a step, of every target and seed.</summary>
    internal IReadOnlyList<JsonObject> CellsOf(string method, long step) => [.. _cells.Where(c => c.Key.Method == method && c.Key.Step == step).Select(c => c.Value)];

    internal JsonObject? Cell(ComparisonCell cell) => _cells.GetValueOrDefault(cell);

    private IEnumerable<JsonObject> Cells(string target, string method, long step) =>
        _cells.Where(c => c.Key.Target == target && c.Key.Method == method && c.Key.Step == step).Select(c => c.Value);

    private IEnumerable<ComparisonColumn> ColumnsOf()
    {
        // A value that one cell could not say, others may.
        foreach (var metric in _cells.Values.SelectMany(c => c["metrics"]!.AsObject()).GroupBy(m => m.Key))
        {
            foreach (var measure in Kind.Measures.Where(m => metric.Any(found => found.Value!["values"]![m.Value] is not null)))
                yield return Kind.ColumnOf(metric.Key, measure);
        }
    }
}
