using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using Graft.Torch;

namespace Graft.Tests.Parity;

/// <summary>The least that reads the reference numbers: well-formed safetensors of F32, F64, I64 and U8. The library's reader is another.</summary>
internal sealed class ReferenceTensors
{
    private readonly Dictionary<string, (long[] Shape, byte[] Bytes)> _tensors = [];

    public ReferenceTensors(string path)
    {
        var file = File.ReadAllBytes(path);
        var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(file);
        using var header = JsonDocument.Parse(file.AsMemory(8, length));
        foreach (var entry in header.RootElement.EnumerateObject().Where(e => e.Name != "__metadata__"))
        {
            var offsets = Longs(entry.Value.GetProperty("data_offsets"));
            var bytes = file[(int)(8 + length + offsets[0])..(int)(8 + length + offsets[1])];
            _tensors.Add(entry.Name, (Longs(entry.Value.GetProperty("shape")), bytes));
        }
    }

    public IEnumerable<string> Names => _tensors.Keys;

    public bool Has(string name) => _tensors.ContainsKey(name);

    public long[] Shape(string name) => _tensors[name].Shape;

    public byte[] Bytes(string name) => _tensors[name].Bytes;

    public float[] Floats(string name) => MemoryMarshal.Cast<byte, float>(_tensors[name].Bytes).ToArray();

    public double[] Doubles(string name) => MemoryMarshal.Cast<byte, double>(_tensors[name].Bytes).ToArray();

    public long[] Integers(string name) => MemoryMarshal.Cast<byte, long>(_tensors[name].Bytes).ToArray();

    /// <summary>A float32 tensor; needs the thread of libtorch.</summary>
    public Tensor Tensor(string name) => Torch.Tensor.From(Floats(name), Shape(name));

    /// <summary>Row i of the first dimension, as a float32 tensor.</summary>
    public Tensor Row(string name, long i) => TensorScope.Of(() => Tensor(name).Select(0, i).Clone());

    private static long[] Longs(JsonElement list) => [.. list.EnumerateArray().Select(v => v.GetInt64())];
}
