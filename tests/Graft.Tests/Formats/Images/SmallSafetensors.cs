using System.Buffers.Binary;
using System.Text.Json;

namespace Graft.Tests.Formats.Images;

/// <summary>The bytes of every tensor of a trusted safetensors file; the library has the reader for all others.</summary>
internal static class SmallSafetensors
{
    public static Dictionary<string, byte[]> ReadBytes(string path)
    {
        var data = File.ReadAllBytes(path);
        var start = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(data);
        using var header = JsonDocument.Parse(data.AsMemory(8, start - 8));
        return header.RootElement.EnumerateObject().Where(entry => entry.Name != "__metadata__").ToDictionary(
            entry => entry.Name,
            entry =>
            {
                var offsets = entry.Value.GetProperty("data_offsets");
                return data[(start + offsets[0].GetInt32())..(start + offsets[1].GetInt32())];
            });
    }
}
