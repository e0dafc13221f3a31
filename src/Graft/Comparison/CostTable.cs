using System.Globalization;
using System.Text;

namespace Graft.Comparison;

/// <summary>What each method costs at its last step: parameters that it trains, seconds, and the most memory that its training held.</summary>
internal static class CostTable
{
    private const double Mebi = 1 << 20;

    /// <summary>The table as Markdown; empty where no cell says what it cost.</summary>
    internal static string ToMarkdown(ComparisonTable table)
    {
        var text = new StringBuilder();
        foreach (var method in table.Recipe.Methods.Where(m => m.Value.Like is null).Select(m => m.Key))
        {
            var cells = table.CellsOf(method, table.Recipe.At[^1]);
            if (!cells.Any(c => c["model_parameters"] is not null))
                continue;
            var (trained, whole) = ((double?)cells[0]["trained_parameters"] ?? 0, (double?)cells[0]["model_parameters"] ?? 0);
            double[] peaks = [.. cells.Select(c => (double?)c["training_peak_bytes"]).OfType<double>()];
            text.AppendLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {method} | {trained:N0} | {trained / whole:P1} | {cells.Average(c => (double)c["training_seconds"]!):0} | {(peaks.Length == 0 ? "-" : (peaks.Max() / Mebi).ToString("0", CultureInfo.InvariantCulture))} |"));
        }

        return text.Length == 0
            ? ""
            : $"""
               ## What each method costs

               At step {table.Recipe.At[^1]}, over all targets and seeds; memory is the whole process's peak while it trained.

               | method | trained parameters | of the model's | seconds of training (mean) | peak memory, MiB |
               |---|---|---|---|---|
               {text}
               """;
    }
}
