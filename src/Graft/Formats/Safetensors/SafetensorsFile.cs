namespace Graft.Formats;

/// <summary>
/// A safetensors file, mapped into memory. The header is checked as strictly as the format demands; tensors are read only when asked for.
/// Safe to read from several threads. The file must not be cut short while it is open.
/// </summary>
/// <remarks>Format: https://github.com/huggingface/safetensors.</remarks>
public sealed unsafe class SafetensorsFile : ITensorFile
{
    private readonly MappedFile _file;
    private readonly long _dataStart;
    private readonly Dictionary<string, TensorEntry> _byName;

    private SafetensorsFile(MappedFile file, SafetensorsHeader header)
    {
        _file = file;
        _dataStart = header.DataStart;
        _byName = header.Entries.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
        Entries = header.Entries;
        Metadata = header.Metadata;
    }

    /// <summary>The path given to <see cref="Open"/>.</summary>
    public string Path => _file.Path;

    /// <summary>The strings under <c>__metadata__</c>; empty if there are none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <inheritdoc/>
    public IReadOnlyList<TensorEntry> Entries { get; }

    /// <inheritdoc/>
    public TensorEntry this[string name] => _byName.TryGetValue(name, out var entry)
        ? entry
        : throw _file.Fault.Read($"it holds no tensor {FileFault.Quote(name)}", "check that it belongs to this model");

    /// <summary>Opens and checks a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InputException">The file does not exist, is of another kind, or breaks a rule of the format.</exception>
    public static SafetensorsFile Open(string path)
    {
        var file = MappedFile.Open(path);
        try
        {
            return new SafetensorsFile(file, SafetensorsHeader.Read(file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public bool Contains(string name) => _byName.ContainsKey(name);

    /// <inheritdoc/>
    public ReadOnlySpan<byte> Bytes(string name)
    {
        var entry = this[name];
        return entry.Length <= int.MaxValue
            ? new ReadOnlySpan<byte>(Pointer(name), (int)entry.Length)
            : throw new NotSupportedException($"Tensor '{name}' has {entry.Length} bytes, more than a span can hold; use Pointer.");
    }

    /// <inheritdoc/>
    public byte* Pointer(string name) => _file.Start + _dataStart + this[name].Offset;

    /// <inheritdoc/>
    public void CopyTo(string name, Span<byte> destination) => Bytes(name).CopyTo(destination);

    /// <inheritdoc/>
    public void WriteTo(string name, Stream destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        NativeCopy.Write(destination, Pointer(name), this[name].Length);
    }

    /// <summary>Unmaps the file; spans and pointers into it become invalid.</summary>
    public void Dispose() => _file.Dispose();
}
