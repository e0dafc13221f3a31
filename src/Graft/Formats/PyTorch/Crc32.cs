namespace Graft.Formats;

/// <summary>The CRC-32 of zip archives (polynomial 0xEDB88320), eight bytes at a time.</summary>
internal static unsafe class Crc32
{
    private const uint Polynomial = 0xEDB88320;
    private const int Slices = 8;

    private static readonly uint[][] Tables = CreateTables();

    public static uint Compute(byte* bytes, long length)
    {
        var tables = Tables;
        var crc = uint.MaxValue;
        var end = bytes + length;
        for (; end - bytes >= Slices; bytes += Slices)
        {
            crc ^= bytes[0] | ((uint)bytes[1] << 8) | ((uint)bytes[2] << 16) | ((uint)bytes[3] << 24);
            crc = tables[7][crc & 0xFF] ^ tables[6][(crc >> 8) & 0xFF] ^ tables[5][(crc >> 16) & 0xFF] ^ tables[4][crc >> 24]
                ^ tables[3][bytes[4]] ^ tables[2][bytes[5]] ^ tables[1][bytes[6]] ^ tables[0][bytes[7]];
        }

        for (; bytes < end; bytes++)
            crc = tables[0][(crc ^ *bytes) & 0xFF] ^ (crc >> 8);
        return ~crc;
    }

    private static uint[][] CreateTables()
    {
        var tables = new uint[Slices][];
        for (var slice = 0; slice < Slices; slice++)
        {
            tables[slice] = new uint[256];
            for (var i = 0; i < 256; i++)
                tables[slice][i] = slice == 0 ? Shift((uint)i) : (tables[slice - 1][i] >> 8) ^ tables[0][tables[slice - 1][i] & 0xFF];
        }

        return tables;
    }

    private static uint Shift(uint value)
    {
        for (var bit = 0; bit < 8; bit++)
            value = (value & 1) != 0 ? (value >> 1) ^ Polynomial : value >> 1;
        return value;
    }
}
