using Graft.Networks.Transformers;
using Graft.Networks.UNet2DParts;
using Graft.Torch;

namespace Graft.Transfer.ConditionParts;

/// <summary>The condition of the pass that is under way: modules inside the network read it, as the network's own signature has no place for it.</summary>
internal sealed class CurrentCondition
{
    /// <summary>c, [N, D]; null where the modules take none.</summary>
    internal Tensor? Value { get; set; }
}

/// <summary>An Attention-NonLinear module behind a residual block.</summary>
internal abstract class AnlModule : Module, IBlockSuffix
{
    /// <inheritdoc/>
    public abstract Tensor? Beside { get; }

    /// <inheritdoc/>
    public abstract Tensor Forward(Tensor x, Tensor? beside);

    /// <summary>The first pass computes what the frozen network does.</summary>
    internal abstract void ClearOutput();
}

/// <summary>
/// The full module: latent diffusion's spatial transformer (self-attention, attention to c as one token, gated map), which is what the
/// paper's counts of parameters point to.
/// </summary>
internal sealed class FullAnlModule : AnlModule
{
    private readonly SpatialTransformer _transformer;
    private readonly CurrentCondition _condition;

    internal FullAnlModule(long channels, long groups, AnlLayout layout, CurrentCondition condition)
    {
        _condition = condition;
        _transformer = Add("transformer", new SpatialTransformer(channels, layout.Dimension == 0 ? null : layout.Dimension, layout.Heads, groups));
    }

    /// <inheritdoc/>
    public override Tensor? Beside => _condition.Value;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x, Tensor? beside) => _transformer.Forward(x, beside?.To(x.Type).Unsqueeze(1));

    /// <inheritdoc/>
    internal override void ClearOutput() => _transformer.ClearOutput();
}

/// <summary>
/// The lean module: attention to c and a non-linear map, and nothing else: h' = h + W_2·SiLU(W_1·(norm(h) + W_O·W_V·c)). Attention to one
/// token gives every position the same, W_O·W_V·c (its softmax is 1), so it has neither queries nor keys and costs nothing a position.
/// </summary>
internal sealed class LeanAnlModule : AnlModule
{
    private readonly GroupNorm _norm;
    private readonly Linear? _value;
    private readonly Linear? _output;
    private readonly Conv2d _in;
    private readonly Conv2d _out;
    private readonly CurrentCondition _condition;

    internal LeanAnlModule(long channels, long groups, AnlLayout layout, CurrentCondition condition)
    {
        _condition = condition;
        _norm = Add("norm", new GroupNorm(groups, channels));
        if (layout.Dimension > 0)
        {
            _value = Add("to_v", new Linear(layout.Dimension, channels, bias: false));
            _output = Add("to_out", new Linear(channels, channels));
        }

        _in = Add("proj_in", new Conv2d(channels, channels * layout.Expansion, 1));
        _out = Add("proj_out", new Conv2d(channels * layout.Expansion, channels, 1));
    }

    /// <inheritdoc/>
    public override Tensor? Beside => _value is null ? null : _condition.Value;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x, Tensor? beside)
    {
        var h = _norm.Forward(x);
        if (_value is not null && beside is { } c)
            h += _output!.Forward(_value.Forward(c.To(x.Type))).Unsqueeze(-1).Unsqueeze(-1);
        return Functional.SiluConv1x1(_in.Forward(h), _out.Weight, _out.Bias, x);
    }

    /// <inheritdoc/>
    internal override void ClearOutput()
    {
        _out.Weight.Fill(0);
        _out.Bias!.Fill(0);
    }
}
