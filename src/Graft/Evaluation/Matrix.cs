using System.Numerics;
using System.Runtime.InteropServices;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>The little linear algebra on rows of features that the measures share, in double precision.</summary>
internal static class Matrix
{
    /// <summary>Rows as one span, in place.</summary>
    public static Span<double> Rows(double[,] x, int first, int count)
    {
        var width = x.GetLength(1);
        return width == 0 || count == 0 ? [] : MemoryMarshal.CreateSpan(ref x[first, 0], checked(count * width));
    }

    /// <summary>One row, in place.</summary>
    public static ReadOnlySpan<double> Row(double[,] x, int row) => Rows(x, row, 1);

    /// <summary>A float64 tensor of the same shape; needs the thread of libtorch.</summary>
    public static Tensor ToTensor(double[,] x)
    {
        long rows = x.GetLength(0), columns = x.GetLength(1);
        var result = Tensor.Empty([rows, columns], DType.Float64);
        // By rows: all of them may be more than a span holds.
        for (var i = 0; i < rows; i++)
        {
            using var scope = new TensorScope();
            result.Select(0, i).CopyFrom(Tensor.From(Row(x, i), columns));
        }

        return result;
    }

    /// <summary>The mean of all rows.</summary>
    public static double[] Mean(double[,] x)
    {
        var mean = new double[x.GetLength(1)];
        for (var i = 0; i < x.GetLength(0); i++)
        {
            var row = Row(x, i);
            for (var k = 0; k < mean.Length; k++)
                mean[k] += row[k];
        }

        for (var k = 0; k < mean.Length; k++)
            mean[k] /= x.GetLength(0);
        return mean;
    }

    /// <summary>Σ (a − b)²; the same bits either way round.</summary>
    public static double SquaredDistance(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        var sum = Vector<double>.Zero;
        var i = 0;
        for (; i <= a.Length - Vector<double>.Count; i += Vector<double>.Count)
        {
            var difference = new Vector<double>(a[i..]) - new Vector<double>(b[i..]);
            sum += difference * difference;
        }

        var total = Vector.Sum(sum);
        for (; i < a.Length; i++)
            total += (a[i] - b[i]) * (a[i] - b[i]);
        return total;
    }

    /// <summary>Throws unless every value is finite and both have as many columns.</summary>
    /// <exception cref="InputException">They are not, or have not.</exception>
    public static void Check(double[,] a, double[,] b, string measure)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (a.GetLength(1) != b.GetLength(1) || a.GetLength(1) == 0)
            throw new InputException($"{measure} compares features of one dimension, and these have {a.GetLength(1)} and {b.GetLength(1)}.");
        CheckFinite(a, measure);
        CheckFinite(b, measure);
    }

    /// <summary>Throws unless every value is finite.</summary>
    /// <exception cref="InputException">One is not.</exception>
    public static void CheckFinite(double[,] x, string measure)
    {
        for (var i = 0; i < x.GetLength(0); i++)
        {
            foreach (var value in Row(x, i))
            {
                if (!double.IsFinite(value))
                    throw new InputException($"{measure} cannot be computed: the features of picture {i} hold {value}; check the picture and the network's weights.");
            }
        }
    }
}
