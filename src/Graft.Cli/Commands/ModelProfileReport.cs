using System.Globalization;
using System.Text.Json.Nodes;
using Graft.Diagnostics;

namespace Graft.Cli.Commands;

/// <summary>How a <see cref="ModelProfile"/> is shown: as Markdown, which goes into a document as it is, or as JSON.</summary>
internal static class ModelProfileReport
{
    private const int Longest = 12;
    private const double Mebi = 1 << 20;
    private const double Giga = 1e9;

    internal static void Print(ModelProfile profile)
    {
        Terminal.Result(Text($"Batches of {profile.Batch}, {profile.Threads} {(profile.Threads == 1 ? "thread" : "threads")}, sgemm {profile.MatrixProductRate / Giga:0.0} GFLOP/s."));
        Print("Training step: denoising loss and gradients, without the optimiser", profile.Training, profile.MatrixProductRate);
        Print("Sampling step: one evaluation without gradients", profile.Sampling, profile.MatrixProductRate);
    }

    internal static JsonObject Describe(string model, ModelProfile profile) => new()
    {
        ["model"] = model,
        ["batch"] = profile.Batch,
        ["threads"] = profile.Threads,
        ["sgemm_gflops"] = profile.MatrixProductRate / Giga,
        ["training"] = Describe(profile.Training, profile.MatrixProductRate),
        ["sampling"] = Describe(profile.Sampling, profile.MatrixProductRate),
    };

    private static void Print(string title, PassProfile? pass, double rate)
    {
        if (pass is null)
            return;
        Terminal.Result("");
        Terminal.Result(Text($"## {title}: {pass.Seconds * 1000:0.0} ms"));
        Terminal.Result("");
        Terminal.Result(Text($"{pass.Operations / Giga:0.00} GFLOP ({pass.Operations / Giga / pass.Seconds:0.0} a second, {pass.Operations / pass.Seconds / rate:P0} of sgemm), at most {pass.Peak / Mebi:0.0} MiB at once beside weights and input. Times are medians of {pass.Profiled.Count} rounds; these took {Spread(pass.Profiled)} ms, and {Spread(pass.Plain)} ms without the profile, in turn."));
        Table(
            ["kind", "calls", "ms", "share", "GFLOP", "GFLOP/s", "of sgemm", "MiB allocated"],
            [.. pass.Kinds.Select(k => (string[])[
                Name(k.Kind), Text($"{k.Calls:N0}"), Milliseconds(k.Seconds), Text($"{k.Seconds / pass.Seconds:P1}"), .. Rate(k.Operations, k.Seconds, rate), Text($"{k.Bytes / Mebi:0.0}")]),
                ["between operators", "", Milliseconds(pass.OutsideSeconds), Text($"{pass.OutsideSeconds / pass.Seconds:P1}"), "", "", "", ""]]);
        var backward = pass.Blocks.Any(b => b.BackwardSeconds > 0);
        Table(
            ["block", "ms forwards", .. backward ? ["ms backwards"] : (string[])[], "share", "GFLOP", "MiB allocated", "MiB kept", "MiB at most"],
            [.. pass.Blocks.Select(b => (string[])[
                b.Name.Length == 0 ? "(in none)" : b.Name, Milliseconds(b.ForwardSeconds), .. backward ? [Milliseconds(b.BackwardSeconds)] : (string[])[],
                Text($"{(b.ForwardSeconds + b.BackwardSeconds) / pass.Seconds:P1}"), Text($"{b.Operations / Giga:0.00}"), Text($"{b.Bytes / Mebi:0.0}"),
                b.Name.Length == 0 ? "" : Text($"{b.Held / Mebi:0.0}"), Text($"{b.Peak / Mebi:0.0}")])]);
        Table(
            ["operator", "kind", "pass", "calls", "ms", "share", "GFLOP", "GFLOP/s", "of sgemm", "MiB allocated"],
            [.. pass.Operators.Take(Longest).Select(o => (string[])[
                o.Name, Name(o.Kind), o.Backward ? "backward" : "forward", Text($"{o.Calls:N0}"), Milliseconds(o.Seconds), Text($"{o.Seconds / pass.Seconds:P1}"),
                .. Rate(o.Operations, o.Seconds, rate), Text($"{o.Bytes / Mebi:0.0}")])]);
    }

