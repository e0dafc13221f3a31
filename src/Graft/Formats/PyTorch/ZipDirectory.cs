using System.Buffers.Binary;
using System.Text;

namespace Graft.Formats;

/// <summary>One entry of a zip archive.</summary>
internal sealed record ZipEntry(string Name, int Method, int Flags, uint Crc, long Compressed, long Length, long HeaderOffset);

/// <summary>
/// The entries of a mapped zip archive. PyTorch stores them uncompressed and so does this reader expect them, which gives the address of
/// every storage without a copy and leaves no room for a decompression bomb. Nothing is ever unpacked to disk.
/// </summary>
/// <remarks>Format: PKWARE APPNOTE 6.3, with the 64-bit extensions.</remarks>
internal sealed unsafe class ZipDirectory
{
    private const int EndLength = 22;
    private const int LongestComment = ushort.MaxValue;
    private const int CentralLength = 46;
    private const int LocalLength = 30;
    private const ushort Wide = 0x0001;

    private readonly MappedFile _file;
    private readonly FileFault _fault;
    private readonly Dictionary<string, ZipEntry> _entries = new(StringComparer.Ordinal);

    public ZipDirectory(MappedFile file)
    {
        _file = file;
        _fault = file.Fault;
        var (offset, length, count) = FindDirectory();
        ReadDirectory(offset, length, count);
    }

    public IReadOnlyDictionary<string, ZipEntry> Entries => _entries;

    /// <summary>Address of the content of an entry, which has <see cref="ZipEntry.Length"/> bytes.</summary>
    public byte* Content(ZipEntry entry)
    {
        var quoted = FileFault.Quote(entry.Name);
        if ((entry.Flags & 1) != 0)
            throw _fault.Read($"the entry {quoted} is encrypted");
        if (entry.Method != 0 || entry.Compressed != entry.Length)
        {
            throw _fault.Read(
                $"the entry {quoted} is compressed, which PyTorch never does",
                "save the file again with torch.save, or pack the archive without compression");
        }

        if (entry.HeaderOffset > _file.Length - LocalLength)
            throw _fault.Read($"the entry {quoted} begins behind the end of the file");
        var header = _file.Span(entry.HeaderOffset, LocalLength);
        if (!header.StartsWith("PK\u0003\u0004"u8))
            throw _fault.Read($"the entry {quoted} is not where the directory of the archive says");
        var start = entry.HeaderOffset + LocalLength + U16(header, 26) + U16(header, 28);
        return entry.Length <= _file.Length - start
            ? _file.Start + start
            : throw _fault.Read($"the entry {quoted} goes past the end of the file, which is cut short");
    }

    /// <summary>Whether the content of an entry has the checksum that the directory gives.</summary>
    public bool IsIntact(ZipEntry entry) => Crc32.Compute(Content(entry), entry.Length) == entry.Crc;

    private (long Offset, long Length, long Count) FindDirectory()
    {
        var tailLength = (int)Math.Min(EndLength + LongestComment, _file.Length);
        var tailStart = _file.Length - tailLength;
        var tail = _file.Span(tailStart, tailLength);
        for (var at = tailLength - EndLength; at >= 0; at--)
        {
            var end = tail[at..];
            if (!end.StartsWith("PK\u0005\u0006"u8) || U16(end, 20) != end.Length - EndLength)
                continue;
            var narrow = (Offset: (long)U32(end, 16), Length: (long)U32(end, 12), Count: (long)U16(end, 10));
            var wide = narrow.Offset == uint.MaxValue || narrow.Length == uint.MaxValue || narrow.Count == ushort.MaxValue;
            return Check(wide ? FindWide(tailStart + at) ?? narrow : narrow, tailStart + at);
        }

        throw _fault.Read("it is a zip archive without the directory at its end, so it is cut short");
    }

    private (long Offset, long Length, long Count)? FindWide(long endOffset)
    {
        const int LocatorLength = 20, RecordLength = 56;
        if (endOffset < LocatorLength)
            return null;
        var locator = _file.Span(endOffset - LocatorLength, LocatorLength);
        if (!locator.StartsWith("PK\u0006\u0007"u8))
            return null;
        var offset = I64(locator, 8);
        if (offset < 0 || offset > endOffset - RecordLength)
            throw _fault.Read("the directory of the zip archive is not where its end says");
        var record = _file.Span(offset, RecordLength);
        return record.StartsWith("PK\u0006\u0006"u8)
            ? (I64(record, 48), I64(record, 40), I64(record, 32))
            : throw _fault.Read("the directory of the zip archive is not where its end says");
    }

    private (long Offset, long Length, long Count) Check((long Offset, long Length, long Count) found, long endOffset)
    {
        var inside = found is { Offset: >= 0, Length: >= 0, Count: >= 0 }
            && found.Offset <= endOffset && found.Length <= endOffset - found.Offset;
        return inside && found.Length <= int.MaxValue && found.Count <= found.Length / CentralLength
            ? found
            : throw _fault.Read("the directory of the zip archive does not fit into the file");
    }

    private void ReadDirectory(long offset, long length, long count)
    {
        var rest = _file.Span(offset, (int)length);
        for (long i = 0; i < count; i++)
        {
            if (rest.Length < CentralLength || !rest.StartsWith("PK\u0001\u0002"u8))
                throw Broken();
            int nameLength = U16(rest, 28), extraLength = U16(rest, 30);
            var total = CentralLength + nameLength + extraLength + U16(rest, 32);
            if (total > rest.Length)
                throw Broken();
            var entry = ReadEntry(rest, rest.Slice(CentralLength, nameLength), rest.Slice(CentralLength + nameLength, extraLength));
            if (!_entries.TryAdd(entry.Name, entry))
                throw _fault.Read($"the entry {FileFault.Quote(entry.Name)} is in the archive twice");
            rest = rest[total..];
        }
    }

    private ZipEntry ReadEntry(ReadOnlySpan<byte> record, ReadOnlySpan<byte> name, ReadOnlySpan<byte> extra)
    {
        long compressed = U32(record, 20), length = U32(record, 24), header = U32(record, 42);
        while (extra.Length >= 4)
        {
            int id = U16(extra, 0), size = U16(extra, 2);
            if (size > extra.Length - 4)
                throw Broken();
            if (id == Wide)
            {
                var field = extra.Slice(4, size);
                Widen(ref length, ref field);
                Widen(ref compressed, ref field);
                Widen(ref header, ref field);
            }

            extra = extra[(4 + size)..];
        }

        return new ZipEntry(Decode(name), U16(record, 10), U16(record, 8), U32(record, 16), compressed, length, header);
    }

    /// <summary>Takes the 64-bit value where the 32-bit one is the mark that there is one.</summary>
    private void Widen(ref long value, ref ReadOnlySpan<byte> field)
    {
        if (value != uint.MaxValue)
            return;
        if (field.Length < sizeof(long) || (value = I64(field, 0)) < 0)
            throw Broken();
        field = field[sizeof(long)..];
    }

    private static string Decode(ReadOnlySpan<byte> name) =>
        System.Text.Unicode.Utf8.IsValid(name) ? Encoding.UTF8.GetString(name) : Encoding.Latin1.GetString(name);

    private InputException Broken() => _fault.Read("the directory of the zip archive is damaged");

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static long I64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);
}
