using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Unicode;
using Graft.Torch;

namespace Graft.Formats;

/// <summary>Reads and checks the header of a safetensors file: nothing that it claims is believed before it fits the file.</summary>
internal sealed class SafetensorsHeader
{
    /// <summary>Longest header, as in the reference implementation.</summary>
    public const long Longest = 100_000_000;

    private const int LengthBytes = 8;

    private readonly FileFault _fault;
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private bool _hasMetadata;

    private SafetensorsHeader(FileFault fault) => _fault = fault;

    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>Sorted by offset once read.</summary>
    public List<TensorEntry> Entries { get; private set; } = [];

    /// <summary>Bytes from the beginning of the file to the data section.</summary>
    public long DataStart { get; private set; }

    public static SafetensorsHeader Read(MappedFile file)
    {
        var header = new SafetensorsHeader(file.Fault);
        var json = header.Locate(file);
        try
        {
            header.Parse(json);
        }
        catch (JsonException e)
        {
            throw header._fault.Read("its header is not valid JSON", cause: e);
        }
        catch (InvalidOperationException e)
        {
            // Thrown by the JSON reader for a string that is not well-formed Unicode.
            throw header._fault.Read("its header holds a string that is not valid Unicode", cause: e);
        }

        header.CheckLayout(file.Length - header.DataStart);
        return header;
    }

    private ReadOnlySpan<byte> Locate(MappedFile file)
    {
        if (file.Length == 0)
            throw _fault.Read("it is empty");
        var head = file.Head(512);
        // A real header begins with a brace, so a pointer, a page or an archive is told apart by what is there instead.
        if ((head.Length <= LengthBytes || head[LengthBytes] != (byte)'{') && _fault.OtherKind(head) is { } other)
            throw other;
        if (head.Length < LengthBytes)
            throw _fault.Read("it is shorter than the eight bytes that give the length of the header");
        var length = BinaryPrimitives.ReadUInt64LittleEndian(head);
        if (length > Longest)
            throw _fault.OtherKind(head) ?? _fault.Read("its header would be longer than 100 MB, so it is not a safetensors file");
        if (length < 2)
            throw _fault.Read("its header is empty");
        if ((long)length > file.Length - LengthBytes)
            throw _fault.OtherKind(head) ?? _fault.Read("its header is longer than the file, which is cut short or not a safetensors file");
        DataStart = LengthBytes + (long)length;
        var json = file.Span(LengthBytes, (int)length);
        if (json[0] != (byte)'{')
            throw _fault.Read("its header does not begin with '{', so it is not a safetensors file");
        return Utf8.IsValid(json) ? json : throw _fault.Read("its header is not valid UTF-8");
    }

    private void Parse(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            if (name == "__metadata__")
                ReadMetadata(ref reader);
            else if (!_names.Add(name))
                throw _fault.Read($"the tensor {FileFault.Quote(name)} is listed twice");
            else
                Entries.Add(ReadEntry(ref reader, name));
        }

        // Fails if anything but blanks follows the header's object.
        reader.Read();
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (_hasMetadata)
            throw _fault.Read("its metadata are listed twice");
        _hasMetadata = true;
        if (reader.TokenType == JsonTokenType.Null)
            return;
        if (reader.TokenType != JsonTokenType.StartObject)
            throw _fault.Read("its metadata are not a JSON object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw _fault.Read($"its metadata entry {FileFault.Quote(key)} is not a string");
            if (!Metadata.TryAdd(key, reader.GetString()!))
                throw _fault.Read($"its metadata entry {FileFault.Quote(key)} is listed twice");
        }
    }

    private TensorEntry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        var quoted = FileFault.Quote(name);
        if (reader.TokenType != JsonTokenType.StartObject)
            throw _fault.Read($"the entry of tensor {quoted} is not a JSON object");
        string? type = null;
        long[]? shape = null, offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var field = reader.GetString()!;
            reader.Read();
            var again = field switch { "dtype" => type is not null, "shape" => shape is not null, _ => offsets is not null };
            switch (field)
            {
                case "dtype" or "shape" or "data_offsets" when again:
                    throw _fault.Read($"the tensor {quoted} lists its {field} twice");
                case "dtype":
                    type = reader.TokenType == JsonTokenType.String
                        ? reader.GetString()!
                        : throw _fault.Read($"the dtype of tensor {quoted} is not a string");
                    break;
                case "shape":
                    shape = ReadNumbers(ref reader, quoted, field);
                    break;
                case "data_offsets":
                    offsets = ReadNumbers(ref reader, quoted, field);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (type is null || shape is null || offsets is null)
        {
            var missing = type is null ? "dtype" : shape is null ? "shape" : "data_offsets";
            throw _fault.Read($"the tensor {quoted} has no {missing}");
        }

        return Check(name, type, shape, offsets);
    }

    private long[] ReadNumbers(ref Utf8JsonReader reader, string quoted, string field)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw _fault.Read($"the {field} of tensor {quoted} is not a list");
        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var number) || number < 0)
                throw _fault.Read($"the {field} of tensor {quoted} holds something that is not an integer from 0 to 2^63 - 1");
            numbers.Add(number);
        }

        return [.. numbers];
    }

    private TensorEntry Check(string name, string typeName, long[] shape, long[] offsets)
    {
        var quoted = FileFault.Quote(name);
        if (SafetensorsDType.Parse(typeName) is not { } type)
        {
            throw _fault.Read(
                $"the tensor {quoted} has the element type {FileFault.Quote(typeName)}, which is not supported",
                "save it as one of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL");
        }

        if (offsets.Length != 2)
            throw _fault.Read($"the data_offsets of tensor {quoted} are not two numbers");
        if (offsets[1] < offsets[0])
            throw _fault.Read($"the data of tensor {quoted} end before they begin");
        if (!ElementCount.TryGet(shape, out var count) || !ElementCount.TryGetBytes(count, type.Size(), out var bytes))
            throw _fault.Read($"the tensor {quoted} has more elements than 63 bits can count");
        return bytes == offsets[1] - offsets[0]
            ? new TensorEntry(name, type, shape, offsets[0], bytes)
            : throw _fault.Read($"the tensor {quoted} needs {bytes} bytes but its data_offsets give {offsets[1] - offsets[0]}");
    }

    /// <summary>The tensors must cover the data section exactly: a gap or an overlap would hide bytes or share them.</summary>
    private void CheckLayout(long available)
    {
        Entries = [.. Entries.OrderBy(entry => entry.Offset).ThenBy(entry => entry.Length)];
        long end = 0;
        foreach (var entry in Entries)
        {
            var quoted = FileFault.Quote(entry.Name);
            if (entry.Length > available - entry.Offset)
                throw _fault.Read($"the data of tensor {quoted} go past the end of the file, which is cut short");
            if (entry.Offset < end)
                throw _fault.Read($"the data of tensor {quoted} overlap the tensor before");
            if (entry.Offset > end)
                throw _fault.Read($"the data of tensor {quoted} leave a gap to the tensor before");
            end += entry.Length;
        }

        if (end != available)
            throw _fault.Read($"{available - end} bytes behind the last tensor belong to none");
    }
}
