using System.Buffers.Binary;
using System.Text;

namespace Graft.Tests.Formats;

/// <summary>Writes small pickles, legacy files and 64-bit zip archives that the reference files do not contain.</summary>
internal static class CraftedCheckpoint
{
    public static byte[] Pickle(byte[] value) => [0x80, 2, .. value, (byte)'.'];

    public static byte[] Text(string text) => [(byte)'X', .. BitConverter.GetBytes(Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];

    public static byte[] Number(int number) => [(byte)'J', .. BitConverter.GetBytes(number)];

    public static byte[] Global(string module, string name) => [(byte)'c', .. Encoding.UTF8.GetBytes($"{module}\n{name}\n")];

    public static byte[] Tuple(params byte[][] items) => [(byte)'(', .. items.SelectMany(item => item), (byte)'t'];

    public static byte[] List(params byte[][] items) => [(byte)']', (byte)'(', .. items.SelectMany(item => item), (byte)'e'];

    public static byte[] Dictionary(params byte[][] items) => [(byte)'}', (byte)'(', .. items.SelectMany(item => item), (byte)'u'];

    public static byte[] Call(byte[] function, params byte[][] arguments) => [.. function, .. Tuple(arguments), (byte)'R'];

    public static byte[] None => [(byte)'N'];

    public static byte[] False => [0x89];

    public static byte[] Storage(string type, string key, int count, params byte[][] view) =>
        [.. Tuple([Text("storage"), Global(type.StartsWith("Untyped", StringComparison.Ordinal) ? "torch.storage" : "torch", type), Text(key), Text("cpu"), Number(count), .. view]), (byte)'Q'];

    public static byte[] Tensor(byte[] storage, int offset, int[] shape, int[] strides) =>
        Call(Global("torch._utils", "_rebuild_tensor_v2"), storage, Number(offset), Numbers(shape), Numbers(strides), False, None);

    public static byte[] Numbers(int[] numbers) => Tuple([.. numbers.Select(Number)]);

    /// <summary>The legacy form: magic, version, system, object, keys, then each storage with its count.</summary>
    public static byte[] Legacy(byte[] value, string[] keys, params (long Count, byte[] Data)[] storages) =>
    [
        .. Pickle([0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]),
        .. Pickle(Number(1001)),
        .. Pickle(Dictionary(Text("little_endian"), [0x88])),
        .. Pickle(value),
        .. Pickle(List([.. keys.Select(Text)])),
        .. storages.SelectMany(storage => (byte[])[.. BitConverter.GetBytes(storage.Count), .. storage.Data]),
    ];

    /// <summary>Moves every size and offset of an archive into the 64-bit fields, as in an archive above 4 GiB.</summary>
    public static byte[] Widen(byte[] zip)
    {
        var end = zip.Length - 22;
        var count = BinaryPrimitives.ReadUInt16LittleEndian(zip.AsSpan(end + 10));
        var start = BinaryPrimitives.ReadInt32LittleEndian(zip.AsSpan(end + 16));
        var bytes = new List<byte>(zip[..start]);
        for (int i = 0, at = start; i < count; i++)
        {
            var record = zip[at..(at + 46)];
            int name = BinaryPrimitives.ReadUInt16LittleEndian(record.AsSpan(28)), extra = BinaryPrimitives.ReadUInt16LittleEndian(record.AsSpan(30));
            byte[] wide = [1, 0, 24, 0, .. Wide(record, 24), .. Wide(record, 20), .. Wide(record, 42)];
            record.AsSpan(20, 8).Fill(0xFF);
            record.AsSpan(42, 4).Fill(0xFF);
            BinaryPrimitives.WriteUInt16LittleEndian(record.AsSpan(30), (ushort)wide.Length);
            bytes.AddRange([.. record, .. zip[(at + 46)..(at + 46 + name)], .. wide]);
            at += 46 + name + extra;
        }

        long directory = bytes.Count - start, recordAt = bytes.Count;
        bytes.AddRange([(byte)'P', (byte)'K', 6, 6, .. BitConverter.GetBytes(44L), 45, 0, 45, 0, .. new byte[8]]);
        foreach (var value in (long[])[count, count, directory, start])
            bytes.AddRange(BitConverter.GetBytes(value));
        bytes.AddRange([(byte)'P', (byte)'K', 6, 7, .. new byte[4], .. BitConverter.GetBytes(recordAt), 1, 0, 0, 0]);
        bytes.AddRange([(byte)'P', (byte)'K', 5, 6, .. new byte[4], .. Enumerable.Repeat((byte)0xFF, 12), 0, 0]);
        return [.. bytes];
    }

    private static byte[] Wide(byte[] record, int at) => BitConverter.GetBytes((long)BinaryPrimitives.ReadUInt32LittleEndian(record.AsSpan(at)));
}
