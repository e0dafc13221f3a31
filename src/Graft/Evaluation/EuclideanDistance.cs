using Graft.Data;

namespace Graft.Evaluation;

/// <summary>The Euclidean distance of items' numbers: for points their distance in the plane, and the same for anything that is no picture.</summary>
public sealed class EuclideanDistance : ISampleDistance
{
    private EuclideanDistance()
    {
    }

    /// <summary>The distance.</summary>
    public static EuclideanDistance Instance { get; } = new();

    /// <inheritdoc/>
    public string Name => "Euclidean distance";

    /// <inheritdoc/>
    public string? Hash => null;

    /// <inheritdoc/>
    public double[,] Between(ISampleSource a, ISampleSource b, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (a.ItemShape != b.ItemShape)
            throw new InputException($"Items of {a.ItemShape} ({a.Description}) cannot be compared with items of {b.ItemShape} ({b.Description}): bring them to one shape.");
        var (left, right) = (a.Numbers(), b.Numbers());
        var result = new double[a.Count, b.Count];
        Parallel.For(0, a.Count, new ParallelOptions { CancellationToken = cancellationToken }, i =>
        {
            for (var j = 0; j < b.Count; j++)
                result[i, j] = Math.Sqrt(Matrix.SquaredDistance(Matrix.Row(left, i), Matrix.Row(right, j)));
        });
        return result;
    }
}
