using Graft.Data;
using Graft.Networks.Backbones;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>
/// LPIPS v0.1 between pictures: 0 for equal ones, about 0.7 for unlike ones. Every picture passes the backbone once, however many it is
/// compared with, as long as <see cref="EmbeddingDistance.MemoryBudget"/> holds its features.
/// </summary>
public sealed class Lpips : EmbeddingDistance, IDisposable
{
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
    public override string Hash { get; }

    /// <inheritdoc/>
    public override string Name => $"LPIPS v0.1 ({Network.Backbone.Name}, {string.Join('+', Hash.Split('+').Select(h => h[..Math.Min(8, h.Length)]))})";

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
    public void Dispose() => Network.Dispose();

    private static string FileOf(BackboneKind kind) => kind switch
    {
        BackboneKind.AlexNet => "alex",
        BackboneKind.Vgg16 => "vgg",
        _ => "squeeze",
    };

    /// <inheritdoc/>
    protected override Tensor Embed(IImageSource pictures, int first, int count) => Network.Embed(PictureTensor.From(pictures, first, count));
}
