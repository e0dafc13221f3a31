using System.Buffers.Binary;
using System.Text;

namespace Graft.Formats.Ecg;

/// <summary>Reads level 4: one matrix after the other, each with a header of five integers and a name.</summary>
internal static class MatlabLevel4
{
    private const int HeaderLength = 20;
    private const int LongestName = 256;

    public static List<MatlabArray> Read(byte[] data, FileFault fault)
    {
        var variables = new List<MatlabArray>();
        for (var at = 0; at < data.Length;)
            variables.Add(Next(data, ref at, fault));
        return variables;
    }

    private static MatlabArray Next(byte[] data, ref int at, FileFault fault)
    {
        if (data.Length - at < HeaderLength)
            throw fault.Read(at == 0 ? "it is too short for a MATLAB file" : "it ends within the header of a variable");
        var start = at;
        var type = BinaryPrimitives.ReadInt32LittleEndian(data.AsSpan(at));
        // The type is thousands (order of bytes), hundreds (0), tens (elements) and ones (kind): the wrong order of bytes makes it huge.
        var bigEndian = type is < 0 or > 9999;
        if (bigEndian)
            type = BinaryPrimitives.ReverseEndianness(type);
        var storage = (type / 10 % 10) switch
        {
            0 => MatlabStorage.Double,
            1 => MatlabStorage.Single,
            2 => MatlabStorage.Int32,
            3 => MatlabStorage.Int16,
            4 => MatlabStorage.UInt16,
            5 => MatlabStorage.UInt8,
            _ => MatlabStorage.Matrix,
        };
        if (type is < 0 or > 9999 || type / 100 % 10 != 0 || type % 10 > 2 || storage == MatlabStorage.Matrix || type / 1000 != (bigEndian ? 1 : 0))
            throw fault.Read("it begins as no MATLAB file does", "give a .mat file of level 4 or 5");
        if (type % 10 == 2)
            throw fault.Read("it holds a sparse matrix, which is not read", "save it as a full one");
        var (rows, columns) = (Field(1), Field(2));
        var (imaginary, nameLength) = (Field(3), Field(4));
        if (imaginary != 0)
            throw fault.Read("it holds a complex matrix, which is not read", "save its real part");
        at += HeaderLength;
        if (nameLength is < 1 or > LongestName || nameLength > data.Length - at)
            throw fault.Read($"it says {nameLength} characters for the name of a variable");
        var name = Encoding.Latin1.GetString(data, at, nameLength).TrimEnd('\0');
        at += nameLength;
        if (rows < 0 || columns < 0 || (UInt128)rows * (UInt128)columns * (uint)storage.Size() > (UInt128)(data.Length - at))
            throw fault.Read($"the variable {FileFault.Quote(name)} is said to be {rows} x {columns}, and {data.Length - at} bytes follow");
        var length = (int)((long)rows * columns * storage.Size());
        var matrix = MatlabFile.Matrix(
            fault, name, rows, columns, type % 10 == 1 ? MatlabKind.Text : MatlabKind.Numbers, data.AsMemory(at, length), storage, bigEndian);
        at += length;
        return matrix;

        int Field(int index)
        {
            var value = BinaryPrimitives.ReadInt32LittleEndian(data.AsSpan(start + (4 * index)));
            return bigEndian ? BinaryPrimitives.ReverseEndianness(value) : value;
        }
    }
}
