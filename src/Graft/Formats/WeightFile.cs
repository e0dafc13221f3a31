using Graft.Torch;

namespace Graft.Formats;

/// <summary>
/// Named tensors in a file, whatever its format: safetensors (<c>.safetensors</c>, sharded <c>.safetensors.index.json</c>), or a
/// PyTorch checkpoint (anything else), which is read without executing anything.
/// </summary>
public sealed class WeightFile : IDisposable
{
    private readonly Dictionary<string, (DType Type, long[] Shape, Func<Tensor> Read)> _tensors;
    private readonly IDisposable _file;

    private WeightFile(string path, IDisposable file, Dictionary<string, (DType Type, long[] Shape, Func<Tensor> Read)> tensors, string format)
    {
        Path = path;
        Format = format;
        _file = file;
        _tensors = tensors;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>What kind of file it is, for people.</summary>
    public string Format { get; }

    /// <summary>Strings of a safetensors header; empty for other files.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; private init; } = new Dictionary<string, string>();

    /// <summary>Names in file order.</summary>
    public IEnumerable<string> Names => _tensors.Keys;

    /// <summary>Opens a file of weights.</summary>
    /// <param name="path">The file.</param>
    /// <param name="scripts">Whether a TorchScript archive may be opened: its parameters have the names of its <c>state_dict()</c>. If not, one is refused.</param>
    /// <exception cref="InputException">It is missing or broken.</exception>
    public static WeightFile Open(string path, bool scripts = false)
    {
        if (path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
            return Of(path, SafetensorsFile.Open(path), "safetensors");
        if (path.EndsWith(".safetensors.index.json", StringComparison.OrdinalIgnoreCase))
            return Of(path, SafetensorsIndex.Open(path), "sharded safetensors");
        var file = CheckpointFile.Open(path, scripts);
        try
        {
            var tensors = new Dictionary<string, (DType Type, long[] Shape, Func<Tensor> Read)>();
            foreach (var (name, tensor) in file.IsTorchScript ? file.Tensors() : file.StateDict())
            {
                if (!tensors.TryAdd(file.IsTorchScript ? name.Replace('/', '.') : name, (tensor.Type, tensor.Shape, Reader(tensor))))
                    throw new InputException($"The file {path} holds two tensors called {FileFault.Quote(name)}; download or save it again.");
            }

            return new WeightFile(path, file, tensors, file.IsTorchScript ? "TorchScript archive" : "PyTorch checkpoint");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Whether there is a tensor of this name.</summary>
    public bool Contains(string name) => _tensors.ContainsKey(name);

    /// <summary>Element type and shape of a tensor.</summary>
    /// <exception cref="InputException">There is none of this name.</exception>
    public (DType Type, long[] Shape) Describe(string name)
    {
        var (type, shape, _) = Find(name);
        return (type, shape);
    }

    /// <summary>Copies a tensor out of the file.</summary>
    /// <exception cref="InputException">There is none of this name.</exception>
    public Tensor Read(string name) => Find(name).Read();

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

    private static unsafe WeightFile Of(string path, ITensorFile file, string format) => new(
        path,
        file,
        file.Entries.ToDictionary(
            e => e.Name,
            e => (e.Type, e.Shape, (Func<Tensor>)(() => Tensor.FromMemory(file.Pointer(e.Name), e.Type, e.Shape)))),
        format)
    {
        Metadata = file is SafetensorsFile single ? single.Metadata : new Dictionary<string, string>(),
    };

    private static unsafe Func<Tensor> Reader(CheckpointTensor tensor) => () =>
    {
        var result = Tensor.FromMemory(null, tensor.Type, tensor.Shape);
        tensor.CopyTo((byte*)result.DataPointer, tensor.Length);
        return result;
    };

    private (DType Type, long[] Shape, Func<Tensor> Read) Find(string name) => _tensors.TryGetValue(name, out var tensor)
        ? tensor
        : throw new InputException($"The file {Path} holds no tensor '{name}'.");
}
