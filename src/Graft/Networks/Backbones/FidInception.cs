using Graft.Torch;

namespace Graft.Networks.Backbones;

/// <summary>
/// The Inception v3 that Fréchet Inception distances are defined by: TensorFlow's of 2015-12-05 as pytorch-fid ported it. It is not
/// torchvision's: 1008 outputs, batch normalisation with ε = 1e-3, average pools that leave the padding out of the mean, a max pool in
/// the last block, no auxiliary head.
/// </summary>
public sealed class FidInception : Module
{
    private const string Published = "pytorch-fid's pt_inception-2015-12-05-6726825d.pth";
    private readonly ConvNorm[] _stem;
    private readonly InceptionBlock[] _blocks;
    private readonly Linear _head;

    /// <summary>Makes the network with weights of zero.</summary>
    public FidInception()
    {
        _stem =
        [
            Add("Conv2d_1a_3x3", new ConvNorm(3, 32, 3, 3, stride: 2, padded: false)),
            Add("Conv2d_2a_3x3", new ConvNorm(32, 32, 3, 3, padded: false)),
            Add("Conv2d_2b_3x3", new ConvNorm(32, 64, 3, 3)),
            Add("Conv2d_3b_1x1", new ConvNorm(64, 80, 1, 1)),
            Add("Conv2d_4a_3x3", new ConvNorm(80, 192, 3, 3, padded: false)),
        ];
        _blocks =
        [
            Add("Mixed_5b", InceptionBlock.A(192, 32)),
            Add("Mixed_5c", InceptionBlock.A(256, 64)),
            Add("Mixed_5d", InceptionBlock.A(288, 64)),
            Add("Mixed_6a", InceptionBlock.B(288)),
            Add("Mixed_6b", InceptionBlock.C(768, 128)),
            Add("Mixed_6c", InceptionBlock.C(768, 160)),
            Add("Mixed_6d", InceptionBlock.C(768, 160)),
            Add("Mixed_6e", InceptionBlock.C(768, 192)),
            Add("Mixed_7a", InceptionBlock.D(768)),
            Add("Mixed_7b", InceptionBlock.E(1280, InceptionPool.Average)),
            Add("Mixed_7c", InceptionBlock.E(2048, InceptionPool.Largest)),
        ];
        _head = Add("fc", new Linear(2048, 1008));
    }

    /// <summary>Channels at the four depths whose means are used as features.</summary>
    public static IReadOnlyList<int> Dimensions { get; } = [64, 192, 768, 2048];

    /// <summary>Edge of the pictures it takes.</summary>
    public const int Edge = 299;

    /// <summary>Makes the network with the weights of a file.</summary>
    /// <param name="path">pytorch-fid's <c>pt_inception-2015-12-05-6726825d.pth</c>, or its tensors as safetensors.</param>
    /// <exception cref="InputException">The file is missing, broken, or holds another network (torchvision's Inception among them).</exception>
    public static FidInception Load(string path) => TorchRuntime.Run(() =>
    {
        var network = new FidInception();
        try
        {
            BackboneFile.Load(network, path, "FID's Inception v3", Published);
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    });

    /// <summary>Means over positions at the depths up to the wanted one.</summary>
    /// <param name="x">[N, 3, 299, 299] in [-1, 1].</param>
    /// <param name="deepest">One of <see cref="Dimensions"/>: nothing behind it is computed.</param>
    /// <returns>[N, 64], [N, 192], … up to [N, <paramref name="deepest"/>].</returns>
    public IReadOnlyList<Tensor> Features(Tensor x, int deepest = 2048)
    {
        if (!Dimensions.Contains(deepest))
            throw new ArgumentOutOfRangeException(nameof(deepest), deepest, "FID's Inception has features of 64, 192, 768 and 2048 channels");
        var result = new List<Tensor>();
        foreach (var stage in (Func<Tensor, Tensor>[])[Stem, Entry, Middle, Last])
        {
            var input = x;
            x = TensorScope.Of(() => stage(input));
            result.Add(x.Mean([2, 3]));
            if (x.Size(1) == deepest)
                break;
        }

        return result;
    }

    /// <summary>Logits of the 1008 classes from the 2048 pooled features.</summary>
    /// <param name="features">[N, 2048].</param>
    /// <param name="bias">Whether the bias is added; the Inception Score was defined without it.</param>
    public Tensor Logits(Tensor features, bool bias) => Functional.Linear(features, _head.Weight, bias ? _head.Bias : null);

    private Tensor Stem(Tensor x) => Pool(_stem[2].Forward(_stem[1].Forward(_stem[0].Forward(x))));

    private Tensor Entry(Tensor x) => Pool(_stem[4].Forward(_stem[3].Forward(x)));

    private Tensor Middle(Tensor x) => Through(x, 0, 8);

    private Tensor Last(Tensor x) => Through(x, 8, _blocks.Length);

    private Tensor Through(Tensor x, int first, int end)
    {
        for (var i = first; i < end; i++)
        {
            var (input, block) = (x, _blocks[i]);
            x = TensorScope.Of(() => block.Forward(input));
        }

        return x;
    }

    private static Tensor Pool(Tensor x) => Functional.MaxPool(x, 3, 2);
}
