using System.Buffers.Binary;
using System.IO.Compression;
using Graft.Formats;

namespace Graft.Fuzz;

/// <summary>Damage inside of containers whose lengths and checksums are put right again, so that what lies behind them is reached.</summary>
internal static partial class ContainerMutators
{
    /// <summary>Every opcode that the pickle reader obeys, and some that it must not: pieces of this are put into pickles.</summary>
    private static readonly byte[] Opcodes =
    [
        .. "N()]}(tlda(e(s(u012h\0h\x05q\0q\x7fRbQ"u8, 0x85, 0x86, 0x87, 0x88, 0x89, 0x94, 0x93, (byte)'.', (byte)'K', 255, (byte)'M', 255, 255,
        (byte)'J', 0, 0, 0, 0x80, 0x8a, 8, 255, 255, 255, 255, 255, 255, 255, 0x7f, (byte)'i', (byte)'o', 0x81, 0x92, 0x80, 5, 0x95, 0, 0, 0, 0, 0, 0, 0, 0,
        .. "X\xff\xff\xff\xff"u8, .. "X\x05\0\0\0\x1b[31m"u8, .. "ctorch._utils\n_rebuild_tensor_v2\n"u8, .. "ccollections\nOrderedDict\n)R"u8,
    ];

    /// <summary>A safetensors file whose header is damaged as text; its length field is right.</summary>
    public static byte[] Safetensors(byte[] original, byte[] donor, ref SplitMix random)
    {
        var (header, data) = Part(original);
        header = TextMutator.Mutate(header, Part(donor).Header, ref random);
        if (random.Next(8) == 0)
            data = ByteMutator.Mutate(data, donor, ref random);
        var bytes = new byte[8 + header.Length + data.Length];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, header.Length);
        header.CopyTo(bytes, 8);
        data.CopyTo(bytes, 8 + header.Length);
        return bytes;

