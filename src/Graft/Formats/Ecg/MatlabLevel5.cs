using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Graft.Formats.Ecg;

/// <summary>Reads level 5: a header of 128 bytes, then tagged elements, which may be packed with zlib.</summary>
internal sealed class MatlabLevel5
{
    public const int HeaderLength = 128;

    private const int Deepest = 8;
    private const int MostFields = 1000;
    private const int Complex = 0x0800;
    private readonly FileFault _fault;
    private readonly bool _bigEndian;

    private MatlabLevel5(FileFault fault, bool bigEndian) => (_fault, _bigEndian) = (fault, bigEndian);

    public static List<MatlabArray> Read(byte[] data, FileFault fault)
    {
        if (data.AsSpan().StartsWith("MATLAB 7.3"u8))
            throw fault.Read("it is a MATLAB file of version 7.3 (HDF5), which is not read", "save it with -v7");
        var bigEndian = data.AsSpan(126, 2).SequenceEqual("MI"u8);
        if (!bigEndian && !data.AsSpan(126, 2).SequenceEqual("IM"u8))
            throw fault.OtherKind(data) ?? fault.Read("it begins as no MATLAB file does", "give a .mat file of level 4 or 5");
        var reader = new MatlabLevel5(fault, bigEndian);
        var version = bigEndian ? BinaryPrimitives.ReadUInt16BigEndian(data.AsSpan(124)) : BinaryPrimitives.ReadUInt16LittleEndian(data.AsSpan(124));
        if (version != 0x0100)
            throw fault.Read($"it is a MATLAB file of version 0x{version:x4}, and level 5 is 0x0100", "save it with -v7");
        var variables = new List<MatlabArray>();
        ReadOnlyMemory<byte> rest = data.AsMemory(HeaderLength);
        while (rest.Length > 0)
        {
            var (type, body) = reader.Element(ref rest, isFile: true);
            if (type == MatlabStorage.Compressed)
            {
                ReadOnlyMemory<byte> unpacked = reader.Unpack(body);
                (type, body) = reader.Element(ref unpacked);
            }

            if (type != MatlabStorage.Matrix)
                throw fault.Read($"it holds an element of type {(int)type} where a variable should stand");
            variables.Add(reader.Matrix(body, null, 0));
        }

        return variables;
    }

    /// <summary>Takes the next element off: its tag of 8 bytes (or 4, with up to 4 bytes of data behind), its data, and what fills up to 8 bytes.</summary>
    private (MatlabStorage Type, ReadOnlyMemory<byte> Body) Element(ref ReadOnlyMemory<byte> rest, bool isFile = false)
    {
        if (rest.Length < 8)
            throw _fault.Read("it ends within an element");
        var (first, length) = (Number(rest.Span), Number(rest.Span[4..]));
        if (first >> 16 != 0)
        {
            var small = first >> 16;
            if (small > 4)
                throw _fault.Read($"a small element says {small} bytes, and it can have 4");
            var element = ((MatlabStorage)(first & 0xffff), rest.Slice(4, (int)small));
            rest = rest[8..];
            return element;
        }

        if (length > rest.Length - 8)
            throw _fault.Read($"an element says {length} bytes, and {rest.Length - 8} follow");
        var body = rest.Slice(8, (int)length);
        // Compressed elements are not filled up; the last one of what holds it may lack its filling.
        var filling = isFile && first == (uint)MatlabStorage.Compressed ? 0 : (8 - ((int)length & 7)) & 7;
        rest = rest[Math.Min(rest.Length, 8 + (int)length + filling)..];
        return ((MatlabStorage)first, body);
    }

    /// <summary>All that comes out, as it comes: the buffer grows with the data and not with what a tag claims.</summary>
    private byte[] Unpack(ReadOnlyMemory<byte> packed)
    {
        try
        {
            using var source = new MemoryStream(packed.ToArray(), writable: false);
            using var zlib = new ZLibStream(source, CompressionMode.Decompress);
            var buffer = new byte[Math.Max(64, 4 * packed.Length)];
            var length = 0;
            while (true)
            {
                var read = zlib.Read(buffer, length, buffer.Length - length);
                if (read == 0)
                    break;
                length += read;
                if (length < buffer.Length)
                    continue;
                if (length > Array.MaxLength / 2)
                    throw _fault.Read("a variable holds more than 1 GiB", "cut the record into shorter ones");
                Array.Resize(ref buffer, 2 * length);
            }

            return buffer[..length];
        }
        catch (InvalidDataException e)
        {
            throw _fault.Read("its compressed data are damaged", cause: e);
        }
    }

