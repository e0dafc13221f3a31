using Graft.Formats;

namespace Graft.Inspection;

/// <summary>What a weight file holds, read without libtorch.</summary>
internal sealed record TensorTable(string Format, long Size, IReadOnlyList<InspectedTensor> Tensors, string? Note)
{
    private const string IndexExtension = ".safetensors.index.json";

    /// <exception cref="InputException">The file is missing, broken, or holds no tensors that can be found.</exception>
    internal static TensorTable Read(string path)
    {
        if (!File.Exists(path))
            throw new InputException($"There is no file {path}: give a weight file or a diffusers folder.");
        if (!path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase) && !path.EndsWith(IndexExtension, StringComparison.OrdinalIgnoreCase))
            return ReadCheckpoint(path);
        using var file = WeightFile.Open(path);
        var tensors = file.Names.Select(name =>
        {
            var (type, shape) = file.Describe(name);
            return new InspectedTensor(name, type, shape);
        });
        return new TensorTable(file.Format, SizeOf(path), [.. tensors], null);
    }

    private static TensorTable ReadCheckpoint(string path)
    {
        using var file = CheckpointFile.Open(path);
        var (tensors, note) = Weights(file);
        return new TensorTable(
            "PyTorch checkpoint",
            SizeOf(path),
            [.. tensors.Select(t => new InspectedTensor(t.Key, t.Value.Type, t.Value.Shape))],
            note);
    }

    private static (IReadOnlyDictionary<string, CheckpointTensor> Tensors, string? Note) Weights(CheckpointFile file)
    {
        var all = file.Tensors();
        try
        {
            var weights = file.StateDict();
            var keys = (file.Root as PickleDictionary)?.Keys ?? [];
            return (weights, weights.Count == all.Count && keys.Count() == weights.Count
                ? null
                : $"The file is a training checkpoint that holds {Listed(keys)}; what is described here is its state dict.");
        }
        catch (InputException) when (all.Count > 0)
        {
            // Without a state dict in a usual place, everything is shown, so that one can see where it is.
            return (all, "The file has no state dict where training scripts keep one; all its tensors are described.");
        }
    }

    private static string Listed(IEnumerable<string> keys)
    {
        const int Shown = 8;
        var all = keys.ToList();
        return string.Join(", ", all.Take(Shown).Select(FileFault.Quote)) + (all.Count > Shown ? $" and {all.Count - Shown} more" : "");
    }

    private static long SizeOf(string path)
    {
        if (!path.EndsWith(IndexExtension, StringComparison.OrdinalIgnoreCase))
            return new FileInfo(path).Length;
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var shards = JsonStyle.ReadObject(path)["weight_map"]!.AsObject().Select(p => (string)p.Value!).Distinct(StringComparer.Ordinal);
        return shards.Sum(shard => new FileInfo(Path.Combine(folder, shard)).Length);
    }
}
