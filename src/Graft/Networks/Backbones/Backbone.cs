using Graft.Torch;

namespace Graft.Networks.Backbones;

/// <summary>Networks whose inner layers serve as a measure of likeness.</summary>
public enum BackboneKind
{
    /// <summary>AlexNet in torchvision's form (Krizhevsky 2014, "One weird trick").</summary>
    AlexNet,

    /// <summary>VGG-16 without batch normalisation (Simonyan &amp; Zisserman 2015).</summary>
    Vgg16,

    /// <summary>SqueezeNet 1.1 (Iandola et al. 2016).</summary>
    SqueezeNet,
}

/// <summary>
/// The convolutional part of a classifier, under torchvision's parameter names (<c>features.0.weight</c>, ...), with the outputs that
/// LPIPS looks at. The classifier's head is not built: what a file holds of it is ignored.
/// </summary>
public abstract class Backbone : Module
{
    /// <summary>The network's name in the field.</summary>
    public abstract string Name { get; }

    /// <summary>Channels of each tap, in order.</summary>
    public abstract IReadOnlyList<long> Channels { get; }

    /// <summary>The fewest pixels an edge may have: below, a layer would have no output.</summary>
    public abstract int SmallestEdge { get; }

    /// <summary>What to download, for messages.</summary>
    internal abstract string PublishedAs { get; }

    /// <summary>Makes a network with weights of zero.</summary>
    public static Backbone Create(BackboneKind kind) => TorchRuntime.Run<Backbone>(() => kind switch
    {
        BackboneKind.AlexNet => new AlexNet(),
        BackboneKind.Vgg16 => new Vgg16(),
        BackboneKind.SqueezeNet => new SqueezeNet(),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "unknown backbone"),
    });

    /// <summary>Makes a network with the weights of a file: torchvision's whole classifier, or its <c>features</c> alone.</summary>
    /// <param name="kind">Which network.</param>
    /// <param name="path">A PyTorch checkpoint or a safetensors file.</param>
    /// <exception cref="InputException">The file is missing, broken, or holds another network.</exception>
    public static Backbone Load(BackboneKind kind, string path) => TorchRuntime.Run(() =>
    {
        var network = Create(kind);
        try
        {
            // The heads of LPIPS come with features-only files, whose names lack the first word.
            BackboneFile.Load(network, path, network.Name, network.PublishedAs, "features.");
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    });

    /// <summary>The outputs of the tapped layers, each after its ReLU.</summary>
    /// <param name="x">[N, 3, H, W], normalised by <see cref="ImageNet.Normalise"/>; edges of <see cref="SmallestEdge"/> or more.</param>
    /// <returns>One [N, C, H', W'] for each entry of <see cref="Channels"/>.</returns>
    public Tensor[] Forward(Tensor x)
    {
        var taps = new Tensor[Channels.Count];
        for (var i = 0; i < taps.Length; i++)
        {
            // A scope for each stage: between two taps nothing needs to stay.
            var input = x;
            var stage = i;
            taps[i] = x = TensorScope.Of(() => Stage(stage, input));
        }

        return taps;
    }

    /// <summary>The layers between one tap and the next.</summary>
    /// <param name="index">Which tap they end in.</param>
    /// <param name="x">The picture, or the tap before.</param>
    private protected abstract Tensor Stage(int index, Tensor x);
}

/// <summary>The preparation that torchvision's classifiers were trained with.</summary>
public static class ImageNet
{
    /// <summary>
    /// (x − mean) / deviation for each channel, with the mean and deviation of ImageNet's pictures. In [-1, 1] these are the shift
    /// (−0.030, −0.088, −0.188) and the scale (0.458, 0.448, 0.450), the constants of LPIPS.
    /// </summary>
    /// <param name="x">RGB in [-1, 1]: [N, 3, H, W].</param>
    public static Tensor Normalise(Tensor x)
    {
        var shift = Tensor.From([-0.030f, -0.088f, -0.188f], 1, 3, 1, 1).To(x.Type).To(x.Device);
        var scale = Tensor.From([0.458f, 0.448f, 0.450f], 1, 3, 1, 1).To(x.Type).To(x.Device);
        return (x - shift) / scale;
    }
}
