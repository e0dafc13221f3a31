using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Graft.Tests.Formats.Ecg;

/// <summary>Writes MATLAB files byte by byte, as the format's description says.</summary>
internal static class CraftedMatlab
{
    public static byte[] Level4(string name, int rows, int columns, short[] values, int type = 30) =>
        [.. Int32(type), .. Int32(rows), .. Int32(columns), .. Int32(0), .. Int32(name.Length + 1), .. Encoding.ASCII.GetBytes(name), 0, .. values.SelectMany(v => BitConverter.GetBytes(v))];

    public static byte[] Level5(params IEnumerable<byte[]> elements) =>
        [.. Encoding.ASCII.GetBytes("MATLAB 5.0 MAT-file, made by a test".PadRight(116)), .. new byte[8], 0, 1, (byte)'I', (byte)'M', .. elements.SelectMany(e => e)];

    public static byte[] Element(int type, byte[] data, bool small = false)
    {
        if (small)
            return [.. Int32(type | (data.Length << 16)), .. data, .. new byte[4 - data.Length]];
        return [.. Int32(type), .. Int32(data.Length), .. data, .. new byte[(8 - (data.Length & 7)) & 7]];
    }

    public static byte[] Packed(byte[] element)
    {
        using var memory = new MemoryStream();
        using (var zlib = new ZLibStream(memory, CompressionLevel.Fastest, leaveOpen: true))
            zlib.Write(element);
        return [.. Int32(15), .. Int32((int)memory.Length), .. memory.ToArray()];
    }

    public static byte[] Matrix(string name, int kind, int rows, int columns, byte[] content, int flags = 0) => Element(14,
    [
        .. Element(6, [.. Int32(kind | flags), .. Int32(0)]), .. Element(5, [.. Int32(rows), .. Int32(columns)]),
        .. Element(1, Encoding.ASCII.GetBytes(name), small: name.Length is > 0 and <= 4), .. content,
    ]);

    public static byte[] Doubles(string name, int rows, int columns, params double[] values) => Matrix(name, 6, rows, columns, Element(9, [.. values.SelectMany(BitConverter.GetBytes)]));

    public static byte[] Text(string name, string text) => Matrix(name, 4, 1, text.Length, Element(4, Encoding.Unicode.GetBytes(text)));

    public static byte[] Struct(string name, params (string Name, byte[] Value)[] fields) => Matrix(name, 2, 1, 1,
    [
        .. Element(5, Int32(8), small: true), .. Element(1, [.. fields.SelectMany(f => Encoding.ASCII.GetBytes(f.Name.PadRight(8, '\0')))]), .. fields.SelectMany(f => f.Value),
    ]);

    /// <summary>A record of CPSC-2018.</summary>
    public static byte[] Cpsc(string sex, byte age, int samples, Func<int, int, double> value)
    {
        var data = Doubles("", 12, samples, [.. Enumerable.Range(0, samples * 12).Select(i => value(i % 12, i / 12))]);
        return Level5(Packed(Struct("ECG", ("sex", Text("", sex)), ("age", Matrix("", 6, 1, 1, Element(2, [age], small: true))), ("data", data))));
    }

    public static byte[] Int32(int value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return bytes;
    }
}