    private MatlabArray Matrix(ReadOnlyMemory<byte> rest, string? field, int depth)
    {
        if (rest.Length == 0) // MATLAB writes empty fields so
            return new MatlabArray(field ?? "", 0, 0, MatlabKind.Numbers, default, MatlabStorage.Double, _bigEndian);
        if (depth > Deepest)
            throw _fault.Read($"structs are nested more than {Deepest} deep");
        var (flagType, flags) = Element(ref rest);
        if (flagType != MatlabStorage.UInt32 || flags.Length != 8)
            throw _fault.Read("a variable begins without its flags");
        var flag = Number(flags.Span);
        var sizes = Sizes(ref rest);
        var (nameType, nameBytes) = Element(ref rest);
        if (nameType is not (MatlabStorage.Int8 or MatlabStorage.UInt8 or MatlabStorage.Utf8))
            throw _fault.Read("the name of a variable is no text");
        var name = field ?? Encoding.UTF8.GetString(nameBytes.Span);
        if ((flag & Complex) != 0)
            throw _fault.Read($"the variable {FileFault.Quote(name)} is complex, which is not read", "save its real part");
        switch (flag & 0xff)
        {
            case 2:
                if (sizes is not (1, 1))
                    throw _fault.Read($"the variable {FileFault.Quote(name)} is a list of {sizes.Rows} x {sizes.Columns} structs, and only one is read");
                return new MatlabArray(name, Fields(rest, name, depth));
            case 4:
                var (textType, text) = Element(ref rest);
                if (textType is not (MatlabStorage.UInt16 or MatlabStorage.Utf16 or MatlabStorage.Utf8 or MatlabStorage.UInt8 or MatlabStorage.Int8))
                    throw _fault.Read($"the variable {FileFault.Quote(name)} holds characters of type {(int)textType}, which are not read");
                // In UTF-8 a character may have several bytes, so that only texts of one row can be told.
                return textType == MatlabStorage.Utf8
                    ? new MatlabArray(name, 1, text.Length, MatlabKind.Text, text, textType, _bigEndian)
                    : MatlabFile.Matrix(_fault, name, sizes.Rows, sizes.Columns, MatlabKind.Text, text, textType, _bigEndian);
            case >= 6 and <= 15:
                var (type, data) = Element(ref rest);
                if (type.Size() == 0 || type is MatlabStorage.Utf8 or MatlabStorage.Utf16)
                    throw _fault.Read($"the variable {FileFault.Quote(name)} holds elements of type {(int)type}, which are no numbers");
                return MatlabFile.Matrix(_fault, name, sizes.Rows, sizes.Columns, MatlabKind.Numbers, data, type, _bigEndian);
            default:
                throw _fault.Read($"the variable {FileFault.Quote(name)} is {Other(flag & 0xff)}, which is not read", "save it as a full matrix, a text or a struct");
        }
    }

    private Dictionary<string, MatlabArray> Fields(ReadOnlyMemory<byte> rest, string name, int depth)
    {
        var (lengthType, lengthBytes) = Element(ref rest);
        if (lengthType != MatlabStorage.Int32 || lengthBytes.Length != 4)
            throw _fault.Read($"the struct {FileFault.Quote(name)} does not say how long its fields' names are");
        var length = Number(lengthBytes.Span);
        var (_, names) = Element(ref rest);
        if (length is 0 or > 1024 || names.Length % length != 0 || names.Length / length > MostFields)
            throw _fault.Read($"the struct {FileFault.Quote(name)} says names of {length} characters in {names.Length} bytes");
        var fields = new Dictionary<string, MatlabArray>(StringComparer.Ordinal);
        for (var at = 0; at < names.Length; at += (int)length)
        {
            var bytes = names.Span.Slice(at, (int)length);
            var end = bytes.IndexOf((byte)0);
            var fieldName = Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
            var (type, body) = Element(ref rest);
            if (type != MatlabStorage.Matrix)
                throw _fault.Read($"the field {FileFault.Quote(fieldName)} is an element of type {(int)type} and no array");
            if (!fields.TryAdd(fieldName, Matrix(body, fieldName, depth + 1)))
                throw _fault.Read($"the struct {FileFault.Quote(name)} has the field {FileFault.Quote(fieldName)} twice");
        }

        return fields;
    }

    private (long Rows, long Columns) Sizes(ref ReadOnlyMemory<byte> rest)
    {
        var (type, sizes) = Element(ref rest);
        if (type != MatlabStorage.Int32 || sizes.Length % 4 != 0 || sizes.Length < 8)
            throw _fault.Read("a variable does not say its sizes");
        return sizes.Length == 8
            ? ((int)Number(sizes.Span), (int)Number(sizes.Span[4..]))
            : throw _fault.Read($"a variable has {sizes.Length / 4} dimensions, and only two are read", "save it as a matrix");
    }

    private uint Number(ReadOnlySpan<byte> bytes) => _bigEndian ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt32LittleEndian(bytes);

    private static string Other(uint kind) => kind switch
    {
        1 => "a cell array",
        3 => "an object",
        5 => "a sparse matrix",
        16 => "a function",
        17 => "an opaque object",
        _ => $"of class {kind}",
    };
}
