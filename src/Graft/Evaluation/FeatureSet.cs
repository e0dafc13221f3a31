using Graft.Data;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>One vector for each picture of a set, and where it came from: numbers of different origin must not be compared.</summary>
public sealed record FeatureSet
{
    /// <summary>[N, D], row i for picture i.</summary>
    public required double[,] Values { get; init; }

    /// <summary>The network that made them, and which of its layers.</summary>
    public required string Network { get; init; }

    /// <summary>SHA-256 of the network's weights in lower-case hexadecimal.</summary>
    public required string NetworkHash { get; init; }

    /// <summary>What was done to a picture before the network saw it, in words: how it was resized, which range its values have.</summary>
    public required string Preparation { get; init; }

    /// <summary>The pictures, in words.</summary>
    public required string Source { get; init; }

    /// <summary>N.</summary>
    public int Count => Values.GetLength(0);

    /// <summary>D.</summary>
    public int Dimension => Values.GetLength(1);

    /// <summary>All of this in one line, to be printed beside a value.</summary>
    public string Description =>
        $"{Count} x {Dimension} features of {Source}; {Network}, weights {NetworkHash[..Math.Min(8, NetworkHash.Length)]}; {Preparation}";

    /// <summary>Throws unless two sets were made by the same network in the same way.</summary>
    /// <exception cref="InputException">They were not.</exception>
    public static void CheckComparable(FeatureSet a, FeatureSet b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        var difference =
            a.Network != b.Network ? $"the networks {a.Network} and {b.Network}"
            : a.NetworkHash != b.NetworkHash ? $"the weights {a.NetworkHash} and {b.NetworkHash} of {a.Network}"
            : a.Preparation != b.Preparation ? $"pictures prepared in two ways ({a.Preparation}; {b.Preparation})"
            : a.Dimension != b.Dimension ? $"{a.Dimension} and {b.Dimension} dimensions"
            : null;
        if (difference is not null)
            throw new InputException($"The features of {a.Source} and of {b.Source} cannot be compared: they come from {difference}; extract both in one way.");
    }
}

/// <summary>A network that turns pictures into vectors. Any may stand in for another, as long as its name is printed beside the value.</summary>
public interface IFeatureNetwork : IDisposable
{
    /// <summary>What it is called in reports: network and layer.</summary>
    string Name { get; }

    /// <summary>SHA-256 of its weights in lower-case hexadecimal.</summary>
    string Hash { get; }

    /// <summary>What it does to a picture first, in words.</summary>
    string Preparation { get; }

    /// <summary>Length of a vector.</summary>
    int Dimension { get; }

    /// <summary>Extracts the features of all pictures of a set.</summary>
    /// <param name="pictures">Grey or RGB; grey is repeated.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">The pictures do not fit the network.</exception>
    FeatureSet Extract(IImageSource pictures, CancellationToken cancellationToken = default);
}

/// <summary>A feature network that classifies too: what the Inception Score, or its like, looks through.</summary>
public interface IClassifyingNetwork : IFeatureNetwork
{
    /// <summary>Extracts the logits of all pictures of a set, before the softmax.</summary>
    /// <inheritdoc cref="IFeatureNetwork.Extract"/>
    FeatureSet ExtractLogits(IImageSource pictures, CancellationToken cancellationToken = default);
}

/// <summary>Passes pictures through a network in batches, without recording gradients and with a scope for each batch.</summary>
internal static class FeatureBatches
{
    private const int MostPixels = 1 << 20;
    private const int MostPictures = 64;

    /// <summary>How many pictures of a size make a batch: enough to keep the BLAS busy, few enough for the memory.</summary>
    public static int Size(ImageShape shape) => (int)Math.Clamp(MostPixels / ((long)shape.Height * shape.Width), 1, MostPictures);

    /// <summary>Runs all pictures through.</summary>
    /// <param name="pictures">The pictures.</param>
    /// <param name="batch">How many at a time.</param>
    /// <param name="compute">Features [n, D] of the pictures from a first one on, so many of them.</param>
    /// <param name="cancellationToken">Stops.</param>
    public static double[,] Run(IImageSource pictures, int batch, Func<int, int, Tensor> compute, CancellationToken cancellationToken) =>
        TorchRuntime.Run(() =>
        {
            using var mode = Autograd.NoGrad();
            double[,]? values = null;
            for (var first = 0; first < pictures.Count; first += batch)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var scope = new TensorScope();
                var n = Math.Min(batch, pictures.Count - first);
                var rows = compute(first, n).To(DType.Float64);
                values ??= new double[pictures.Count, rows.Size(1)];
                rows.CopyTo(Matrix.Rows(values, first, n));
            }

            return values!;
        });
}
