using System.Buffers.Binary;
using System.Text;

namespace Graft.Tests.Formats.TensorBoard;

/// <summary>
/// Reads event files by the descriptions of TFRecord and of protocol buffers' wire format alone: none of the writer's classes, and a
/// checksum of its own, bit by bit.
/// </summary>
internal static class EventFile
{
    /// <summary>CRC-32C (RFC 3720), bit by bit.</summary>
    public static uint Crc32C(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var value in data)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
        }

        return ~crc;
    }

    /// <summary>The records of a file, every checksum compared.</summary>
    public static List<byte[]> Records(byte[] file)
    {
        var records = new List<byte[]>();
        for (var at = 0; at < file.Length;)
        {
            var length = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(at)));
            Checked(file.AsSpan(at, 8), file.AsSpan(at + 8, 4));
            Checked(file.AsSpan(at + 12, length), file.AsSpan(at + 12 + length, 4));
            records.Add(file[(at + 12)..(at + 12 + length)]);
            at += length + 16;
        }

        return records;

        static void Checked(ReadOnlySpan<byte> data, ReadOnlySpan<byte> stored)
        {
            var crc = Crc32C(data);
            unchecked(((crc >> 15) | (crc << 17)) + 0xa282ead8u).ShouldBe(BinaryPrimitives.ReadUInt32LittleEndian(stored));
        }
    }

    /// <summary>The fields of a message in their order: varints as ulong, fixed ones as their bits, the rest as bytes.</summary>
    public static List<(int Number, object Value)> Fields(byte[] message)
    {
        var fields = new List<(int Number, object Value)>();
        for (var at = 0; at < message.Length;)
        {
            var key = Varint(message, ref at);
            object value;
            switch (key & 7)
            {
                case 0:
                    value = Varint(message, ref at);
                    break;
                case 1:
                    value = BinaryPrimitives.ReadDoubleLittleEndian(message.AsSpan(at, 8));
                    at += 8;
                    break;
                case 2:
                    var length = (int)Varint(message, ref at);
                    value = message[at..(at + length)];
                    at += length;
                    break;
                case 5:
                    value = BinaryPrimitives.ReadSingleLittleEndian(message.AsSpan(at, 4));
                    at += 4;
                    break;
                default:
                    throw new InvalidDataException($"wire type {key & 7}");
            }

            fields.Add(((int)(key >> 3), value));
        }

        return fields;
    }

    /// <summary>The events of a file, by the field numbers of TensorFlow's event.proto and summary.proto.</summary>
    public static List<ReadEvent> Read(string path)
    {
        var events = new List<ReadEvent>();
        foreach (var record in Records(File.ReadAllBytes(path)))
        {
            var fields = Fields(record);
            var read = new ReadEvent { WallTime = (double)fields.Single(f => f.Number == 1).Value };
            foreach (var (number, value) in fields.Where(f => f.Number != 1))
            {
                switch (number)
                {
                    case 2: read.Step = (long)(ulong)value; break;
                    case 3: read.FileVersion = Encoding.UTF8.GetString((byte[])value); break;
                    case 5:
                        foreach (var (summaryField, item) in Fields((byte[])value))
                        {
                            summaryField.ShouldBe(1);
                            AddValue(read, Fields((byte[])item));
                        }

                        break;
                    case 7: read.SessionStatus = (ulong)Fields((byte[])value).ShouldHaveSingleItem().Value; break;
                    case 10: read.Writer = Encoding.UTF8.GetString((byte[])Fields((byte[])value).ShouldHaveSingleItem().Value); break;
                    default: throw new InvalidDataException($"field {number} of an event");
                }
            }

            events.Add(read);
        }

        return events;
    }

    private static void AddValue(ReadEvent read, List<(int Number, object Value)> value)
    {
        var tag = Encoding.UTF8.GetString((byte[])value.Single(f => f.Number == 1).Value);
        var (number, content) = value.Single(f => f.Number != 1);
        if (number == 2)
            read.Scalars.Add(tag, (float)content);
        else
            read.Images.Add(tag, number == 4 ? Fields((byte[])content).ToDictionary(f => f.Number, f => f.Value) : throw new InvalidDataException($"field {number} of a value"));
    }

    private static ulong Varint(byte[] bytes, ref int at)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var next = bytes[at++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
                return value;
        }
    }
}

/// <summary>What an event says.</summary>
internal sealed class ReadEvent
{
    public double WallTime { get; set; }

    public long Step { get; set; }

    public string? FileVersion { get; set; }

    public string? Writer { get; set; }

    public ulong? SessionStatus { get; set; }

    public Dictionary<string, float> Scalars { get; } = [];

    /// <summary>By tag, then by field number: 1 height, 2 width, 3 colour space, 4 the encoded picture.</summary>
    public Dictionary<string, Dictionary<int, object>> Images { get; } = [];
}