    /// <summary>Words to the left, numbers to the right: a column of which any cell is a number.</summary>
    private static void Table(string[] head, string[][] rows)
    {
        var widths = head.Select((h, i) => rows.Select(r => r[i].Length).Append(h.Length).Max()).ToArray();
        var numbers = head.Select((_, i) => rows.Any(r => r[i].Length > 0 && char.IsAsciiDigit(r[i][0]))).ToArray();
        Terminal.Result("");
        Terminal.Result(Line(head));
        Terminal.Result($"|{string.Join("|", widths.Select((w, i) => new string('-', w + 1) + (numbers[i] ? ":" : "-")))}|");
        foreach (var row in rows)
            Terminal.Result(Line(row));

        string Line(string[] cells) => $"| {string.Join(" | ", cells.Select((c, i) => numbers[i] ? c.PadLeft(widths[i]) : c.PadRight(widths[i])))} |";
    }

    private static string[] Rate(double operations, double seconds, double rate) => operations == 0
        ? ["", "", ""]
        : [Text($"{operations / Giga:0.00}"), Text($"{operations / Giga / seconds:0.0}"), Text($"{operations / seconds / rate:P0}")];

    private static string Name(OperatorKind kind) => kind switch
    {
        OperatorKind.MatrixProduct => "matrix product",
        OperatorKind.NormalisationAndActivation => "normalisation, activation",
        OperatorKind.FourierTransform => "Fourier transform",
        OperatorKind.Copy => "copies, Cat",
        _ => kind.ToString().ToLowerInvariant(),
    };

    private static string Spread(IReadOnlyList<double> seconds) =>
        Text($"{seconds.Min() * 1000:0.0} to {seconds.Max() * 1000:0.0}");

    private static string Milliseconds(double seconds) => Text($"{seconds * 1000:0.00}");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static JsonObject? Describe(PassProfile? pass, double rate) => pass is null ? null : new JsonObject
    {
        ["seconds"] = pass.Seconds,
        ["rounds"] = Numbers(pass.Profiled),
        ["plain_rounds"] = Numbers(pass.Plain),
        ["between_operators_seconds"] = pass.OutsideSeconds,
        ["operations"] = pass.Operations,
        ["peak_bytes"] = pass.Peak,
        ["kinds"] = new JsonArray([.. pass.Kinds.Select(k => Rated(
            new JsonObject { ["kind"] = Name(k.Kind), ["calls"] = k.Calls, ["seconds"] = k.Seconds, ["bytes"] = k.Bytes }, k.Operations, k.Seconds, rate))]),
        ["blocks"] = new JsonArray([.. pass.Blocks.Select(b => new JsonObject
        {
            ["block"] = b.Name, ["forward_seconds"] = b.ForwardSeconds, ["backward_seconds"] = b.BackwardSeconds, ["operations"] = b.Operations, ["bytes"] = b.Bytes,
            ["held_bytes"] = b.Held, ["peak_bytes"] = b.Peak,
        })]),
        ["operators"] = new JsonArray([.. pass.Operators.Select(o => Rated(
            new JsonObject { ["operator"] = o.Name, ["kind"] = Name(o.Kind), ["backward"] = o.Backward, ["calls"] = o.Calls, ["seconds"] = o.Seconds, ["bytes"] = o.Bytes }, o.Operations, o.Seconds, rate))]),
    };

    private static JsonObject Rated(JsonObject row, double operations, double seconds, double rate)
    {
        if (operations > 0)
            (row["operations"], row["gflops"], row["of_sgemm"]) = (operations, operations / Giga / seconds, operations / seconds / rate);
        return row;
    }

    private static JsonArray Numbers(IEnumerable<double> values) => new([.. values.Select(v => (JsonNode)v)]);
}
