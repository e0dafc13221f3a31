using Graft.Networks.UNet2DParts;
using Graft.Torch;

namespace Graft.Networks.Transformers;

/// <summary>
/// The non-linear map of a transformer block, with a gate: W_2·[(W_1a·x) ⊙ GELU(W_1b·x)] (GEGLU, Shazeer 2020).
/// </summary>
internal sealed class GatedFeedForward : Module
{
    private readonly Linear _first;
    private readonly Linear _second;

    internal GatedFeedForward(long width, long expansion)
    {
        _first = Add("net.0.proj", new Linear(width, width * expansion * 2));
        _second = Add("net.2", new Linear(width * expansion, width));
    }

    /// <summary>[N, T, C], same shape out.</summary>
    internal Tensor Forward(Tensor x)
    {
        var halves = _first.Forward(x).Chunk(2, -1);
        return _second.Forward(halves[0] * Functional.Gelu(halves[1]));
    }
}

/// <summary>
/// <c>BasicTransformerBlock</c>: self-attention, attention to a context, gated map, each with its layer norm and residual connection.
/// </summary>
internal sealed class TransformerBlock : Module
{
    private const long Expansion = 4;
    private readonly LayerNorm _norm1;
    private readonly CrossAttention _self;
    private readonly LayerNorm _norm2;
    private readonly CrossAttention _cross;
    private readonly LayerNorm _norm3;
    private readonly GatedFeedForward _map;

    /// <param name="width">C.</param>
    /// <param name="contextWidth">D; null: without a context, the second attention is to the tokens themselves too.</param>
    /// <param name="heads">Heads of both.</param>
    internal TransformerBlock(long width, long? contextWidth, long heads)
    {
        _self = Add("attn1", new CrossAttention(width, width, heads));
        _map = Add("ff", new GatedFeedForward(width, Expansion));
        _cross = Add("attn2", new CrossAttention(width, contextWidth ?? width, heads));
        _norm1 = Add("norm1", new LayerNorm(width));
        _norm2 = Add("norm2", new LayerNorm(width));
        _norm3 = Add("norm3", new LayerNorm(width));
    }

    internal Tensor Forward(Tensor x, Tensor? context)
    {
        x = TensorScope.Of(() => _self.Forward(_norm1.Forward(x)) + x);
        x = TensorScope.Of(() => _cross.Forward(_norm2.Forward(x), context) + x);
        return TensorScope.Of(() => _map.Forward(_norm3.Forward(x)) + x);
    }
}

/// <summary>
/// <c>SpatialTransformer</c> of latent diffusion (Rombach et al. 2022): group norm, 1x1 convolution, transformer blocks over the positions,
/// 1x1 convolution, residual connection. CompVis' and diffusers' names.
/// </summary>
internal sealed class SpatialTransformer : FeatureAttention
{
    private readonly GroupNorm _norm;
    private readonly Conv2d _in;
    private readonly List<TransformerBlock> _blocks = [];
    private readonly Conv2d _out;
    private readonly Func<SpatialTransformer> _same;

    /// <param name="channels">C of the feature map, and of the tokens.</param>
    /// <param name="contextWidth">D of the context's tokens; null: there is none.</param>
    /// <param name="heads">Heads of every attention.</param>
    /// <param name="groups">Of the group norm: CompVis has 32.</param>
    /// <param name="depth">Transformer blocks.</param>
    internal SpatialTransformer(long channels, long? contextWidth, long heads, long groups = 32, int depth = 1)
    {
        _norm = Add("norm", new GroupNorm(groups, channels, 1e-6));
        _in = Add("proj_in", new Conv2d(channels, channels, 1));
        for (var i = 0; i < depth; i++)
            _blocks.Add(Add($"transformer_blocks.{i}", new TransformerBlock(channels, contextWidth, heads)));
        _out = Add("proj_out", new Conv2d(channels, channels, 1));
        _same = () => new SpatialTransformer(channels, contextWidth, heads, groups, depth);
    }

    /// <summary>Computes in this one's place; it is not one of its children.</summary>
    internal SpatialTransformer? Replacement { get; set; }

    /// <summary>One of the same shape; its parameters are zero.</summary>
    internal SpatialTransformer CreateSame() => _same();

    /// <inheritdoc/>
    private protected override Tensor Compute(Tensor x, Tensor? context) => (Replacement ?? this).Own(x, context);

    private Tensor Own(Tensor x, Tensor? context)
    {
        long n = x.Size(0), channels = x.Size(1), height = x.Size(2), width = x.Size(3);
        var tokens = _in.Forward(_norm.Forward(x)).Flatten(2).Transpose(1, 2).Contiguous();
        foreach (var block in _blocks)
            tokens = block.Forward(tokens, context);
        return _out.Forward(tokens.Transpose(1, 2).Reshape(n, channels, height, width)) + x;
    }

    /// <summary>The block then gives back what it is given.</summary>
    internal void ClearOutput()
    {
        _out.Weight.Fill(0);
        _out.Bias!.Fill(0);
    }
}
