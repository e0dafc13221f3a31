using System.Buffers.Binary;
using System.IO.Compression;
using Graft.Formats;

namespace Graft.Data;

/// <summary>A file in the IDX format of the MNIST family, of unsigned bytes, plain or compressed with gzip.</summary>
/// <remarks>
/// Source: the format description on the MNIST page. Two zero bytes, the type (8 for unsigned bytes), the rank, the sizes as
/// big-endian int32, then the elements in row-major order. Anything beyond them, or missing, is an error here.
/// </remarks>
public sealed class IdxFile
{
    private const byte UnsignedByte = 8;

    /// <summary>The best that deflate can do.</summary>
    private const long MostExpansion = 1032;

    private IdxFile(int[] sizes, byte[] data)
    {
        Sizes = sizes;
        Data = data;
    }

    /// <summary>The sizes of the dimensions, the slowest first: [count, height, width] for pictures, [count] for labels.</summary>
    public IReadOnlyList<int> Sizes { get; }

    /// <summary>The elements in row-major order, as many as the product of <see cref="Sizes"/>. No copy.</summary>
    public byte[] Data { get; }

    /// <summary>Reads a file.</summary>
    /// <param name="path">Plain or gzip, told by content.</param>
    /// <param name="rank">How many dimensions it must have: 3 for pictures, 1 for labels.</param>
    /// <exception cref="InputException">The file is missing or is not such an IDX file; the message names it and why.</exception>
    public static IdxFile Read(string path, int rank) => Decode(InputFile.Read(path), path, rank);

    /// <summary>Decodes the bytes of a file.</summary>
    /// <param name="data">All bytes, plain or gzip.</param>
    /// <param name="name">What messages call it; usually its path.</param>
    /// <param name="rank">How many dimensions it must have: 3 for pictures, 1 for labels.</param>
    /// <exception cref="InputException">The bytes are not such an IDX file; the message names it and why.</exception>
    public static IdxFile Decode(byte[] data, string name, int rank)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rank, 8);
        using var memory = new MemoryStream(data, writable: false);
        if (data is not [0x1f, 0x8b, ..])
            return Decode(memory, data.Length, name, rank);

        try
        {
            using var unzipped = new GZipStream(memory, CompressionMode.Decompress);
            return Decode(unzipped, data.Length * MostExpansion, name, rank);
        }
        catch (InvalidDataException e)
        {
            throw Fault(name, "its gzip data are damaged", e);
        }
    }

    /// <param name="stream">The plain bytes.</param>
    /// <param name="available">At most so many bytes can come: a bound for what is allocated.</param>
    /// <param name="name">For messages.</param>
    /// <param name="rank">Wanted.</param>
    private static IdxFile Decode(Stream stream, long available, string name, int rank)
    {
        try
        {
            Span<byte> head = stackalloc byte[4 + (4 * rank)];
            stream.ReadExactly(head[..4]);
            if (head[0] != 0 || head[1] != 0)
                throw Fault(name, "it does not begin with an IDX header");
            if (head[2] != UnsignedByte)
                throw Fault(name, $"its elements are of type 0x{head[2]:x2}, and only unsigned bytes (0x08) are read");
            if (head[3] != rank)
                throw Fault(name, $"it has {head[3]} dimensions instead of {rank}");

            stream.ReadExactly(head[4..]);
            var sizes = new int[rank];
            UInt128 elements = 1;
            for (var i = 0; i < rank; i++)
            {
                var size = BinaryPrimitives.ReadUInt32BigEndian(head[(4 + (4 * i))..]);
                if (size is 0 or > int.MaxValue)
                    throw Fault(name, $"its header says {size} for dimension {i}");
                sizes[i] = (int)size;
                elements *= size;
            }

            if (elements > (UInt128)Math.Min(available, Array.MaxLength))
                throw Fault(name, $"its header says {string.Join(" x ", sizes)} elements, which it cannot hold");

            var elementsRead = new byte[(int)elements];
            stream.ReadExactly(elementsRead);
            if (stream.ReadByte() >= 0)
                throw Fault(name, $"it has more data than the {string.Join(" x ", sizes)} elements of its header");
            return new IdxFile(sizes, elementsRead);
        }
        catch (EndOfStreamException e)
        {
            throw Fault(name, "it ends too early", e);
        }
    }

    private static InputException Fault(string name, string reason, Exception? cause = null) =>
        new($"The IDX file '{name}' cannot be read: {reason}; download it again.", cause);
}
