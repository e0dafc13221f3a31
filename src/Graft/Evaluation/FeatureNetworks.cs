using Graft.Data;
using Graft.Formats.Images;
using Graft.Networks.Backbones;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>How a picture is brought to the 299 x 299 of FID's Inception. A wrong choice alone moves a FID by several units.</summary>
public enum FidResize
{
    /// <summary>Pillow's antialiased bicubic on each channel in real numbers, clipped to 0 … 255 and not rounded; then (x − 128) / 128: clean-fid's.</summary>
    Clean,

    /// <summary>Bilinear without antialiasing; values 2x/255 − 1: pytorch-fid's, for comparison with older papers.</summary>
    LegacyPytorch,
}

/// <summary>The features of FID, and the logits of the Inception Score.</summary>
public sealed class InceptionFeatures : IClassifyingNetwork
{
    private readonly FidInception _network;
    private readonly FidResize _resize;
    private readonly Device _device;

    /// <summary>Takes features of a network, which it then owns.</summary>
    /// <param name="network">With its weights.</param>
    /// <param name="hash">SHA-256 of the weights.</param>
    /// <param name="resize">How pictures are brought to its size.</param>
    /// <param name="dimension">64, 192, 768 or 2048; FID is defined with 2048.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    public InceptionFeatures(FidInception network, string hash, FidResize resize = FidResize.Clean, int dimension = 2048, Device device = default)
    {
        ArgumentNullException.ThrowIfNull(network);
        if (!FidInception.Dimensions.Contains(dimension))
            throw new ArgumentOutOfRangeException(nameof(dimension), dimension, "FID's Inception has features of 64, 192, 768 and 2048 channels");
        (_network, _resize, _device) = (network, resize, device);
        (Hash, Dimension) = (hash, dimension);
        TorchRuntime.Run(() => network.MoveTo(device));
    }

    /// <inheritdoc/>
    public string Name => $"FID's Inception v3 (2015-12-05), mean of {Dimension} channels";

    /// <inheritdoc/>
    public string Hash { get; }

    /// <inheritdoc/>
    public string Preparation => _resize == FidResize.Clean
        ? "resized to 299 x 299 as clean-fid (bicubic, antialiased, not rounded)"
        : "resized to 299 x 299 as pytorch-fid (legacy_pytorch: bilinear, not antialiased)";

    /// <inheritdoc/>
    public int Dimension { get; }

    /// <summary>Opens the network.</summary>
    /// <param name="path">pytorch-fid's <c>pt_inception-2015-12-05-6726825d.pth</c>.</param>
    /// <param name="resize">How pictures are brought to its size.</param>
    /// <param name="dimension">64, 192, 768 or 2048; FID is defined with 2048.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">The file is missing, broken, or holds another network.</exception>
    public static InceptionFeatures Load(string path, FidResize resize = FidResize.Clean, int dimension = 2048, Device device = default) =>
        new(FidInception.Load(path), BackboneFile.Hash(path), resize, dimension, device);

    /// <inheritdoc/>
    public FeatureSet Extract(IImageSource pictures, CancellationToken cancellationToken = default) =>
        Extract(pictures, Name, x => _network.Features(x, Dimension)[^1], cancellationToken);

    /// <summary>The logits of the 1008 classes, for <see cref="InceptionScore"/>.</summary>
    /// <param name="pictures">Grey or RGB; grey is repeated.</param>
    /// <param name="bias">Whether the last layer's bias is added; the score was defined without.</param>
    /// <param name="cancellationToken">Stops.</param>
    public FeatureSet ExtractLogits(IImageSource pictures, bool bias, CancellationToken cancellationToken = default) =>
        Extract(
            pictures,
            $"FID's Inception v3 (2015-12-05), logits {(bias ? "with" : "without")} bias",
            x => _network.Logits(_network.Features(x)[^1], bias),
            cancellationToken);

