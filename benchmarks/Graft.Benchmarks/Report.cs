using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Graft.Benchmarks;

/// <summary>Tables for people and numbers for programs.</summary>
internal static class Report
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>A table in Markdown: for each network and kind of step, both sides' times and their ratios.</summary>
    internal static string Markdown(IReadOnlyList<Result> results, ContestOptions options)
    {
        var text = new StringBuilder();
        text.AppendLine("| network | step | threads | opponent | Graft: s (least to most) | opponent: s (least to most) | ratio | ratio of CPU time | Graft: GFLOP/s (of sgemm) | peak memory: Graft, opponent |");
        text.AppendLine("|---|---|---|---|---|---|---|---|---|---|");
        foreach (var (result, timing, kind, theirs) in Lines(results))
        {
            var (ours, name) = (options.Ours.Name, theirs.Name);
            var (wall, other) = (timing.Wall(kind, ours), timing.Wall(kind, name));
            var rate = result.Operations(kind) / wall.Median / 1e9 is { } counted
                ? string.Create(CultureInfo.InvariantCulture, $"{counted:0.0} ({counted / timing.Rate(ours).Median:P0})")
                : "";
            var best = Best(timing, kind, result) == name && result.Theirs.Count > 1 ? "**" : "";
            var memory = result.Memory.TryGetValue((kind, ours), out var bytes)
                ? $"{bytes / 1e6:0} MB, {result.Memory[(kind, name)] / 1e6:0} MB"
                : "not measured";
            text.AppendLine(CultureInfo.InvariantCulture, $"| {result.Subject}, batch {result.Batch} | {kind} | {timing.Threads} | {best}{name}{best} | {Of(wall)} | {Of(other)} | {best}{timing.Ratio(kind, ours, name, m => m.Seconds).Median:0.00}{best} | {timing.Ratio(kind, ours, name, m => m.Cpu).Median:0.00} | {rate} | {memory} |");
        }

        text.AppendLine();
        text.AppendLine("A ratio is the opponent's time over Graft's, the median over rounds: above 1, Graft is faster. The faster variant of the opponent is in bold.");
        foreach (var result in results)
        {
            var rates = result.Timings.Select(t => $"sgemm with {t.Threads} threads " + string.Join(", ", Entries(result, options).Select(e => $"{e.Name} {t.Rate(e.Name).Median:0.0}")));
            var operations = result.Forward is { } forward ? string.Create(CultureInfo.InvariantCulture, $"{forward / 1e9:0.000} GFLOP for one picture forwards") : "operations not counted";
            text.AppendLine(CultureInfo.InvariantCulture, $"- {result.Subject}: {result.Parameters:N0} parameters, {operations}; {string.Join("; ", rates)} GFLOP/s.");
        }

        return text.ToString();
    }

    /// <summary>All that the table says and more.</summary>
    internal static string Json(IReadOnlyList<Result> results, ContestOptions options, string commit)
    {
        var root = new JsonObject
        {
            ["commit"] = commit,
            ["processor"] = Processor(),
            ["processors"] = Environment.ProcessorCount,
            ["device"] = options.Device,
            ["tensor_float_32"] = options.TensorFloat,
            ["rounds"] = options.Rounds,
            ["seed"] = 1,
            ["runtime"] = System.Runtime.InteropServices.RuntimeInformation.FrameworkDescription,
        };
        var networks = new JsonArray();
        foreach (var result in results)
        {
            networks.Add(new JsonObject
            {
                ["network"] = result.Subject,
                ["batch"] = result.Batch,
                ["parameters"] = result.Parameters,
                ["forward_operations_per_picture"] = result.Forward,
                ["libtorch"] = JsonSerializer.SerializeToNode(result.Versions),
                ["parity"] = new JsonArray([.. result.Parity.Select(p => new JsonObject
                {
                    ["opponent"] = p.Theirs, ["what"] = p.Comparison.What, ["difference"] = p.Comparison.Difference, ["allowed"] = p.Comparison.Allowed,
                })]),
                ["timings"] = new JsonArray([.. result.Timings.SelectMany(t => Contest.Kinds.SelectMany(k => Entries(result, options).Select(e => Line(result, t, k, e, options))))]),
            });
        }

        root["networks"] = networks;
        return root.ToJsonString(Indented) + "\n";
    }

    private static JsonObject Line(Result result, Timing timing, string kind, Entry entry, ContestOptions options) => new()
    {
        ["threads"] = timing.Threads,
        ["step"] = kind,
        ["who"] = entry.Name,
        ["steps_per_round"] = timing.Steps[kind],
        ["seconds"] = Node(timing.Wall(kind, entry.Name)),
        ["cpu_seconds"] = Node(timing.Cpu(kind, entry.Name)),
        ["ratio"] = Node(timing.Ratio(kind, options.Ours.Name, entry.Name, m => m.Seconds)),
        ["cpu_ratio"] = Node(timing.Ratio(kind, options.Ours.Name, entry.Name, m => m.Cpu)),
        ["gflops"] = result.Operations(kind) / timing.Wall(kind, entry.Name).Median / 1e9,
        ["sgemm_gflops"] = Node(timing.Rate(entry.Name)),
        ["peak_bytes"] = result.Memory.TryGetValue((kind, entry.Name), out var bytes) ? bytes : null,
    };

    private static JsonObject Node(Spread spread) => new() { ["median"] = spread.Median, ["least"] = spread.Least, ["most"] = spread.Most };

    private static IEnumerable<(Result Result, Timing Timing, string Kind, Entry Theirs)> Lines(IReadOnlyList<Result> results) =>
        from result in results
        from timing in result.Timings
        from kind in Contest.Kinds
        from theirs in result.Theirs
        select (result, timing, kind, theirs);

    private static IEnumerable<Entry> Entries(Result result, ContestOptions options) => [options.Ours, .. result.Theirs];

    private static string Best(Timing timing, string kind, Result result) =>
        result.Theirs.MinBy(e => timing.Wall(kind, e.Name).Median)!.Name;

    private static string Of(Spread spread) =>
        string.Create(CultureInfo.InvariantCulture, $"{spread.Median:0.0000} ({spread.Least:0.0000} to {spread.Most:0.0000})");

    private static string Processor() => File.ReadLines("/proc/cpuinfo")
        .FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "unknown";
}
