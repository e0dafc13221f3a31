using System.Buffers.Binary;

namespace Graft.Formats.Ecg;

/// <summary>How samples of a WFDB signal file are stored.</summary>
/// <remarks>
/// Source: signal(5) of the WFDB Applications Guide. Read here: 16 and 61 (two's complement, 16 bits, low or high byte first), 24, 32 (low
/// byte first), 80 (8 bits, offset binary) and 212 (two samples of 12 bits in three bytes). Samples of all signals of a file take turns.
/// </remarks>
internal sealed class WfdbFormat
{
    private static readonly WfdbFormat[] All =
    [
        new(16, 16, short.MinValue, (bytes, i) => BinaryPrimitives.ReadInt16LittleEndian(bytes[(2 * i)..])),
        new(24, 24, -(1 << 23), (bytes, i) => bytes[3 * i] | (bytes[(3 * i) + 1] << 8) | ((sbyte)bytes[(3 * i) + 2] << 16)),
        new(32, 32, int.MinValue, (bytes, i) => BinaryPrimitives.ReadInt32LittleEndian(bytes[(4 * i)..])),
        new(61, 16, short.MinValue, (bytes, i) => BinaryPrimitives.ReadInt16BigEndian(bytes[(2 * i)..])),
        new(80, 8, sbyte.MinValue, (bytes, i) => bytes[i] - 128),
        new(212, 12, -(1 << 11), Twelve),
    ];

    private readonly Decoder _decode;

    private WfdbFormat(int number, int bits, int invalid, Decoder decode) => (Number, Bits, Invalid, _decode) = (number, bits, invalid, decode);

    private delegate int Decoder(ReadOnlySpan<byte> bytes, int index);

    /// <summary>What the header calls it.</summary>
    public int Number { get; }

    /// <summary>Bits of a sample in the file.</summary>
    public int Bits { get; }

    /// <summary>The value that stands for "no sample".</summary>
    public int Invalid { get; }

    /// <summary>The formats that are read, for messages.</summary>
    public static string Known { get; } = string.Join(", ", All.Select(f => f.Number));

    /// <summary>The format of a number, or null.</summary>
    public static WfdbFormat? Of(int number) => Array.Find(All, f => f.Number == number);

    /// <summary>Bytes that so many samples take at least (format 212 ends its file with two or three bytes when their number is odd).</summary>
    public UInt128 BytesOf(UInt128 samples) => ((samples * (UInt128)Bits) + 7) / 8;

    /// <summary>How many samples so many bytes hold.</summary>
    public long SamplesIn(long bytes) => (long)((Int128)bytes * 8 / Bits);

    /// <summary>The sample of a place.</summary>
    /// <param name="bytes">The samples' bytes.</param>
    /// <param name="index">From 0, all signals of the file counted.</param>
    public int Sample(ReadOnlySpan<byte> bytes, int index) => _decode(bytes, index);

    /// <summary>The first of a pair has its low byte first and its high bits low in the second byte; the other has them high there.</summary>
    private static int Twelve(ReadOnlySpan<byte> bytes, int index)
    {
        var at = 3 * (index / 2);
        var value = index % 2 == 0 ? bytes[at] | ((bytes[at + 1] & 0x0f) << 8) : bytes[at + 2] | ((bytes[at + 1] & 0xf0) << 4);
        return (value ^ 0x800) - 0x800;
    }
}