    /// <inheritdoc/>
    public FeatureSet ExtractLogits(IImageSource pictures, CancellationToken cancellationToken = default) => ExtractLogits(pictures, bias: false, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _network.Dispose();

    private FeatureSet Extract(IImageSource pictures, string name, Func<Tensor, Tensor> compute, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        var batch = FeatureBatches.Size(new ImageShape(3, FidInception.Edge, FidInception.Edge));
        return new FeatureSet
        {
            Values = FeatureBatches.Run(pictures, batch, (first, n) => compute(Prepare(pictures, first, n)), cancellationToken),
            Network = name,
            NetworkHash = Hash,
            Preparation = Preparation,
            Source = pictures.Description,
        };
    }

    /// <summary>[n, 3, 299, 299].</summary>
    private Tensor Prepare(IImageSource pictures, int first, int n)
    {
        if (_resize == FidResize.LegacyPytorch)
        {
            var x = PictureTensor.From(pictures, first, n, _device).Values;
            return Functional.UpsampleBilinear(x, FidInception.Edge, FidInception.Edge);
        }

        const int Area = FidInception.Edge * FidInception.Edge;
        var (channels, height, width) = (pictures.Shape.Channels, pictures.Shape.Height, pictures.Shape.Width);
        var values = new float[n * channels * Area];
        Parallel.For(0, n * channels, TorchRuntime.Parallelism(), plane =>
        {
            var source = pictures[first + (plane / channels)].Slice(plane % channels * height * width, height * width);
            var real = new float[source.Length];
            for (var i = 0; i < real.Length; i++)
                real[i] = source[i];
            var resized = Resize.Bicubic(real, width, height, FidInception.Edge, FidInception.Edge);
            var target = values.AsSpan(plane * Area, Area);
            for (var i = 0; i < Area; i++)
                target[i] = (Math.Clamp(resized[i], 0f, 255f) - 128f) / 128f;
        });
        return Tensor.From(values, n, channels, FidInception.Edge, FidInception.Edge).Expand(-1, 3, -1, -1).To(_device);
    }
}

/// <summary>
/// The mean over positions of a classifier's last features: small and fast, for pictures that FID's Inception would enlarge ten
/// times, and where its weights are not to be had. Values are comparable with no published number.
/// </summary>
public sealed class BackboneFeatures : IFeatureNetwork
{
    private readonly Backbone _network;
    private readonly int? _edge;
    private readonly Device _device;

    /// <summary>Takes features of a network, which it then owns.</summary>
    /// <param name="network">With its weights.</param>
    /// <param name="hash">SHA-256 of the weights.</param>
    /// <param name="edge">Edge of the square that pictures are resized to (Pillow's bicubic); null to take them as they are.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    public BackboneFeatures(Backbone network, string hash, int? edge = null, Device device = default)
    {
        ArgumentNullException.ThrowIfNull(network);
        if (edge < network.SmallestEdge)
            throw new InputException($"{network.Name} takes pictures of at least {network.SmallestEdge} pixels: an edge of {edge} is too small.");
        (_network, _edge, _device, Hash) = (network, edge, device, hash);
        TorchRuntime.Run(() => network.MoveTo(device));
    }

    /// <inheritdoc/>
    public string Name => $"{_network.Name}, mean of the last {Dimension} channels";

    /// <inheritdoc/>
    public string Hash { get; }

    /// <inheritdoc/>
    public string Preparation => (_edge is null ? "in their own size" : $"resized to {_edge} x {_edge} by Pillow's bicubic") + ", normalised as ImageNet";

    /// <inheritdoc/>
    public int Dimension => (int)_network.Channels[^1];

    /// <summary>Opens a network.</summary>
    /// <param name="kind">Which.</param>
    /// <param name="path">Its weights, as torchvision publishes them.</param>
    /// <param name="edge">Edge of the square that pictures are resized to (Pillow's bicubic); null to take them as they are.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">The file is missing, broken, or holds another network.</exception>
    public static BackboneFeatures Load(BackboneKind kind, string path, int? edge = null, Device device = default) =>
        new(Backbone.Load(kind, path), BackboneFile.Hash(path), edge, device);

    /// <inheritdoc/>
    public FeatureSet Extract(IImageSource pictures, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        var source = _edge is { } edge ? new ResizedImages(pictures, edge, edge, ResizeFilter.Bicubic) : pictures;
        if (Math.Min(source.Shape.Height, source.Shape.Width) < _network.SmallestEdge)
            throw new InputException($"{_network.Name} takes pictures of at least {_network.SmallestEdge} pixels, and these are {source.Shape}: have them resized.");
        return new FeatureSet
        {
            Values = FeatureBatches.Run(
                source,
                FeatureBatches.Size(source.Shape),
                (first, n) => _network.Forward(ImageNet.Normalise(PictureTensor.From(source, first, n, _device).Values))[^1].Mean([2, 3]),
                cancellationToken),
            Network = Name,
            NetworkHash = Hash,
            Preparation = Preparation,
            Source = pictures.Description,
        };
    }

    /// <inheritdoc/>
    public void Dispose() => _network.Dispose();
}
