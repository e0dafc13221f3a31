using Graft.Torch;

namespace Graft.Formats;

/// <summary>Named tensors in a file, whatever its format: <c>.safetensors</c>, a sharded <c>.safetensors.index.json</c>.</summary>
public sealed class WeightFile : IDisposable
{
    private readonly ITensorFile _file;

    private WeightFile(string path, ITensorFile file)
    {
        Path = path;
        _file = file;
        Names = [.. file.Entries.Select(e => e.Name)];
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Names in file order.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Opens a file of weights.</summary>
    /// <exception cref="InputException">It is missing or broken.</exception>
    public static WeightFile Open(string path) => new(path, SafetensorsFile.Open(path));

    /// <summary>Whether there is a tensor of this name.</summary>
    public bool Contains(string name) => _file.Contains(name);

    /// <summary>Element type and shape of a tensor.</summary>
    /// <exception cref="InputException">There is none of this name.</exception>
    public (DType Type, long[] Shape) Describe(string name)
    {
        var entry = _file[name];
        return (entry.Type, entry.Shape);
    }

    /// <summary>Copies a tensor out of the file.</summary>
    /// <exception cref="InputException">There is none of this name.</exception>
    public unsafe Tensor Read(string name)
    {
        var entry = _file[name];
        return Tensor.FromMemory(_file.Pointer(name), entry.Type, entry.Shape);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>Writes tensors as safetensors: to a temporary name, then renamed.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="tensors">Tensors on any device; they are written as they are.</param>
    /// <param name="metadata">Strings of the header; <c>format</c> = <c>pt</c> is added.</param>
    public static unsafe void Write(string path, IEnumerable<NamedTensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var data = tensors.Select(t => new TensorData(
            t.Name,
            t.Value.Type,
            t.Value.Shape.ToArray(),
            stream => t.Value.WithBytes((memory, length) =>
            {
                const int Block = 1 << 28;
                for (var offset = 0L; offset < length; offset += Block)
                    stream.Write(new ReadOnlySpan<byte>((byte*)memory + offset, (int)Math.Min(Block, length - offset)));
            })));
        SafetensorsWriter.Write(path, metadata, [.. data]);
    }
}
