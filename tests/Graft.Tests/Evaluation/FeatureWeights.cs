using System.Text;
using Graft.Torch;

namespace Graft.Tests.Evaluation;

/// <summary>The kit's formula weights: every value a function of the tensor's name and the element's number.</summary>
internal static class FeatureWeights
{
    /// <summary>Fills a network whose parameters bear the names that the formula is applied to.</summary>
    public static void Fill(Module network, double gain) =>
        network.Load(name => Tensor(name, ShapeOf(network, name), gain), "the formula");

    public static Tensor Tensor(string name, long[] shape, double gain) => Torch.Tensor.From(Values(name, shape, gain), shape);

    public static float[] Values(string name, long[] shape, double gain)
    {
        var values = new float[shape.Aggregate(1L, (product, size) => product * size)];
        var hash = Hash(name);
        for (var i = 0L; i < values.Length; i++)
            values[i] = Value(name, shape, gain, Uniform(hash, i));
        return values;
    }

    public static ulong Hash(string name) // FNV-1a
    {
        var hash = 0xcbf29ce484222325;
        foreach (var b in Encoding.UTF8.GetBytes(name))
            hash = (hash ^ b) * 0x100000001b3;
        return hash;
    }

    /// <summary>r in [-1, 1], by splitmix64.</summary>
    public static double Uniform(ulong hash, long i)
    {
        var z = hash + ((ulong)(i + 1) * 0x9E3779B97F4A7C15);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z ^= z >> 31;
        return (2 * ((z >> 11) * (1.0 / (1L << 53)))) - 1;
    }

    private static float Value(string name, long[] shape, double gain, double r)
    {
        return (float)(
            Ends("num_batches_tracked") ? 0
            : Ends("running_var") ? 1 + (0.5 * r * r)
            : Ends("running_mean") ? 0.1 * r
            : shape.Length >= 2 ? Math.Sqrt(gain / shape[1..].Aggregate(1L, (product, size) => product * size)) * r
            : Ends("bias") ? 0.1 * r
            : 1 + (0.1 * r));

        bool Ends(string end) => name.EndsWith(end, StringComparison.Ordinal);
    }

    private static long[] ShapeOf(Module network, string name) => network.Parameters().First(p => p.Name == name).Value.Shape.ToArray();
}
