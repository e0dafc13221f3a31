using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Tests.Parity;

/// <summary>
/// The kit's formula weights: every element is a function of the parameter's name (FNV-1a) and its flat index (splitmix64), the same on
/// every machine to the bit.
/// </summary>
internal static class FormulaWeights
{
    private const ulong FnvOffset = 0xcbf29ce484222325;
    private const ulong FnvPrime = 0x100000001b3;

    /// <summary>FNV-1a of the UTF-8 bytes.</summary>
    public static ulong Hash(string name)
    {
        var hash = FnvOffset;
        foreach (var b in Encoding.UTF8.GetBytes(name))
            hash = (hash ^ b) * FnvPrime;
        return hash;
    }

    /// <summary>The number in [-1, 1] of element i.</summary>
    public static double Uniform(ulong hash, long i)
    {
        var z = hash + ((ulong)(i + 1) * 0x9E3779B97F4A7C15);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z ^= z >> 31;
        return (2 * ((z >> 11) * (1.0 / (1L << 53)))) - 1;
    }

    /// <summary>The value of element i of a floating-point parameter.</summary>
    public static float Value(string name, IReadOnlyList<long> shape, double gain, long i) => Rule(name, shape, gain)(Uniform(Hash(name), i));

    /// <summary>The values of a floating-point parameter, flat.</summary>
    public static float[] Values(string name, IReadOnlyList<long> shape, double gain)
    {
        var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
        var (hash, rule) = (Hash(name), Rule(name, shape, gain));
        for (var i = 0L; i < values.Length; i++)
            values[i] = rule(Uniform(hash, i));
        return values;
    }

    /// <summary>Fills a network whose parameters bear the names that the formula is applied to.</summary>
    public static void Fill(Module network, double gain)
    {
        var shapes = network.Parameters().ToDictionary(p => p.Name, p => p.Value.Shape.ToArray());
        network.Load(name => Torch.Tensor.From(Values(name, shapes[name], gain), shapes[name]), "the formula");
    }

    /// <summary>A parameter as it is written to a file; a count of batches is an int64 zero.</summary>
    public static TensorData Tensor(string name, long[] shape, double gain)
    {
        if (name.EndsWith("num_batches_tracked", StringComparison.Ordinal))
            return new TensorData(name, DType.Int64, shape, new byte[8 * shape.Aggregate(1L, (a, b) => a * b)]);
        return new TensorData(name, DType.Float32, shape, MemoryMarshal.AsBytes(Values(name, shape, gain).AsSpan()).ToArray());
    }

    /// <summary>Writes the state dict that a fixture describes (<c>parameter_shapes</c>, <c>backbone_shapes</c>) as safetensors.</summary>
    /// <param name="path">The file.</param>
    /// <param name="shapes">Names and shapes.</param>
    /// <param name="gain">The fixture's gain.</param>
    /// <param name="prefix">Put before each name in the file; the values are those of the name without it.</param>
    public static string Write(string path, JsonObject shapes, double gain, string prefix = "")
    {
        SafetensorsWriter.Write(path, null, [.. shapes.Select(p =>
        {
            var data = Tensor(p.Key, [.. p.Value!.AsArray().Select(size => (long)size!)], gain);
            return new TensorData(prefix + data.Name, data.Type, data.Shape, data.Write);
        })]);
        return path;
    }

    /// <summary>The value of r: the first rule that the name and the shape match.</summary>
    private static Func<double, float> Rule(string name, IReadOnlyList<long> shape, double gain)
    {
        if (Ends("running_var"))
            return r => (float)(1 + (0.5 * r * r));
        if (Ends("running_mean"))
            return r => (float)(0.1 * r);
        if (shape.Count >= 2)
        {
            var bound = Math.Sqrt(gain / shape.Skip(1).Aggregate(1L, (a, b) => a * b));
            return r => (float)(bound * r);
        }

        return Ends("bias") ? r => (float)(0.1 * r) : r => (float)(1 + (0.1 * r));

        bool Ends(string end) => name.EndsWith(end, StringComparison.Ordinal);
    }
}
