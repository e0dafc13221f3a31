using Graft.Data;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>
/// A distance that is the squared Euclidean one between vectors of pictures. Every picture passes the network once, however many it is
/// compared with, as long as <see cref="MemoryBudget"/> holds its vector.
/// </summary>
public abstract class EmbeddingDistance : IPictureDistance
{
    // Differences of this many numbers stay in the cache.
    private const long ElementsAtATime = 1 << 17;

    /// <inheritdoc/>
    public abstract string Name { get; }

    /// <inheritdoc/>
    public abstract string? Hash { get; }

    /// <summary>Bytes of vectors that are held at a time; beyond, they are computed again instead of kept.</summary>
    public long MemoryBudget { get; init; } = 1L << 30;

    /// <inheritdoc/>
    /// <exception cref="InputException">Shapes differ, or the pictures are too small.</exception>
    public double[,] Between(IImageSource a, IImageSource b, CancellationToken cancellationToken = default)
    {
        CheckShapes(a, b);
        var result = new double[a.Count, b.Count];
        InTiles(b, (second, firstB) =>
            InTiles(a, (first, firstA) => Fill(result, first, firstA, second, firstB), 0, cancellationToken), 0, cancellationToken);
        return result;
    }

    /// <inheritdoc/>
    /// <exception cref="InputException">The pictures are too small.</exception>
    public double[,] Within(IImageSource pictures, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        var n = pictures.Count;
        var result = new double[n, n];
        InTiles(pictures, (first, firstRow) =>
        {
            Fill(result, first, firstRow, first, firstRow);
            var next = firstRow + (int)first.Size(0);
            if (next < n)
                InTiles(pictures, (second, column) => Fill(result, first, firstRow, second, column), next, cancellationToken);
        }, 0, cancellationToken);
        for (var i = 0; i < n; i++)
        {
            result[i, i] = 0;
            for (var j = i + 1; j < n; j++)
                result[j, i] = result[i, j];
        }

        return result;
    }

    /// <summary>Vectors [count, D] of pictures.</summary>
    /// <param name="pictures">The set.</param>
    /// <param name="first">The first to take.</param>
    /// <param name="count">How many.</param>
    protected abstract Tensor Embed(IImageSource pictures, int first, int count);

    /// <summary>Throws unless two sets have pictures of one shape.</summary>
    protected static void CheckShapes(IImageSource a, IImageSource b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (a.Shape != b.Shape)
            throw new InputException($"Pictures of one shape can be compared, and these are {a.Shape} ({a.Description}) and {b.Shape} ({b.Description}).");
    }

    private static void Fill(double[,] result, Tensor first, int firstRow, Tensor second, int firstColumn)
    {
        var rows = (int)first.Size(0);
        var columns = (int)second.Size(0);
        var step = Math.Max(1, (int)(ElementsAtATime / first.Size(1)));
        for (var i = 0; i < rows; i++)
        {
            for (var j = 0; j < columns; j += step)
            {
                using var scope = new TensorScope();
                var n = Math.Min(step, columns - j);
                // Differences, not norms and products: those cancel, and equal pictures would not be at 0.
                var distance = (second.Slice(0, j, j + n) - first.Slice(0, i, i + 1)).Square().Sum([1]).To(DType.Float64).ToArray<double>();
                for (var k = 0; k < n; k++)
                    result[firstRow + i, firstColumn + j + k] = distance[k];
            }
        }
    }

    /// <summary>Gives the embedded pictures from <paramref name="from"/> on to <paramref name="use"/>, as many at a time as half the budget holds.</summary>
    private void InTiles(IImageSource pictures, Action<Tensor, int> use, int from, CancellationToken cancellationToken) => TorchRuntime.Run(() =>
    {
        using var mode = Autograd.NoGrad();
        var batch = FeatureBatches.Size(pictures.Shape);
        var tile = 0;
        for (var first = from; first < pictures.Count; first += tile)
        {
            using var scope = new TensorScope();
            Tensor? features = null;
            var filled = 0;
            while (features is null || filled < features.Size(0))
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var inner = new TensorScope();
                var left = features is null ? (tile == 0 ? 1 : tile) : (int)features.Size(0) - filled;
                var n = Math.Min(Math.Min(batch, left), pictures.Count - first - filled);
                var embedded = Embed(pictures, first + filled, n);
                if (features is null)
                {
                    // The first picture of all tells how long a vector is.
                    tile = (int)Math.Clamp(MemoryBudget / 2 / (embedded.Size(1) * embedded.Type.Size()), 1, pictures.Count);
                    features = Tensor.Empty([Math.Min(tile, pictures.Count - first), embedded.Size(1)], embedded.Type, embedded.Device).MoveToOuter();
                }

                features.Slice(0, filled, filled + n).CopyFrom(embedded);
                filled += n;
            }

            use(features, first);
        }
    });
}
