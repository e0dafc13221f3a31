using System.Text.Json;
using Graft.Data;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Conditions;

/// <summary>
/// Embeddings of condition pictures with their names and classes: what a model that was tuned on conditions draws from. Its folder holds
/// them (<c>conditions.safetensors</c>), so that drawing needs no encoder.
/// </summary>
public sealed class ConditionTable
{
    internal const string FileName = "conditions.safetensors";
    private const string RowsName = "embeddings";
    private const string LabelsName = "labels";
    private const int LargestCount = 1 << 20;
    private readonly float[] _rows;

    /// <summary>Makes a table.</summary>
    /// <param name="rows">The embeddings, row after row.</param>
    /// <param name="names">What each picture is called; as many as rows, at least one.</param>
    /// <param name="labels">The class of each picture; null where they have none.</param>
    /// <param name="classes">Names of the classes; may be empty.</param>
    /// <param name="encoder">Name and hash of what made them (<see cref="IConditionEncoder"/>).</param>
    /// <param name="encoderPath">Where the encoder was opened; null: it was made in memory.</param>
    /// <exception cref="ArgumentException">The numbers of rows, names and labels do not agree.</exception>
    public ConditionTable(
        float[] rows, IReadOnlyList<string> names, IReadOnlyList<int>? labels, IReadOnlyList<string> classes, (string Name, string Hash) encoder, string? encoderPath = null)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(names);
        if (names.Count == 0 || rows.Length == 0 || rows.Length % names.Count != 0 || (labels is not null && labels.Count != names.Count))
            throw new ArgumentException("rows, names and labels are not as many", nameof(rows));
        (_rows, Names, Labels, Classes) = (rows, names, labels, classes);
        (Encoder, EncoderHash, EncoderPath) = (encoder.Name, encoder.Hash, encoderPath);
    }

    /// <summary>How many conditions there are, at least 1.</summary>
    public int Count => Names.Count;

    /// <summary>D, the length of each.</summary>
    public int Dimension => _rows.Length / Names.Count;

    /// <summary>What each picture is called.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The class of each picture, or null.</summary>
    public IReadOnlyList<int>? Labels { get; }

    /// <summary>Names of the classes, where they are known.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>What encoded them.</summary>
    public string Encoder { get; }

    /// <summary>SHA-256 of the encoder's weights and preparation.</summary>
    public string EncoderHash { get; }

    /// <summary>Where the encoder was opened, or null.</summary>
    public string? EncoderPath { get; }

    /// <summary>One condition.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    public ReadOnlySpan<float> this[int index] => _rows.AsSpan(index * Dimension, Dimension);

    /// <summary>Encodes every item of a set.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="items">Pictures, or what else the encoder looks at.</param>
    /// <param name="path">Where the encoder was opened, for the record.</param>
    /// <param name="cache">A file that keeps embeddings for the next time (<see cref="ConditionEmbeddings.Of"/>); null: nothing is kept.</param>
    public static ConditionTable Encode(IConditionEncoder encoder, ISampleSource items, string? path = null, string? cache = null)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        ArgumentNullException.ThrowIfNull(items);
        var embedded = ConditionEmbeddings.Of(encoder, items, cache);
        var rows = new float[checked(embedded.Count * embedded.Dimension)];
        for (var i = 0; i < embedded.Count; i++)
            embedded[i].CopyTo(rows.AsSpan(i * embedded.Dimension));
        int?[] labels = [.. Enumerable.Range(0, items.Count).Select(items.Label)];
        return new ConditionTable(
            rows, [.. Enumerable.Range(0, items.Count).Select(items.Name)], labels.All(l => l is not null) ? [.. labels.Select(l => l!.Value)] : null, items.Classes,
            (encoder.Name, encoder.Hash), path);
    }

    /// <summary>Rows as a tensor, float32 [N, D].</summary>
    internal Tensor Rows(ReadOnlySpan<int> indices)
    {
        var values = new float[indices.Length * Dimension];
        for (var k = 0; k < indices.Length; k++)
            this[indices[k]].CopyTo(values.AsSpan(k * Dimension));
        return Tensor.From(values, indices.Length, Dimension);
    }

    /// <summary>Which conditions are of one of some classes.</summary>
    /// <exception cref="InputException">The conditions have no classes, or none is of one of these.</exception>
    internal int[] OfClass(int label, string model)
    {
        if (Labels is null)
            throw new InputException($"The condition pictures of the model {model} have no classes: leave the label out.");
        int[] found = [.. Enumerable.Range(0, Count).Where(i => Labels[i] == label)];
        return found.Length > 0
            ? found
            : throw new InputException($"No condition picture of the model {model} is of class {label}: there are {string.Join(", ", Labels.Distinct().Order())}.");
    }

    /// <summary>Writes the table beside a model.</summary>
    internal void Write(string folder) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var tensors = new List<NamedTensor> { new(RowsName, Tensor.From(_rows, Count, Dimension)) };
        if (Labels is not null)
            tensors.Add(new NamedTensor(LabelsName, Tensor.From(Labels.Select(l => (long)l).ToArray(), Count)));
        var metadata = new Dictionary<string, string>
        {
            ["encoder"] = Encoder,
            ["encoder_sha256"] = EncoderHash,
            ["names"] = JsonSerializer.Serialize(Names),
            ["classes"] = JsonSerializer.Serialize(Classes),
        };
        if (EncoderPath is not null)
            metadata["encoder_path"] = EncoderPath;
        WeightFile.Write(Path.Combine(folder, FileName), tensors, metadata);
    });

    /// <summary>Reads the table of a model's folder.</summary>
    /// <exception cref="InputException">It is missing or broken.</exception>
    internal static ConditionTable Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        using var file = WeightFile.Open(path);
        var (type, shape) = file.Describe(RowsName);
        if (type != DType.Float32 || shape.Length != 2 || shape[0] is < 1 or > LargestCount || shape[1] < 1)
            throw Fault(path, $"embeddings, float32 [count, length], are due and there is {type} [{string.Join(", ", shape)}]");
        var (names, classes) = (Texts("names"), Texts("classes"));
        if (names.Length != shape[0])
            throw Fault(path, $"{shape[0]} embeddings have {names.Length} names");
        if (!file.Metadata.TryGetValue("encoder", out var encoder) || !file.Metadata.TryGetValue("encoder_sha256", out var hash))
            throw Fault(path, "it does not say which encoder made it");
        long[]? labels = null;
        float[] rows = [];
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            rows = file.Read(RowsName).ToArray<float>();
            if (!file.Contains(LabelsName))
                return;
            var read = file.Read(LabelsName);
            labels = read.Type == DType.Int64 && read.Count == shape[0] ? read.ToArray<long>() : throw Fault(path, $"labels are int64 [{shape[0]}], and these are {read}");
            if (labels.Any(l => l is < 0 or > int.MaxValue))
                throw Fault(path, "a label is below 0 or too large");
        });
        return new ConditionTable(rows, names, labels is null ? null : Array.ConvertAll(labels, l => (int)l), classes, (encoder, hash), file.Metadata.GetValueOrDefault("encoder_path"));

        string[] Texts(string key)
        {
            try
            {
                return file.Metadata.TryGetValue(key, out var text) && JsonSerializer.Deserialize<string?[]>(text) is { } read && read.All(n => n is not null)
                    ? [.. read.OfType<string>()]
                    : throw Fault(path, $"its {key} are missing");
            }
            catch (JsonException e)
            {
                throw new InputException($"The conditions {path} cannot be read: its {key} are no list of names; copy the folder again.", e);
            }
        }
    }

    private static InputException Fault(string path, string what) => new($"The conditions {path} cannot be read: {what}; copy the folder again.");
}