        static (byte[] Header, byte[] Data) Part(byte[] file)
        {
            var length = file.Length < 8 ? 0 : (int)Math.Min(BinaryPrimitives.ReadUInt64LittleEndian(file), (ulong)file.Length - 8);
            return file.Length < 8 ? (file, []) : (file[8..(8 + length)], file[(8 + length)..]);
        }
    }

    /// <summary>A zip archive with a damaged entry, mostly data.pkl, and right checksums.</summary>
    public static byte[] Zip(byte[] original, byte[] donor, ref SplitMix random)
    {
        if (Unzip(original) is not { Count: > 0 } entries)
            return ByteMutator.Mutate(original, donor, ref random);
        var pickle = entries.FindIndex(e => e.Name.EndsWith("data.pkl", StringComparison.Ordinal));
        var chosen = pickle >= 0 && random.Next(8) > 0 ? pickle : random.Next(entries.Count);
        var donated = random.Next(2) == 0 ? Opcodes : Unzip(donor)?.Find(e => e.Name.EndsWith("data.pkl", StringComparison.Ordinal)).Content ?? Opcodes;
        entries[chosen] = (entries[chosen].Name, ByteMutator.Mutate(entries[chosen].Content, donated, ref random));
        using var memory = new MemoryStream();
        using (var archive = new ZipArchive(memory, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content) in entries)
            {
                using var stream = archive.CreateEntry(name, CompressionLevel.NoCompression).Open();
                stream.Write(content);
            }
        }

        return memory.ToArray();
    }

    /// <summary>A legacy checkpoint, whose pickles lie bare: pieces of opcodes are put in.</summary>
    public static byte[] Pickle(byte[] original, byte[] donor, ref SplitMix random) => ByteMutator.Mutate(original, Opcodes, ref random);

    /// <summary>A PNG with a damaged chunk, or other chunks, and right checksums.</summary>
    public static byte[] Png(byte[] original, byte[] donor, ref SplitMix random)
    {
        var chunks = Chunks(original);
        if (chunks.Count == 0)
            return ByteMutator.Mutate(original, donor, ref random);
        var at = random.Next(chunks.Count);
        var others = Chunks(donor);
        switch (random.Next(8))
        {
            case 0: chunks.RemoveAt(at); break;
            case 1: chunks.Insert(random.Next(chunks.Count), chunks[at]); break;
            case 2 when others.Count > 0: chunks.Insert(at, others[random.Next(others.Count)]); break;
            case 3 when others.Count > 0: chunks[at] = others[random.Next(others.Count)]; break;
            case 4 when chunks[at].Type.AsSpan().SequenceEqual("IDAT"u8):
                if (Decompress(chunks[at].Data) is { } rows)
                    chunks[at] = (chunks[at].Type, Compress(ByteMutator.Mutate(rows, donor, ref random)));
                break;
            case 5: chunks[at] = (ByteMutator.Mutate(chunks[at].Type, "IHDRPLTEIDATIENDtRNSgAMAeXIfacTL"u8.ToArray(), ref random), chunks[at].Data); break;
            default: chunks[at] = (chunks[at].Type, ByteMutator.Mutate(chunks[at].Data, donor, ref random)); break;
        }

        using var file = new MemoryStream();
        file.Write(original.AsSpan(0, 8));
        Span<byte> number = stackalloc byte[4];
        foreach (var (type, data) in chunks)
        {
            byte[] body = [.. type, .. data];
            BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
            file.Write(number);
            file.Write(body);
            BinaryPrimitives.WriteUInt32BigEndian(number, Checksum(body));
            file.Write(number);
        }

        return file.ToArray();
    }

    /// <summary>A JPEG with a damaged segment of the right length.</summary>
    public static byte[] Jpeg(byte[] original, byte[] donor, ref SplitMix random)
    {
        var segments = new List<(int At, int Length)>();
        for (var at = 2; at + 4 <= original.Length && original[at] == 0xff && original[at + 1] != 0xda;)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(original.AsSpan(at + 2));
            if (length < 2 || at + 2 + length > original.Length)
                break;
            segments.Add((at + 4, length - 2));
            at += 2 + length;
        }

        if (segments.Count == 0)
            return ByteMutator.Mutate(original, donor, ref random);
        var (start, size) = segments[random.Next(segments.Count)];
        var content = ByteMutator.Mutate(original[start..(start + size)], donor, ref random);
        if (content.Length > ushort.MaxValue - 2)
            content = content[..(ushort.MaxValue - 2)];
        byte[] field = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(field, (ushort)(content.Length + 2));
        return [.. original[..(start - 2)], .. field, .. content, .. original[(start + size)..]];
    }

    /// <summary>A WebP whose container's size is right.</summary>
    public static byte[] Riff(byte[] original, byte[] donor, ref SplitMix random)
    {
        var bytes = ByteMutator.Mutate(original, donor, ref random);
        if (bytes.Length >= 8)
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4), bytes.Length - 8);
        return bytes;
    }

    /// <summary>Damaged, then packed with gzip.</summary>
    public static byte[] Gzip(byte[] original, byte[] donor, ref SplitMix random)
    {
        using var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(ByteMutator.Mutate(original, donor, ref random));
        return memory.ToArray();
    }

    /// <summary>Packed with gzip, then damaged.</summary>
    public static byte[] DamagedGzip(byte[] original, byte[] donor, ref SplitMix random)
    {
        using var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(original);
        return ByteMutator.Mutate(memory.ToArray(), donor, ref random);
    }

    private static List<(string Name, byte[] Content)>? Unzip(byte[] file)
    {
        try
        {
            using var archive = new ZipArchive(new MemoryStream(file), ZipArchiveMode.Read);
            var entries = new List<(string, byte[])>();
            foreach (var entry in archive.Entries)
            {
                if (entry.Length > 1 << 20)
                    return null;
                using var stream = entry.Open();
                using var content = new MemoryStream();
                stream.CopyTo(content);
                entries.Add((entry.FullName, content.ToArray()));
            }

            return entries;
        }
        catch (InvalidDataException)
        {
            return null; // a seed that is damaged already
        }
    }

    private static List<(byte[] Type, byte[] Data)> Chunks(byte[] file)
    {
        var chunks = new List<(byte[], byte[])>();
        for (var at = 8; at + 12 <= file.Length;)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan(at));
            if (length > file.Length - at - 12)
                break;
            chunks.Add((file[(at + 4)..(at + 8)], file[(at + 8)..(at + 8 + (int)length)]));
            at += 12 + (int)length;
        }

        return chunks;
    }

    private static byte[]? Decompress(byte[] data)
    {
        try
        {
            using var zlib = new ZLibStream(new MemoryStream(data), CompressionMode.Decompress);
            using var memory = new MemoryStream();
            zlib.CopyTo(memory);
            return memory.Length <= 1 << 20 ? memory.ToArray() : null;
        }
        catch (InvalidDataException)
        {
            return null; // the first of several, or damaged already
        }
    }

    private static byte[] Compress(byte[] data)
    {
        using var memory = new MemoryStream();
        using (var zlib = new ZLibStream(memory, CompressionLevel.Fastest, leaveOpen: true))
            zlib.Write(data);
        return memory.ToArray();
    }

    private static unsafe uint Checksum(byte[] data)
    {
        fixed (byte* start = data)
            return Crc32.Compute(start, data.Length);
    }
}
