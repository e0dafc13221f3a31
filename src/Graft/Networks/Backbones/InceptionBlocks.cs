using Graft.Torch;

namespace Graft.Networks.Backbones;

/// <summary>How an Inception block's pooling branch pools.</summary>
internal enum InceptionPool
{
    /// <summary>Mean of 3x3 without the padding.</summary>
    Average,

    /// <summary>Largest of 3x3.</summary>
    Largest,

    /// <summary>Largest of 3x3 at every other position, with no convolution behind.</summary>
    Halving,
}

/// <summary>A convolution of any proportions without bias.</summary>
internal sealed class OblongConv2d(long inputs, long outputs, long height, long width, long stride, bool padded)
    : WeightedModule([outputs, inputs, height, width], null)
{
    private readonly long[] _padding = padded ? [height / 2, width / 2] : [0, 0];

    internal Tensor Forward(Tensor x) => Functional.Conv2d(x, Weight, Bias, stride, _padding);
}

/// <summary>Convolution, batch normalisation, ReLU.</summary>
internal sealed class ConvNorm : Module
{
    private const double Epsilon = 1e-3;
    private readonly OblongConv2d _conv;
    private readonly BatchNorm _norm;

    internal ConvNorm(long inputs, long outputs, long height, long width, long stride = 1, bool padded = true)
    {
        _conv = Add("conv", new OblongConv2d(inputs, outputs, height, width, stride, padded));
        _norm = Add("bn", new BatchNorm(outputs, epsilon: Epsilon));
    }

    internal Tensor Forward(Tensor x) => TensorScope.Of(() => Functional.Relu(_norm.Forward(_conv.Forward(x))));
}

/// <summary>
/// An Inception block: branches side by side, joined along the channels. A branch is a chain of convolutions; its last link may fork
/// into two. The factories are Inception v3's five kinds (Szegedy et al. 2016, fig. 5 to 7 and 10).
/// </summary>
internal sealed class InceptionBlock : Module
{
    private readonly List<(ConvNorm[] Chain, ConvNorm[] Fork)> _branches = [];
    private readonly InceptionPool _pool;
    private ConvNorm? _projection;

    private InceptionBlock(InceptionPool pool) => _pool = pool;

    /// <summary>35x35: 1x1, 5x5, two 3x3.</summary>
    internal static InceptionBlock A(long inputs, long pooled) => new InceptionBlock(InceptionPool.Average)
        .Branch([("branch1x1", inputs, 64, 1, 1)])
        .Branch([("branch5x5_1", inputs, 48, 1, 1), ("branch5x5_2", 48, 64, 5, 5)])
        .Branch([("branch3x3dbl_1", inputs, 64, 1, 1), ("branch3x3dbl_2", 64, 96, 3, 3), ("branch3x3dbl_3", 96, 96, 3, 3)])
        .Project(inputs, pooled);

    /// <summary>From 35x35 to 17x17.</summary>
    internal static InceptionBlock B(long inputs) => new InceptionBlock(InceptionPool.Halving)
        .Branch([("branch3x3", inputs, 384, 3, 3)], halve: true)
        .Branch([("branch3x3dbl_1", inputs, 64, 1, 1), ("branch3x3dbl_2", 64, 96, 3, 3), ("branch3x3dbl_3", 96, 96, 3, 3)], halve: true);

    /// <summary>17x17: 1x1, one and two 7x7 taken apart into 1x7 and 7x1.</summary>
    internal static InceptionBlock C(long inputs, long w) => new InceptionBlock(InceptionPool.Average)
        .Branch([("branch1x1", inputs, 192, 1, 1)])
        .Branch([("branch7x7_1", inputs, w, 1, 1), ("branch7x7_2", w, w, 1, 7), ("branch7x7_3", w, 192, 7, 1)])
        .Branch(
        [
            ("branch7x7dbl_1", inputs, w, 1, 1), ("branch7x7dbl_2", w, w, 7, 1), ("branch7x7dbl_3", w, w, 1, 7),
            ("branch7x7dbl_4", w, w, 7, 1), ("branch7x7dbl_5", w, 192, 1, 7),
        ])
        .Project(inputs, 192);

    /// <summary>From 17x17 to 8x8.</summary>
    internal static InceptionBlock D(long inputs) => new InceptionBlock(InceptionPool.Halving)
        .Branch([("branch3x3_1", inputs, 192, 1, 1), ("branch3x3_2", 192, 320, 3, 3)], halve: true)
        .Branch(
        [
            ("branch7x7x3_1", inputs, 192, 1, 1), ("branch7x7x3_2", 192, 192, 1, 7),
            ("branch7x7x3_3", 192, 192, 7, 1), ("branch7x7x3_4", 192, 192, 3, 3),
        ], halve: true);

    /// <summary>8x8: 1x1, and two branches that fork into 1x3 and 3x1.</summary>
    internal static InceptionBlock E(long inputs, InceptionPool pool) => new InceptionBlock(pool)
        .Branch([("branch1x1", inputs, 320, 1, 1)])
        .Branch([("branch3x3_1", inputs, 384, 1, 1)], fork: "branch3x3_2")
        .Branch([("branch3x3dbl_1", inputs, 448, 1, 1), ("branch3x3dbl_2", 448, 384, 3, 3)], fork: "branch3x3dbl_3")
        .Project(inputs, 192);

    internal Tensor Forward(Tensor x)
    {
        var parts = new List<Tensor>();
        foreach (var (chain, fork) in _branches)
        {
            var y = x;
            foreach (var link in chain)
                y = link.Forward(y);
            if (fork.Length == 0)
                parts.Add(y);
            foreach (var end in fork)
                parts.Add(end.Forward(y));
        }

        var pooled = _pool switch
        {
            InceptionPool.Average => Functional.AveragePool(x, 3, 1, 1, countPadding: false),
            InceptionPool.Largest => Functional.MaxPool(x, 3, 1, 1),
            _ => Functional.MaxPool(x, 3, 2),
        };
        parts.Add(_projection?.Forward(pooled) ?? pooled);
        return Tensor.Cat([.. parts], 1);
    }

    private InceptionBlock Branch((string Name, long Inputs, long Outputs, long Height, long Width)[] links, bool halve = false, string? fork = null)
    {
        var chain = new ConvNorm[links.Length];
        for (var i = 0; i < links.Length; i++)
        {
            var (name, inputs, outputs, height, width) = links[i];
            var last = halve && i == links.Length - 1; // the one that halves takes whole windows only
            chain[i] = Add(name, new ConvNorm(inputs, outputs, height, width, stride: last ? 2 : 1, padded: !last));
        }

        var forked = links[^1].Outputs;
        _branches.Add((chain, fork is null
            ? []
            : [Add(fork + "a", new ConvNorm(forked, 384, 1, 3)), Add(fork + "b", new ConvNorm(forked, 384, 3, 1))]));
        return this;
    }

    private InceptionBlock Project(long inputs, long outputs)
    {
        _projection = Add("branch_pool", new ConvNorm(inputs, outputs, 1, 1));
        return this;
    }
}
