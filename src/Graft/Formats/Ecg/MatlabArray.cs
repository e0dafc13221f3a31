using System.Buffers.Binary;
using System.Text;

namespace Graft.Formats.Ecg;

/// <summary>What a variable of a MATLAB file holds.</summary>
public enum MatlabKind
{
    /// <summary>Real numbers.</summary>
    Numbers,

    /// <summary>Characters.</summary>
    Text,

    /// <summary>A struct of size 1 x 1: other arrays by name.</summary>
    Struct,
}

/// <summary>A variable, or a field of a struct, of a MATLAB file: a matrix of real numbers, a text, or a struct.</summary>
public sealed class MatlabArray
{
    private readonly ReadOnlyMemory<byte> _data;
    private readonly MatlabStorage _storage;
    private readonly bool _bigEndian;

    internal MatlabArray(string name, int rows, int columns, MatlabKind kind, ReadOnlyMemory<byte> data, MatlabStorage storage, bool bigEndian)
    {
        (Name, Rows, Columns, Kind) = (name, rows, columns, kind);
        (_data, _storage, _bigEndian) = (data, storage, bigEndian);
    }

    internal MatlabArray(string name, IReadOnlyDictionary<string, MatlabArray> fields)
    {
        (Name, Rows, Columns, Kind) = (name, 1, 1, MatlabKind.Struct);
        Fields = fields;
    }

    /// <summary>What it is called.</summary>
    public string Name { get; }

    /// <summary>The first size.</summary>
    public int Rows { get; }

    /// <summary>The second size.</summary>
    public int Columns { get; }

    /// <summary>What it holds.</summary>
    public MatlabKind Kind { get; }

    /// <summary>The fields of a struct by name; empty for anything else.</summary>
    public IReadOnlyDictionary<string, MatlabArray> Fields { get; } = new Dictionary<string, MatlabArray>();

    /// <summary>The numbers, column after column as MATLAB keeps them: row r of column c is at <c>c * Rows + r</c>. Newly allocated.</summary>
    /// <exception cref="InvalidOperationException">It holds no numbers.</exception>
    public double[] ToDoubles()
    {
        if (Kind != MatlabKind.Numbers)
            throw new InvalidOperationException($"The variable '{Name}' holds {Kind}, not numbers.");
        var values = new double[Rows * Columns];
        for (var i = 0; i < values.Length; i++)
            values[i] = Number(i);
        return values;
    }

    /// <summary>The characters of a text, row after row without line breaks.</summary>
    /// <exception cref="InvalidOperationException">It holds no text.</exception>
    public string ToText()
    {
        if (Kind != MatlabKind.Text)
            throw new InvalidOperationException($"The variable '{Name}' holds {Kind}, not text.");
        if (_storage == MatlabStorage.Utf8)
            return Encoding.UTF8.GetString(_data.Span);
        var text = new StringBuilder(Rows * Columns);
        for (var row = 0; row < Rows; row++)
        {
            for (var column = 0; column < Columns; column++)
            {
                var code = Number((column * Rows) + row);
                text.Append(code is >= 0 and <= char.MaxValue ? (char)code : '\ufffd');
            }
        }

        return text.ToString();
    }

    /// <summary>Sizes and kind in words.</summary>
    public override string ToString() => Kind switch
    {
        MatlabKind.Struct => $"{Name}: struct of {string.Join(", ", Fields.Keys)}",
        MatlabKind.Text => $"{Name}: {Rows} x {Columns} characters",
        _ => $"{Name}: {Rows} x {Columns} numbers ({_storage.ToString().ToLowerInvariant()})",
    };

    private double Number(int index)
    {
        var at = _data.Span[(index * _storage.Size())..];
        return _storage switch
        {
            MatlabStorage.Int8 => (sbyte)at[0],
            MatlabStorage.UInt8 or MatlabStorage.Utf8 => at[0],
            MatlabStorage.Int16 => _bigEndian ? BinaryPrimitives.ReadInt16BigEndian(at) : BinaryPrimitives.ReadInt16LittleEndian(at),
            MatlabStorage.UInt16 or MatlabStorage.Utf16 => _bigEndian ? BinaryPrimitives.ReadUInt16BigEndian(at) : BinaryPrimitives.ReadUInt16LittleEndian(at),
            MatlabStorage.Int32 => _bigEndian ? BinaryPrimitives.ReadInt32BigEndian(at) : BinaryPrimitives.ReadInt32LittleEndian(at),
            MatlabStorage.UInt32 => _bigEndian ? BinaryPrimitives.ReadUInt32BigEndian(at) : BinaryPrimitives.ReadUInt32LittleEndian(at),
            MatlabStorage.Int64 => _bigEndian ? BinaryPrimitives.ReadInt64BigEndian(at) : BinaryPrimitives.ReadInt64LittleEndian(at),
            MatlabStorage.UInt64 => _bigEndian ? BinaryPrimitives.ReadUInt64BigEndian(at) : BinaryPrimitives.ReadUInt64LittleEndian(at),
            MatlabStorage.Single => _bigEndian ? BinaryPrimitives.ReadSingleBigEndian(at) : BinaryPrimitives.ReadSingleLittleEndian(at),
            _ => _bigEndian ? BinaryPrimitives.ReadDoubleBigEndian(at) : BinaryPrimitives.ReadDoubleLittleEndian(at),
        };
    }
}

/// <summary>How elements are stored; the numbers are those of level 5 (<c>mi...</c>).</summary>
internal enum MatlabStorage
{
    Int8 = 1,
    UInt8 = 2,
    Int16 = 3,
    UInt16 = 4,
    Int32 = 5,
    UInt32 = 6,
    Single = 7,
    Double = 9,
    Int64 = 12,
    UInt64 = 13,
    Matrix = 14,
    Compressed = 15,
    Utf8 = 16,
    Utf16 = 17,
}

/// <summary>Sizes of stored elements.</summary>
internal static class MatlabStorages
{
    /// <summary>Bytes of an element; 0 for what has none.</summary>
    public static int Size(this MatlabStorage storage) => storage switch
    {
        MatlabStorage.Int8 or MatlabStorage.UInt8 or MatlabStorage.Utf8 => 1,
        MatlabStorage.Int16 or MatlabStorage.UInt16 or MatlabStorage.Utf16 => 2,
        MatlabStorage.Int32 or MatlabStorage.UInt32 or MatlabStorage.Single => 4,
        MatlabStorage.Double or MatlabStorage.Int64 or MatlabStorage.UInt64 => 8,
        _ => 0,
    };
}
