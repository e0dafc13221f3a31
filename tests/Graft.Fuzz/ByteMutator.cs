using System.Buffers.Binary;

namespace Graft.Fuzz;

/// <summary>Makes a damaged copy of some bytes.</summary>
/// <param name="original">What is damaged.</param>
/// <param name="donor">Another valid content, of which pieces may be put in.</param>
/// <param name="random">Where the damage is drawn from.</param>
internal delegate byte[] Mutator(byte[] original, byte[] donor, ref SplitMix random);

/// <summary>Damage that knows nothing of the format.</summary>
internal static class ByteMutator
{
    private const int Longest = 1 << 20;

    private static readonly byte[] Bytes = [0, 1, 0x7f, 0x80, 0xff, 0xfe, (byte)'9', (byte)'"', (byte)'\n', 0x1b];

    private static readonly ulong[] Numbers =
    [
        0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 100_000_000, 0x7ffffffe, 0x7fffffff, 0x80000000, 0xffffffff, 1ul << 32,
        1ul << 53, 1ul << 62, (1ul << 63) - 1, 1ul << 63, ulong.MaxValue - 7, ulong.MaxValue,
    ];

    /// <summary>One to four edits, now and then sixteen.</summary>
    public static byte[] Mutate(byte[] original, byte[] donor, ref SplitMix random)
    {
        var bytes = new List<byte>(original);
        for (var edits = random.Next(16) == 0 ? 16 : 1 + random.Next(4); edits > 0 && bytes.Count is > 0 and < Longest; edits--)
            Edit(bytes, donor, ref random);
        return [.. bytes];
    }

    private static void Edit(List<byte> bytes, byte[] donor, ref SplitMix random)
    {
        var at = random.Next(bytes.Count);
        var length = Math.Min(1 + random.Next(1 << random.Next(8)), bytes.Count - at);
        switch (random.Next(12))
        {
            case 0: bytes[at] = (byte)random.Next(256); break;
            case 1 or 2: bytes[at] ^= (byte)(1 << random.Next(8)); break;
            case 3: bytes[at] = Bytes[random.Next(Bytes.Length)]; break;
            case 4: bytes[at] = (byte)(bytes[at] + random.Next(33) - 16); break;
            case 5 or 6: Overwrite(bytes, at, ref random); break;
            case 7 when random.Next(3) == 0: bytes.RemoveRange(at, bytes.Count - at); break;
            case 7 or 8: bytes.RemoveRange(at, length); break;
            case 9: bytes.InsertRange(at, bytes.GetRange(at, length)); break;
            case 10:
                var value = Bytes[random.Next(Bytes.Length)];
                for (var i = 0; i < length; i++)
                    bytes[at + i] = value;
                break;
            default: Splice(bytes, donor, at, ref random); break;
        }
    }

    /// <summary>Writes a number at the edges of what fields can hold, in either order of bytes.</summary>
    private static void Overwrite(List<byte> bytes, int at, ref SplitMix random)
    {
        Span<byte> field = stackalloc byte[8];
        var number = random.Next(4) == 0 ? (ulong)(bytes.Count + random.Next(17) - 8) : Numbers[random.Next(Numbers.Length)];
        var width = 1 << (1 + random.Next(3));
        BinaryPrimitives.WriteUInt64LittleEndian(field, number);
        field = field[..width];
        if (random.Next(2) == 0)
            field.Reverse();
        for (var i = 0; i < width && at + i < bytes.Count; i++)
            bytes[at + i] = field[i];
    }

    /// <summary>Puts a piece of another content in, or over what is there.</summary>
    private static void Splice(List<byte> bytes, byte[] donor, int at, ref SplitMix random)
    {
        if (donor.Length == 0)
            return;
        var from = random.Next(donor.Length);
        var piece = donor.AsSpan(from, Math.Min(1 + random.Next(1 << random.Next(10)), donor.Length - from)).ToArray();
        if (random.Next(2) == 0)
            bytes.RemoveRange(at, Math.Min(piece.Length, bytes.Count - at));
        bytes.InsertRange(at, piece);
    }
}
