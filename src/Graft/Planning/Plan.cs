using System.Text.Json.Nodes;
using Graft.Transfer;

namespace Graft.Planning;

/// <summary>What a plan is asked for.</summary>
public sealed record PlanRequest
{
    /// <summary>The source.</summary>
    public required PlanSource Source { get; init; }

    /// <summary>Training pictures.</summary>
    public required int Pictures { get; init; }

    /// <summary>A method that is wanted; null: the one that measurements rank first.</summary>
    public string? Method { get; init; }

    /// <summary>Pictures of an optimiser step; null: as measured.</summary>
    public int? BatchSize { get; init; }

    /// <summary>Largest share of copies among the samples that is put up with.</summary>
    public double Bar { get; init; } = MethodChoice.UsualBar;

    /// <summary>Bytes that a training may take; null: unknown.</summary>
    public long? Memory { get; init; }

    /// <summary>Whether the training's processor has kernels for Graft's own convolutions, which keep less.</summary>
    public bool OwnConvolutions { get; init; }
}

/// <summary>A plan: what to run, what it takes, and why.</summary>
public sealed record Plan
{
    /// <summary>The method, with options and training settings.</summary>
    public required TransferMethod Method { get; init; }

    /// <summary>Where the recommendation comes from; null: nothing was measured.</summary>
    public MeasuredComparison? Measured { get; init; }

    /// <summary>The measured method; null as above.</summary>
    public MeasuredMethod? MeasuredMethod { get; init; }

    /// <summary>Memory.</summary>
    public required MemoryEstimate Memory { get; init; }

    /// <summary>Seconds of training; null: unknown.</summary>
    public double? Seconds { get; init; }

    /// <summary>Where the time comes from.</summary>
    public string SecondsFrom { get; init; } = "";

    /// <summary>Why this method, these steps, this batch: one sentence each.</summary>
    public required IReadOnlyList<string> Reasons { get; init; }

    /// <summary>What to look out for.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>Settings that differ from the method's own defaults, as <c>--set</c> takes them.</summary>
    public required IReadOnlyList<string> Settings { get; init; }

    /// <summary>The command that does it.</summary>
    /// <param name="source">The source.</param>
    /// <param name="target">The target's folder.</param>
    public string Command(string source, string target) =>
        $"graft adapt --source {source} --target {target} --method {Method.Name} --steps {Method.Training.Steps}{string.Concat(Settings.Select(s => $" --set {s}"))} --out runs/NAME";

    /// <summary>Everything, for machines.</summary>
    /// <param name="source">The source.</param>
    /// <param name="target">The target's folder.</param>
    public JsonObject ToJson(string source, string target) => new()
    {
        ["method"] = Method.Name,
        ["steps"] = Method.Training.Steps,
        ["batch_size"] = Method.Training.BatchSize,
        ["accumulation"] = Method.Training.Accumulation,
        ["learning_rate"] = Method.Training.LearningRate,
        ["memory_bytes"] = Memory.Total,
        ["memory_error"] = MemoryEstimate.Error,
        ["seconds"] = Seconds,
        ["seconds_from"] = SecondsFrom,
        ["measured"] = Measured?.Name,
        ["reasons"] = new JsonArray([.. Reasons.Select(r => (JsonNode)r)]),
        ["warnings"] = new JsonArray([.. Warnings.Select(w => (JsonNode)w)]),
        ["command"] = Command(source, target),
    };
}
