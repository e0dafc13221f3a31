using Graft.Data;
using Graft.Networks.Backbones;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>
/// LPIPS v0.1 between pictures: 0 for equal ones, about 0.7 for unlike ones. Every picture passes the backbone once, however many it is
/// compared with, as long as <see cref="MemoryBudget"/> holds its features.
/// </summary>
public sealed class Lpips : IPictureDistance, IDisposable
{
    // Differences of this many numbers stay in the cache.
    private const long ElementsAtATime = 1 << 17;

    /// <summary>Makes the measure over a network, which it then owns.</summary>
    /// <param name="network">The network with its weights.</param>
    /// <param name="hash">Which weights these are, for <see cref="Name"/>.</param>
    /// <exception cref="InputException">A head has a weight below 0: then it is no distance.</exception>
    public Lpips(LpipsNetwork network, string hash)
    {
        ArgumentNullException.ThrowIfNull(network);
        Network = network;
        Hash = hash;
        TorchRuntime.Run(() =>
        {
            foreach (var (name, weight) in network.Heads.Parameters())
            {
                using var scope = new TensorScope();
                if (!(weight.Min().Item() >= 0))
                    throw new InputException($"The LPIPS head '{name}' has weights that are not 0 or more: give the published file.");
            }
        });
    }

    /// <summary>The network, for work on tensors and gradients.</summary>
    public LpipsNetwork Network { get; }

    /// <summary>SHA-256 of the backbone's file and of the heads' file, in lower-case hexadecimal, a '+' between.</summary>
    public string Hash { get; }

    /// <inheritdoc/>
    public string Name => $"LPIPS v0.1 ({Network.Backbone.Name}, {string.Join('+', Hash.Split('+').Select(h => h[..Math.Min(8, h.Length)]))})";

    /// <summary>Bytes of features that are held at a time; beyond, features are computed again instead of kept.</summary>
    public long MemoryBudget { get; init; } = 1L << 30;

    /// <summary>Opens the measure.</summary>
    /// <param name="kind">Which backbone. VGG-16 is what few-shot papers print; AlexNet what LPIPS' authors advise for comparisons.</param>
    /// <param name="backbone">The backbone's weights, as torchvision publishes them.</param>
    /// <param name="heads">The linear heads: <c>lpips/weights/v0.1/{alex,vgg,squeeze}.pth</c>.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">A file is missing, broken, or holds another network.</exception>
    public static Lpips Load(BackboneKind kind, string backbone, string heads, Device device = default) => TorchRuntime.Run(() =>
    {
        var network = new LpipsNetwork(Backbone.Load(kind, backbone));
        try
        {
            BackboneFile.Load(network.Heads, heads, $"LPIPS' heads for {network.Backbone.Name}", $"the {FileOf(kind)}.pth of LPIPS v0.1");
            network.MoveTo(device);
            return new Lpips(network, $"{BackboneFile.Hash(backbone)}+{BackboneFile.Hash(heads)}");
        }
        catch
        {
            network.Dispose();
            throw;
        }
    });

    /// <summary>Distances of pairs: picture i of one set and picture i of the other.</summary>
    /// <param name="a">N pictures.</param>
    /// <param name="b">N pictures of the same shape.</param>
    /// <exception cref="InputException">Counts or shapes differ, or the pictures are too small.</exception>
    public double[] Pairs(IImageSource a, IImageSource b)
    {
        CheckShapes(a, b);
        if (a.Count != b.Count)
            throw new InputException($"LPIPS of pairs takes as many pictures on either side, and these are {a.Count} and {b.Count}.");
        return TorchRuntime.Run(() =>
        {
            using var mode = Autograd.NoGrad();
            var result = new double[a.Count];
            var batch = FeatureBatches.Size(a.Shape);
            for (var first = 0; first < a.Count; first += batch)
            {
                using var scope = new TensorScope();
                var n = Math.Min(batch, a.Count - first);
                var distance = Network.Distance(PictureTensor.From(a, first, n), PictureTensor.From(b, first, n));
                distance.To(DType.Float64).CopyTo(result.AsSpan(first, n));
            }

            return result;
        });
    }

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

    /// <inheritdoc/>
    public void Dispose() => Network.Dispose();

    private static string FileOf(BackboneKind kind) => kind switch
    {
        BackboneKind.AlexNet => "alex",
        BackboneKind.Vgg16 => "vgg",
        _ => "squeeze",
    };

    private static void CheckShapes(IImageSource a, IImageSource b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (a.Shape != b.Shape)
            throw new InputException($"LPIPS compares pictures of one shape, and these are {a.Shape} ({a.Description}) and {b.Shape} ({b.Description}).");
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
                var embedded = Network.Embed(PictureTensor.From(pictures, first + filled, n));
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
