using System.Globalization;
using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// The checkpoints of a run: folders <c>checkpoint-N</c>, each a model that loads as such (averaged weights) with the trainer's
/// state beside it. A folder appears under its name only when it is complete.
/// </summary>
internal sealed class Checkpoints(string folder)
{
    private const int Format = 1;
    private const string Prefix = "checkpoint-";
    private const string StateFile = "trainer_state.json";
    private const string TensorFile = "trainer_state.safetensors";

    /// <summary>Step and path of the newest, or null.</summary>
    internal (long Step, string Path)? Newest() => UpTo(long.MaxValue).Select(c => ((long, string)?)c).FirstOrDefault();

    /// <summary>Those up to a step, the newest first.</summary>
    internal List<(long Step, string Path)> UpTo(long last) => [.. All().Where(c => c.Step <= last).Reverse()];

    internal void Save(long step, AdamW optimiser, TrainingStage stage, JsonObject identity, int keep)
    {
        var name = Prefix + step.ToString("D7", CultureInfo.InvariantCulture);
        var final = Path.Combine(folder, name);
        if (Directory.Exists(final))
            return; // a run that was resumed from it and stopped before the next step: the state is the same
        var temporary = Path.Combine(folder, $".{name}.tmp");
        if (Directory.Exists(temporary))
            Directory.Delete(temporary, recursive: true);
        Directory.CreateDirectory(temporary);
        using (optimiser.ApplyAverage())
            stage.Save(temporary);
        var weights = stage.State.Select(p => p with { Name = $"weights.{p.Name}" });
        WeightFile.Write(Path.Combine(temporary, TensorFile), weights.Concat(optimiser.State()));
        var state = new JsonObject
        {
            ["format"] = Format,
            ["step"] = step,
            ["optimiser_steps"] = optimiser.Steps,
            ["stage"] = stage.Name,
            ["identity"] = identity.DeepClone(),
            ["environment"] = Environment(),
        };
        AtomicFile.WriteText(Path.Combine(temporary, StateFile), state.ToJsonString(JsonStyle.Indented) + "\n");
        Directory.Move(temporary, final);
        foreach (var (_, path) in All().SkipLast(keep))
            Directory.Delete(path, recursive: true);
    }

    /// <summary>Restores weights, optimiser and average.</summary>
    /// <returns>The steps done, and what differs from the machine that saved it (null: nothing).</returns>
    /// <exception cref="InputException">The checkpoint is broken, or belongs to another run.</exception>
    internal (long Step, string? Warning) Load(string path, AdamW optimiser, TrainingStage stage, JsonObject identity)
    {
        var (state, before) = ReadState(path);
        foreach (var (key, value) in identity)
        {
            if (!JsonNode.DeepEquals(before[key], value))
            {
                throw new InputException(
                    $"The run in {folder} was started with {key} = {before[key]?.ToJsonString() ?? "nothing"} and cannot go on with {value?.ToJsonString()}: give the same, or another output folder.");
            }
        }

        using var tensors = WeightFile.Open(Path.Combine(path, TensorFile));
        var weights = stage.State.Select(p => p with { Name = $"weights.{p.Name}" });
        foreach (var (name, value) in weights.Concat(optimiser.State()))
        {
            using var scope = new TensorScope();
            var (_, shape) = tensors.Describe(name);
            if (!shape.AsSpan().SequenceEqual(value.Shape))
                throw new InputException($"The checkpoint {path} holds {name} as [{string.Join(", ", shape)}] where {value} is due: it belongs to another network.");
            value.CopyFrom(tensors.Read(name));
        }

        optimiser.Steps = (long)state["optimiser_steps"]!;
        var differences = Environment()
            .Where(p => !JsonNode.DeepEquals(state["environment"]?[p.Key], p.Value))
            .Select(p => $"{p.Key} was {state["environment"]?[p.Key]} and is {p.Value}")
            .ToList();
        var warning = differences.Count == 0 ? null : $"The run goes on, but not bit for bit as it would have: {string.Join("; ", differences)}.";
        return ((long)state["step"]!, warning);
    }

    private static (JsonObject State, JsonObject Identity) ReadState(string path)
    {
        try
        {
            var state = JsonStyle.ReadObject(Path.Combine(path, StateFile));
            if ((int?)state["format"] != Format)
                throw new InputException($"The checkpoint {path} has format {state["format"]?.ToJsonString() ?? "unknown"}, of which {Format} can be read: resume it with the version that wrote it.");
            if ((long?)state["step"] is not >= 0 || (long?)state["optimiser_steps"] is not >= 0 || state["environment"] is not JsonObject
                || state["identity"] is not JsonObject identity)
            {
                throw new FormatException("a step is negative, or a part is missing");
            }

            return (state, identity);
        }
        catch (Exception e) when (e is InputException { InnerException: not null } or FormatException or InvalidOperationException)
        {
            throw new InputException($"The checkpoint {path} cannot be read ({e.Message.TrimEnd('.')}): delete it to resume from the one before.", e);
        }
    }

    /// <summary>Removes what a kill left half written.</summary>
    internal void Tidy()
    {
        if (!Directory.Exists(folder))
            return;
        foreach (var path in Directory.EnumerateDirectories(folder, $".{Prefix}*.tmp"))
            Directory.Delete(path, recursive: true);
    }

    private static JsonObject Environment() => new()
    {
        ["threads"] = TorchRuntime.Threads,
        ["libtorch"] = TorchRuntime.Version,
        ["blas"] = Path.GetFileName(TorchRuntime.BlasPath),
        ["processor"] = ProcessorFeatures(),
    };

    private static string ProcessorFeatures()
    {
        string[] features =
        [
            System.Runtime.Intrinsics.X86.Avx2.IsSupported ? "avx2" : "",
            System.Runtime.Intrinsics.X86.Fma.IsSupported ? "fma" : "",
            System.Runtime.Intrinsics.X86.Avx512F.IsSupported ? "avx512f" : "",
            System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported ? "neon" : "",
        ];
        return string.Join(' ', features.Where(f => f.Length > 0));
    }

    private List<(long Step, string Path)> All()
    {
        var found = new List<(long, string)>();
        if (!Directory.Exists(folder))
            return found;
        foreach (var path in Directory.EnumerateDirectories(folder, Prefix + "*"))
        {
            if (long.TryParse(Path.GetFileName(path)[Prefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out var step))
                found.Add((step, path));
        }

        found.Sort();
        return found;
    }
}
