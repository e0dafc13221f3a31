using Graft.Torch;

namespace Graft.Networks.Backbones;

/// <summary>AlexNet's features; taps after each of its five ReLUs.</summary>
internal sealed class AlexNet : Backbone
{
    private readonly Conv2d[] _convs;

    internal AlexNet() => _convs =
    [
        Add("features.0", new Conv2d(3, 64, 11, stride: 4, padding: 2)),
        Add("features.3", new Conv2d(64, 192, 5, padding: 2)),
        Add("features.6", new Conv2d(192, 384, 3, padding: 1)),
        Add("features.8", new Conv2d(384, 256, 3, padding: 1)),
        Add("features.10", new Conv2d(256, 256, 3, padding: 1)),
    ];

    public override string Name => "AlexNet";

    public override IReadOnlyList<long> Channels => [64, 192, 384, 256, 256];

    public override int SmallestEdge => 31;

    internal override string PublishedAs => "torchvision's alexnet-owt-7be5be79.pth";

    private protected override Tensor Stage(int index, Tensor x) =>
        Functional.Relu(_convs[index].Forward(index is 1 or 2 ? Functional.MaxPool(x, 3, 2) : x));
}

/// <summary>VGG-16's features; taps after the last ReLU of each of its five blocks.</summary>
internal sealed class Vgg16 : Backbone
{
    private static readonly long[] Widths = [64, 128, 256, 512, 512];
    private readonly Conv2d[][] _blocks;

    internal Vgg16()
    {
        _blocks = new Conv2d[Widths.Length][];
        var position = 0;
        var inputs = 3L;
        for (var b = 0; b < _blocks.Length; b++)
        {
            _blocks[b] = new Conv2d[b < 2 ? 2 : 3];
            for (var i = 0; i < _blocks[b].Length; i++)
            {
                _blocks[b][i] = Add($"features.{position}", new Conv2d(inputs, Widths[b], 3, padding: 1));
                inputs = Widths[b];
                position += 2; // its ReLU counts
            }

            position++; // and so does the pool
        }
    }

    public override string Name => "VGG-16";

    public override IReadOnlyList<long> Channels => Widths;

    public override int SmallestEdge => 16;

    internal override string PublishedAs => "torchvision's vgg16-397923af.pth";

    private protected override Tensor Stage(int index, Tensor x)
    {
        if (index > 0)
            x = Functional.MaxPool(x, 2, 2);
        foreach (var conv in _blocks[index])
            x = Functional.Relu(conv.Forward(x));
        return x;
    }
}

/// <summary>SqueezeNet 1.1's features; taps after the first ReLU and after the Fire modules 4, 7, 9, 10, 11 and 12.</summary>
internal sealed class SqueezeNet : Backbone
{
    private readonly Conv2d _conv;
    private readonly Fire[] _fires;

    internal SqueezeNet()
    {
        _conv = Add("features.0", new Conv2d(3, 64, 3, stride: 2));
        _fires =
        [
            Add("features.3", new Fire(64, 16, 64)),
            Add("features.4", new Fire(128, 16, 64)),
            Add("features.6", new Fire(128, 32, 128)),
            Add("features.7", new Fire(256, 32, 128)),
            Add("features.9", new Fire(256, 48, 192)),
            Add("features.10", new Fire(384, 48, 192)),
            Add("features.11", new Fire(384, 64, 256)),
            Add("features.12", new Fire(512, 64, 256)),
        ];
    }

    public override string Name => "SqueezeNet 1.1";

    public override IReadOnlyList<long> Channels => [64, 128, 256, 384, 384, 512, 512];

    public override int SmallestEdge => 17;

    internal override string PublishedAs => "torchvision's squeezenet1_1-b8a52dc0.pth";

    private protected override Tensor Stage(int index, Tensor x) => index switch
    {
        0 => Functional.Relu(_conv.Forward(x)),
        1 or 2 => _fires[(2 * index) - 1].Forward(_fires[(2 * index) - 2].Forward(Pool(x))),
        3 => _fires[4].Forward(Pool(x)),
        _ => _fires[index + 1].Forward(x),
    };

    private static Tensor Pool(Tensor x) => Functional.MaxPool(x, 3, 2, ceiling: true);

    /// <summary>A 1x1 convolution that squeezes, then a 1x1 and a 3x3 that expand side by side.</summary>
    private sealed class Fire : Module
    {
        private readonly Conv2d _squeeze;
        private readonly Conv2d _expand1;
        private readonly Conv2d _expand3;

        internal Fire(long inputs, long squeezed, long expanded)
        {
            _squeeze = Add("squeeze", new Conv2d(inputs, squeezed, 1));
            _expand1 = Add("expand1x1", new Conv2d(squeezed, expanded, 1));
            _expand3 = Add("expand3x3", new Conv2d(squeezed, expanded, 3, padding: 1));
        }

        internal Tensor Forward(Tensor x)
        {
            var s = Functional.Relu(_squeeze.Forward(x));
            return Functional.Relu(Tensor.Cat([_expand1.Forward(s), _expand3.Forward(s)], 1));
        }
    }
}
