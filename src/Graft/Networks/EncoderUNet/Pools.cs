using Graft.Torch;

namespace Graft.Networks.EncoderUNetParts;

/// <summary>What makes logits of the features; parameters keep openai's names (<c>out.N</c>).</summary>
internal abstract class Pool : Module
{
    /// <summary>Width of the hidden layer of the spatial pools.</summary>
    protected const long Hidden = 2048;

    /// <summary>The pool of a kind.</summary>
    internal static Pool Of(EncoderUNetOptions options, long features) => options.Pool switch
    {
        ClassifierPool.Adaptive => new AdaptivePool(options),
        ClassifierPool.Attention => new AttentionPool(options),
        _ => new SpatialPool(options, features),
    };

    /// <summary>Logits [N, classes].</summary>
    /// <param name="middle">What the middle gives, [N, C, H, W].</param>
    /// <param name="skips">What the blocks on the way down gave, in their order.</param>
    internal abstract Tensor Forward(Tensor middle, IEnumerable<Tensor> skips);

    /// <summary>The mean over positions: [N, C].</summary>
    protected static Tensor Mean(Tensor x) => x.Mean([2, 3]);
}

/// <summary><c>adaptive</c>: norm, SiLU, mean over positions, 1 x 1 convolution.</summary>
internal sealed class AdaptivePool : Pool
{
    private readonly GroupNorm _norm;
    private readonly Conv2d _classes;

    internal AdaptivePool(EncoderUNetOptions options)
    {
        var channels = options.Body.BlockOutChannels[^1];
        _norm = Add("0", new GroupNorm(options.Body.NormNumGroups, channels, options.Body.NormEps));
        _classes = Add("3", new Conv2d(channels, options.Classes, 1));
    }

    internal override Tensor Forward(Tensor middle, IEnumerable<Tensor> skips)
    {
        var mean = Functional.Silu(_norm.Forward(middle)).Mean([2, 3], keepDims: true);
        return _classes.Forward(mean).Flatten(1);
    }
}

/// <summary><c>attention</c>: norm, SiLU, then <c>AttentionPool2d</c>.</summary>
internal sealed class AttentionPool : Pool
{
    private readonly GroupNorm _norm;
    private readonly MeanAttention _attention;

    internal AttentionPool(EncoderUNetOptions options)
    {
        var channels = options.Body.BlockOutChannels[^1];
        _norm = Add("0", new GroupNorm(options.Body.NormNumGroups, channels, options.Body.NormEps));
        _attention = Add("2", new MeanAttention(options.PoolEdge, channels, channels / options.PoolHeadChannels, options.Classes));
    }

    internal override Tensor Forward(Tensor middle, IEnumerable<Tensor> skips) => _attention.Forward(Functional.Silu(_norm.Forward(middle)));
}

/// <summary>
/// The mean of all positions attends to itself and to all positions; queries, keys and values are thirds, whatever the order of the
/// other attention layers. Only the mean's own row is computed, since only it is used.
/// </summary>
internal sealed class MeanAttention : Module
{
    private readonly long _edge;
    private readonly long _heads;
    private readonly Linear _qkv;
    private readonly Linear _classes;
    private Tensor _positions;

    internal MeanAttention(long edge, long channels, long heads, long classes)
    {
        (_edge, _heads) = (edge, heads);
        _positions = AddParameter("positional_embedding", channels, (edge * edge) + 1);
        _qkv = Add("qkv_proj", new Linear(channels, 3 * channels));
        _classes = Add("c_proj", new Linear(channels, classes));
    }

    internal Tensor Forward(Tensor x)
    {
        long n = x.Size(0), c = x.Size(1);
        if (x.Size(2) != _edge || x.Size(3) != _edge)
            throw new InputException($"The classifier takes pictures whose feature map is {_edge} x {_edge}; these give {x.Size(2)} x {x.Size(3)}.");
        var positions = x.Reshape(n, c, -1);
        var tokens = Tensor.Cat([positions.Mean([-1], keepDims: true), positions], -1) + _positions.Unsqueeze(0);
        var qkv = _qkv.Forward(tokens.Transpose(1, 2)).Chunk(3, -1);
        var (q, k, v) = (Heads(qkv[0].Slice(1, 0, 1)), Heads(qkv[1]), Heads(qkv[2]));
        var softmax = x.Type == DType.Float64 ? DType.Float64 : DType.Float32;
        var mixed = Functional.Attention(q, k, v, 1 / Math.Sqrt((double)c / _heads), softmax);
        return _classes.Forward(mixed.Reshape(n, c));

        Tensor Heads(Tensor part) =>
            part.Reshape(n, part.Size(1), _heads, c / _heads).Transpose(1, 2).Reshape(n * _heads, part.Size(1), c / _heads);
    }

    protected override void Reset(Initialiser initialiser) =>
        initialiser.Normal(_positions, "positional_embedding", 1 / Math.Sqrt(_positions.Size(0)));

    protected override void OnReplaced(Tensor old, Tensor replacement) => _positions = replacement;
}

/// <summary><c>spatial</c> and <c>spatial_v2</c>: a small network on the means of all blocks.</summary>
internal sealed class SpatialPool : Pool
{
    private readonly Linear _first;
    private readonly GroupNorm? _norm;
    private readonly Linear _second;

    internal SpatialPool(EncoderUNetOptions options, long features)
    {
        var normed = options.Pool == ClassifierPool.SpatialV2;
        _first = Add("0", new Linear(features, Hidden));
        _norm = normed ? Add("1", new GroupNorm(options.Body.NormNumGroups, Hidden, options.Body.NormEps)) : null;
        _second = Add(normed ? "3" : "2", new Linear(Hidden, options.Classes));
    }

    internal override Tensor Forward(Tensor middle, IEnumerable<Tensor> skips)
    {
        var means = Tensor.Cat([.. skips.Append(middle).Select(Mean)], -1);
        var hidden = _first.Forward(means);
        return _second.Forward(_norm is null ? Functional.Relu(hidden) : Functional.Silu(_norm.Forward(hidden)));
    }
}
