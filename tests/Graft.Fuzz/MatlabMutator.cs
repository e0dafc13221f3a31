using System.Buffers.Binary;
using System.Text;

namespace Graft.Fuzz;

/// <content>MATLAB files of level 5.</content>
internal static partial class ContainerMutators
{
    private const int Header = 128;

    /// <summary>A file whose variables are damaged below zlib and packed again, or not.</summary>
    public static byte[] Matlab(byte[] original, byte[] donor, ref SplitMix random)
    {
        var elements = MatlabElements(original);
        if (elements.Count == 0)
            return ByteMutator.Mutate(original, donor, ref random);
        var at = random.Next(elements.Count);
        var others = MatlabElements(donor);
        elements[at] = ByteMutator.Mutate(elements[at], others.Count > 0 ? others[random.Next(others.Count)] : donor, ref random);
        return Level5(elements, packed: random.Next(2) == 0);
    }

    /// <summary>A file of elements, each packed with zlib or not.</summary>
    public static byte[] Level5(IReadOnlyList<byte[]> elements, bool packed)
    {
        var file = new List<byte>(Encoding.ASCII.GetBytes("MATLAB 5.0 MAT-file, for damage".PadRight(116)));
        file.AddRange([.. new byte[8], 0, 1, (byte)'I', (byte)'M']);
        foreach (var element in elements)
        {
            var content = packed ? Compress(element) : element;
            if (packed)
                file.AddRange([.. BitConverter.GetBytes(15), .. BitConverter.GetBytes(content.Length)]);
            file.AddRange(content);
        }

        return [.. file];
    }

    private static List<byte[]> MatlabElements(byte[] file)
    {
        var elements = new List<byte[]>();
        if (file.Length < Header || !file.AsSpan(126, 2).SequenceEqual("IM"u8))
            return elements;
        for (var at = Header; at + 8 <= file.Length;)
        {
            var (type, length) = (BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at)), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 4)));
            if (length > file.Length - at - 8)
                break;
            var end = at + 8 + (int)length;
            if (type != 15)
                elements.Add(file[at..end]);
            else if (Decompress(file[(at + 8)..end]) is { } unpacked)
                elements.Add(unpacked);
            at = end;
        }

        return elements;
    }
}
