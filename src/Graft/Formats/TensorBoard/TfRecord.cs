using System.Buffers.Binary;
using System.Numerics;

namespace Graft.Formats.TensorBoard;

/// <summary>The framing of TensorFlow's record files.</summary>
/// <remarks>
/// Of each record: its length (uint64, little-endian), the masked CRC-32C of these 8 bytes, the data, the masked CRC-32C of the data.
/// Masked is <c>rotate right by 15, plus 0xa282ead8</c>, so that a checksum of data that hold checksums stays useful.
/// </remarks>
internal static class TfRecord
{
    private const uint MaskDelta = 0xa282ead8;
    private const int HeadSize = 12;

    /// <summary>A record as it stands in the file.</summary>
    public static byte[] Frame(ReadOnlySpan<byte> data)
    {
        var framed = new byte[HeadSize + data.Length + 4];
        BinaryPrimitives.WriteUInt64LittleEndian(framed, (ulong)data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(framed.AsSpan(8), MaskedCrc(framed.AsSpan(0, 8)));
        data.CopyTo(framed.AsSpan(HeadSize));
        BinaryPrimitives.WriteUInt32LittleEndian(framed.AsSpan(HeadSize + data.Length), MaskedCrc(data));
        return framed;
    }

    private static uint MaskedCrc(ReadOnlySpan<byte> data) => unchecked(BitOperations.RotateRight(Crc32C(data), 15) + MaskDelta);

    /// <summary>CRC-32C (Castagnoli), as RFC 3720 has it.</summary>
    private static uint Crc32C(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        while (data.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
            data = data[sizeof(ulong)..];
        }

        foreach (var value in data)
            crc = BitOperations.Crc32C(crc, value);
        return ~crc;
    }
}
