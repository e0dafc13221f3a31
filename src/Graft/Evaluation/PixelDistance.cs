using System.Numerics;
using System.Runtime.InteropServices;
using Graft.Data;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>
/// The root mean square difference of pixels in [0, 1], over all channels. It needs no network and is exact: the squares of bytes are
/// summed as integers. It catches copies, not resemblance: a copy moved by one pixel lies far away.
/// </summary>
public sealed class PixelDistance : IPictureDistance
{
    // A lane of the running sum takes four squares (at most 255²) from each vector: 16384 vectors stay below 2³².
    private const int VectorsPerSum = 16384;

    private PixelDistance()
    {
    }

    /// <summary>The distance.</summary>
    public static PixelDistance Instance { get; } = new();

    /// <inheritdoc/>
    public string Name => "pixel RMS in [0, 1]";

    /// <inheritdoc/>
    public string? Hash => null;

    /// <inheritdoc/>
    public double[,] Between(IImageSource a, IImageSource b, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (a.Shape != b.Shape)
            throw new InputException($"Pictures of {a.Shape} ({a.Description}) cannot be compared with pictures of {b.Shape} ({b.Description}): bring them to one shape.");
        var largest = 255.0 * 255.0 * a.Shape.Elements;
        var result = new double[a.Count, b.Count];
        Parallel.For(0, a.Count, TorchRuntime.Parallelism(cancellationToken), i =>
        {
            for (var j = 0; j < b.Count; j++)
                result[i, j] = Math.Sqrt(SquaredDifference(a[i], b[j]) / largest);
        });
        return result;
    }

    /// <summary>Sum of (a - b)², exact.</summary>
    internal static ulong SquaredDifference(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        var total = 0UL;
        var done = 0;
        while (a.Length - done >= Vector<byte>.Count)
        {
            var vectors = Math.Min(VectorsPerSum, (a.Length - done) / Vector<byte>.Count);
            var length = vectors * Vector<byte>.Count;
            total += Block(a.Slice(done, length), b.Slice(done, length));
            done += length;
        }

        for (; done < a.Length; done++)
        {
            var difference = a[done] - b[done];
            total += (ulong)(difference * difference);
        }

        return total;
    }

    private static ulong Block(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        var left = MemoryMarshal.Cast<byte, Vector<byte>>(a);
        var right = MemoryMarshal.Cast<byte, Vector<byte>>(b);
        var sum = Vector<uint>.Zero;
        for (var i = 0; i < left.Length; i++)
        {
            Vector.Widen(Vector.Max(left[i], right[i]) - Vector.Min(left[i], right[i]), out var low, out var high);
            // 255² fits 16 bits.
            Vector.Widen(low * low, out var s0, out var s1);
            Vector.Widen(high * high, out var s2, out var s3);
            sum += (s0 + s1) + (s2 + s3);
        }

        Vector.Widen(sum, out var first, out var second);
        return Vector.Sum(first + second);
    }
}
