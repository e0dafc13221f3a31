using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Graft.Data;
using Graft.Torch;

namespace Graft.Conditions;

/// <summary>
/// The vectors of a set's items, computed once: in memory for training, and, where a file is named, on disk for the next run.
/// </summary>
/// <remarks>
/// Each item goes through the encoder alone, because libtorch's sums differ in the last bits between batches of different sizes: so a vector is the
/// same bits whatever else the set or the cache holds.
/// </remarks>
public sealed class ConditionEmbeddings
{
    private readonly float[] _values;

    private ConditionEmbeddings(float[] values, int dimension, IConditionEncoder encoder, int computed)
    {
        _values = values;
        (Dimension, Encoder, EncoderHash, Computed) = (dimension, encoder.Name, encoder.Hash, computed);
    }

    /// <summary>How many items there are.</summary>
    public int Count => _values.Length / Dimension;

    /// <summary>Length of a vector.</summary>
    public int Dimension { get; }

    /// <summary>What the encoder is called.</summary>
    public string Encoder { get; }

    /// <summary>The encoder's <see cref="IConditionEncoder.Hash"/>.</summary>
    public string EncoderHash { get; }

    /// <summary>How many vectors were computed, and not taken from the cache; items that are alike are computed once.</summary>
    public int Computed { get; }

    /// <summary>One item's vector; no copy.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    public ReadOnlySpan<float> this[int index] => _values.AsSpan(index * Dimension, Dimension);

    /// <summary>Computes the vectors of a set, or takes them from a cache.</summary>
    /// <param name="encoder">What makes a vector of an item; it is not called where the cache holds everything.</param>
    /// <param name="items">What it looks at: <see cref="ISampleSource.Read"/>'s numbers, pictures in [-1, 1].</param>
    /// <param name="cache">
    /// A safetensors file that is made or added to; null: nothing is kept. One file serves any number of encoders and sets. A row belongs to the
    /// encoder's hash and to the SHA-256 of the item's shape and numbers. A damaged cache is computed anew; a file that is no cache stays as it is.
    /// </param>
    /// <param name="warn">Told what went wrong with the cache; the vectors are there all the same.</param>
    /// <param name="cancellationToken">Stops; what was computed so far is not kept.</param>
    /// <exception cref="InputException">The items are nothing that the encoder looks at, or the cache's path names another file.</exception>
    public static ConditionEmbeddings Of(
        IConditionEncoder encoder, ISampleSource items, string? cache = null, Action<string>? warn = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        ArgumentNullException.ThrowIfNull(items);
        var dimension = encoder.Dimension;
        var file = cache is null ? null : new EmbeddingFile(cache);
        var known = file?.Read(encoder.Hash, dimension, warn) ?? [];
        var before = known.Count;
        var values = new float[checked(items.Count * dimension)];
        var item = new float[items.ItemShape.Elements];
        for (var i = 0; i < items.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            items.Read(i, item);
            var key = KeyOf(items.ItemShape, item);
            if (!known.TryGetValue(key, out var row))
                known.Add(key, row = Embed(encoder, items.ItemShape, item));
            row.CopyTo(values, i * dimension);
        }

        if (known.Count > before)
            file?.Write(encoder.Hash, dimension, known, warn);
        return new ConditionEmbeddings(values, dimension, encoder, known.Count - before);
    }

    /// <summary>All vectors, [N, D], float32. Inside <see cref="TorchRuntime.Run{T}"/>; it belongs to the scope it is made in.</summary>
    /// <param name="device">Where; the CPU if not given.</param>
    public Tensor ToTensor(Device device = default) => TensorScope.Of(() => Tensor.From(_values, Count, Dimension).To(device));

    /// <summary>Some vectors as a batch, [n, D], float32, as <see cref="ToTensor"/>.</summary>
    /// <param name="indices">Which, each 0 to <see cref="Count"/> - 1, in any order and as often as wanted.</param>
    /// <param name="device">Where; the CPU if not given.</param>
    public Tensor Rows(ReadOnlySpan<int> indices, Device device = default)
    {
        var rows = new float[indices.Length * Dimension];
        for (var i = 0; i < indices.Length; i++)
            this[indices[i]].CopyTo(rows.AsSpan(i * Dimension));
        var count = indices.Length;
        return TensorScope.Of(() => Tensor.From(rows, count, Dimension).To(device));
    }

    /// <summary>SHA-256 of an item's shape and numbers as the encoder is given them, in lower-case hexadecimal.</summary>
    internal static string KeyOf(ItemShape shape, ReadOnlySpan<float> item)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(MemoryMarshal.AsBytes<long>([shape.Rank, .. shape.Sizes]));
        hash.AppendData(MemoryMarshal.AsBytes(item));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static float[] Embed(IConditionEncoder encoder, ItemShape shape, float[] item) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        var vector = encoder.Encode(Tensor.From<float>(item, [1, .. shape.Sizes]));
        if (vector.Type != DType.Float32 || vector.Dims != 2 || vector.Size(0) != 1 || vector.Size(1) != encoder.Dimension)
            throw new InvalidOperationException($"{encoder.Name} gave {vector} where Float32[1, {encoder.Dimension}] is due.");
        return vector.ToArray<float>();
    });
}
