namespace Graft.Formats.Ecg;

/// <summary>A MATLAB file of level 4 or 5 (MATLAB 4 to 7.2), as far as the ECG challenges use them: real matrices, text, structs of size 1 x 1.</summary>
/// <remarks>
/// Source: MathWorks, "MAT-File Format". Compressed variables of level 5 are unpacked with zlib as far as data come, never by what a size
/// claims. Everything else (cells, objects, sparse or complex matrices, more than two dimensions, level 7.3, which is HDF5) is refused in words.
/// </remarks>
public sealed class MatlabFile
{
    private MatlabFile(string path, int level, IReadOnlyList<MatlabArray> variables) => (Path, Level, Variables) = (path, level, variables);

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>4 or 5.</summary>
    public int Level { get; }

    /// <summary>The variables in the order of the file, at least one.</summary>
    public IReadOnlyList<MatlabArray> Variables { get; }

    /// <summary>The variable of a name.</summary>
    /// <exception cref="InputException">There is none.</exception>
    public MatlabArray this[string name] => Variables.FirstOrDefault(v => v.Name == name)
        ?? throw new FileFault(Path).Read(
            $"it holds no variable '{name}', but {FileFault.Shorten(string.Join(", ", Variables.Select(v => FileFault.Quote(v.Name))))}", "check that it is a record of this data set");

    /// <summary>Reads a file.</summary>
    /// <param name="path">The <c>.mat</c> file.</param>
    /// <exception cref="InputException">It is missing, broken, or holds what is not read; the message names it and why.</exception>
    public static MatlabFile Read(string path) => Decode(InputFile.Read(path), path);

    /// <summary>Decodes the bytes of a file.</summary>
    /// <param name="data">All bytes; they are kept and not copied.</param>
    /// <param name="name">What messages call it; usually its path.</param>
    /// <exception cref="InputException">The bytes are no such file; the message names it and why.</exception>
    public static MatlabFile Decode(byte[] data, string name)
    {
        ArgumentNullException.ThrowIfNull(data);
        var fault = new FileFault(name);
        var level5 = data.Length >= MatlabLevel5.HeaderLength && data.AsSpan(0, 4).IndexOf((byte)0) < 0;
        if (!level5 && fault.OtherKind(data) is { } other)
            throw other;
        if (!level5 && data.AsSpan().StartsWith("MATLAB"u8))
            throw fault.Read("it ends within its header");
        var variables = level5 ? MatlabLevel5.Read(data, fault) : MatlabLevel4.Read(data, fault);
        return variables.Count > 0 ? new MatlabFile(name, level5 ? 5 : 4, variables) : throw fault.Read("it holds no variable");
    }

    /// <summary>A matrix whose sizes and elements were checked against each other.</summary>
    internal static MatlabArray Matrix(
        FileFault fault, string name, long rows, long columns, MatlabKind kind, ReadOnlyMemory<byte> data, MatlabStorage storage, bool bigEndian)
    {
        if (rows < 0 || columns < 0 || (UInt128)rows * (UInt128)columns * (uint)storage.Size() != (UInt128)data.Length)
            throw fault.Read($"the variable {FileFault.Quote(name)} is said to be {rows} x {columns}, which its {data.Length} bytes are not");
        if (rows > int.MaxValue || columns > int.MaxValue)
            throw fault.Read($"the variable {FileFault.Quote(name)} is said to be {rows} x {columns}");
        return new MatlabArray(name, (int)rows, (int)columns, kind, data, storage, bigEndian);
    }
}
