using Graft.Data;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>The pooled features of a classifier made here: a stand-in where FID's Inception is not at hand, never to be taken for it.</summary>
/// <param name="network">The network; it stays the caller's.</param>
/// <param name="device">Where it computes.</param>
public sealed class ClassifierFeatureNetwork(ResNetClassifier network, Device device = default) : IClassifyingNetwork
{
    private readonly Lazy<string> _hash = new(network.Fingerprint);

    /// <inheritdoc/>
    public string Name => $"{network.Options.Name}, mean of {Dimension} channels";

    /// <inheritdoc/>
    public string Hash => _hash.Value;

    /// <inheritdoc/>
    public string Preparation => "in their own size, values x/127.5 - 1";

    /// <inheritdoc/>
    public int Dimension => network.Options.BlockOutChannels[^1];

    /// <summary>Channels that pictures must have.</summary>
    internal int Channels => network.Options.InChannels;

    /// <inheritdoc/>
    public FeatureSet Extract(IImageSource pictures, CancellationToken cancellationToken = default) =>
        Extract(pictures, Name, x => network.Features(x).Pooled, cancellationToken);

    /// <inheritdoc/>
    public FeatureSet ExtractLogits(IImageSource pictures, CancellationToken cancellationToken = default) =>
        Extract(pictures, $"{network.Options.Name}, logits", network.Logits, cancellationToken);

    private FeatureSet Extract(IImageSource pictures, string name, Func<Tensor, Tensor> compute, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        ClassifierDistance.CheckChannels(network, pictures);
        return new FeatureSet
        {
            Values = FeatureBatches.Run(
                pictures,
                FeatureBatches.Size(pictures.Shape),
                (first, n) => compute(PictureTensor.From(pictures, first, n, device).Channels(network.Options.InChannels)),
                cancellationToken),
            Network = name,
            NetworkHash = Hash,
            Preparation = Preparation,
            Source = pictures.Description,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}

/// <summary>
/// The perceptual distance of a classifier made here (<see cref="ClassifierFeatures.Distance"/>): built as LPIPS without learned weights,
/// over another network, and comparable with no published number.
/// </summary>
/// <param name="network">The network; it stays the caller's.</param>
/// <param name="device">Where it computes.</param>
public sealed class ClassifierDistance(ResNetClassifier network, Device device = default) : EmbeddingDistance
{
    private readonly Lazy<string> _hash = new(network.Fingerprint);

    /// <inheritdoc/>
    public override string Name => $"features of {network.Options.Name} ({Hash![..8]})";

    /// <inheritdoc/>
    public override string? Hash => _hash.Value;

    internal static void CheckChannels(ResNetClassifier network, IImageSource pictures)
    {
        if (pictures.Shape.Channels != network.Options.InChannels)
            throw new InputException($"The network {network.Options.Name} takes pictures of {network.Options.InChannels} channels, and these are {pictures.Shape}: give another feature network.");
    }

    /// <inheritdoc/>
    protected override Tensor Embed(IImageSource pictures, int first, int count)
    {
        CheckChannels(network, pictures);
        return network.Features(PictureTensor.From(pictures, first, count, device).Channels(network.Options.InChannels)).Embedding();
    }
}
