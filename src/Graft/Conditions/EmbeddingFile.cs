using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Conditions;

/// <summary>
/// Vectors on disk: a safetensors file that holds, for each encoder, <c>HASH/items</c> [n, 32] (bytes: SHA-256 of each item) and
/// <c>HASH/embeddings</c> [n, D]. The header says that it is a cache, and has a SHA-256 of each encoder's rows.
/// </summary>
internal sealed class EmbeddingFile(string path)
{
    private const string Mark = "graft";
    private const string Kind = "condition embeddings 1";
    private const string Items = "/items";
    private const string Embeddings = "/embeddings";

    /// <summary>An encoder's vectors by their items' hashes; empty where there are none or they are damaged.</summary>
    /// <exception cref="InputException">The path names something that is no cache, which would be lost.</exception>
    public Dictionary<string, float[]> Read(string encoder, int dimension, Action<string>? warn)
    {
        var rows = new Dictionary<string, float[]>(StringComparer.Ordinal);
        if (Directory.Exists(path))
            throw new InputException($"The cache of embeddings '{path}' is a folder: give the name of a file.");
        if (!File.Exists(path))
            return rows;
        using var file = Open();
        if (!file.Contains(encoder + Items))
            return rows;
        if (Sound(file, encoder) is not { } width || width != dimension)
        {
            warn?.Invoke($"The embeddings of one encoder in {path} are damaged and are computed anew.");
            return rows;
        }

        var items = file.Bytes(encoder + Items);
        var values = MemoryMarshal.Cast<byte, float>(file.Bytes(encoder + Embeddings));
        for (var i = 0; i < items.Length / SHA256.HashSizeInBytes; i++)
        {
            var key = Convert.ToHexStringLower(items.Slice(i * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes));
            rows[key] = values.Slice(i * dimension, dimension).ToArray();
        }

        return rows;
    }

    /// <summary>Adds an encoder's vectors to what the file holds by now; says so if that cannot be done.</summary>
    public void Write(string encoder, int dimension, IReadOnlyDictionary<string, float[]> rows, Action<string>? warn)
    {
        try
        {
            // Another run may have written since this one read.
            var all = Read(encoder, dimension, null);
            foreach (var (key, row) in rows)
                all[key] = row;
            var metadata = new Dictionary<string, string> { [Mark] = Kind };
            var tensors = Others(encoder, metadata);
            var keys = all.Keys.Order(StringComparer.Ordinal).ToArray();
            byte[] items = [.. keys.SelectMany(Convert.FromHexString)];
            var values = new byte[checked(keys.Length * dimension * sizeof(float))];
            for (var i = 0; i < keys.Length; i++)
                MemoryMarshal.AsBytes<float>(all[keys[i]]).CopyTo(values.AsSpan(i * dimension * sizeof(float)));
            tensors.Add(new TensorData(encoder + Items, DType.UInt8, [keys.Length, SHA256.HashSizeInBytes], items));
            tensors.Add(new TensorData(encoder + Embeddings, DType.Float32, [keys.Length, dimension], values));
            metadata[encoder] = Digest(items, values);
            SafetensorsWriter.Write(path, metadata, tensors);
        }
        catch (Exception e) when (e is InputException or IOException)
        {
            warn?.Invoke($"The embeddings are not kept for the next time. {e.Message}");
        }
    }

    private static string Digest(ReadOnlySpan<byte> items, ReadOnlySpan<byte> values)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(items);
        hash.AppendData(values);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Length of an encoder's vectors, or null if its part of the file is not as it was written.</summary>
    private static int? Sound(SafetensorsFile file, string encoder) =>
        file.Contains(encoder + Embeddings)
        && file[encoder + Items] is { Type: DType.UInt8, Shape: [var n, SHA256.HashSizeInBytes], Length: <= int.MaxValue }
        && file[encoder + Embeddings] is { Type: DType.Float32, Shape: [var m, <= int.MaxValue and var d], Length: <= int.MaxValue } && n == m
        && file.Metadata.TryGetValue(encoder, out var digest) && digest == Digest(file.Bytes(encoder + Items), file.Bytes(encoder + Embeddings))
            ? (int)d
            : null;

    private SafetensorsFile Open()
    {
        SafetensorsFile file;
        try
        {
            file = SafetensorsFile.Open(path);
        }
        catch (InputException e)
        {
            throw new InputException($"The file '{path}' is no cache of embeddings and stays as it is: give another path, or delete it.", e);
        }

        if (file.Metadata.GetValueOrDefault(Mark) == Kind)
            return file;
        file.Dispose();
        throw new InputException($"The file '{path}' is no cache of embeddings and stays as it is: give another path, or delete it.");
    }

    /// <summary>What the file holds of other encoders, if it is sound, as it is.</summary>
    private List<TensorData> Others(string encoder, Dictionary<string, string> metadata)
    {
        var tensors = new List<TensorData>();
        if (!File.Exists(path))
            return tensors;
        using var file = Open();
        foreach (var other in file.Entries.Where(e => e.Name.EndsWith(Items, StringComparison.Ordinal)).Select(e => e.Name[..^Items.Length]))
        {
            if (other == encoder || Sound(file, other) is null)
                continue;
            foreach (var name in (string[])[other + Items, other + Embeddings])
                tensors.Add(new TensorData(name, file[name].Type, file[name].Shape, file.Bytes(name).ToArray()));
            metadata[other] = file.Metadata[other];
        }

        return tensors;
    }
}
