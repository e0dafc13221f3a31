using Graft.Torch;

namespace Graft.Networks.FirstStageParts;

/// <summary><c>Normalize</c>: the group norm of the autoencoder, whose ε is not the U-Net's.</summary>
internal static class Norms
{
    internal const double Epsilon = 1e-6;
}

/// <summary><c>ResnetBlock</c> without a time embedding.</summary>
internal sealed class PlainResnet : Module
{
    private readonly GroupNorm _norm1;
    private readonly Conv2d _conv1;
    private readonly GroupNorm _norm2;
    private readonly Conv2d _conv2;
    private readonly Conv2d? _shortcut;

    internal PlainResnet(long inputs, long outputs, long groups)
    {
        _norm1 = Add("norm1", new GroupNorm(groups, inputs, Norms.Epsilon));
        _conv1 = Add("conv1", new Conv2d(inputs, outputs, 3, padding: 1));
        _norm2 = Add("norm2", new GroupNorm(groups, outputs, Norms.Epsilon));
        _conv2 = Add("conv2", new Conv2d(outputs, outputs, 3, padding: 1));
        _shortcut = inputs == outputs ? null : Add("nin_shortcut", new Conv2d(inputs, outputs, 1));
    }

    internal Tensor Forward(Tensor x) => TensorScope.Of(() =>
    {
        var h = Functional.NormSiluConv3x3(x, _norm1, _conv1);
        return Functional.NormSiluConv3x3(h, _norm2, _conv2, residual: _shortcut?.Forward(x) ?? x);
    });
}

/// <summary><c>AttnBlock</c>: one head over the positions, projections as 1x1 convolutions.</summary>
internal sealed class PlainAttention : Module
{
    private readonly GroupNorm _norm;
    private readonly Conv2d _query;
    private readonly Conv2d _key;
    private readonly Conv2d _value;
    private readonly Conv2d _output;

    internal PlainAttention(long channels, long groups)
    {
        _norm = Add("norm", new GroupNorm(groups, channels, Norms.Epsilon));
        _query = Add("q", new Conv2d(channels, channels, 1));
        _key = Add("k", new Conv2d(channels, channels, 1));
        _value = Add("v", new Conv2d(channels, channels, 1));
        _output = Add("proj_out", new Conv2d(channels, channels, 1));
    }

    internal Tensor Forward(Tensor x) => TensorScope.Of(() =>
    {
        var h = _norm.Forward(x);
        var mixed = Functional.Attention(Tokens(_query.Forward(h)), Tokens(_key.Forward(h)), Tokens(_value.Forward(h)), 1 / Math.Sqrt(x.Size(1)));
        return _output.Forward(mixed.Transpose(1, 2).Reshape(x.Shape.ToArray())) + x;
    });

    private static Tensor Tokens(Tensor x) => x.Flatten(2).Transpose(1, 2).Contiguous();
}

/// <summary>Residual blocks of one level, each followed by attention if the level attends.</summary>
internal sealed class PlainLevel : Module
{
    private readonly List<PlainResnet> _blocks = [];
    private readonly List<PlainAttention> _attentions = [];
    private readonly Conv2d? _downsample;
    private readonly Conv2d? _upsample;

    internal PlainLevel(long inputs, long outputs, int layers, bool attends, bool down, bool up, long groups)
    {
        for (var j = 0; j < layers; j++)
            _blocks.Add(Add($"block.{j}", new PlainResnet(j == 0 ? inputs : outputs, outputs, groups)));
        for (var j = 0; attends && j < layers; j++)
            _attentions.Add(Add($"attn.{j}", new PlainAttention(outputs, groups)));
        _downsample = down ? Add("downsample.conv", new Conv2d(outputs, outputs, 3, stride: 2)) : null;
        _upsample = up ? Add("upsample.conv", new Conv2d(outputs, outputs, 3, padding: 1)) : null;
    }

    internal Tensor Forward(Tensor x)
    {
        for (var j = 0; j < _blocks.Count; j++)
        {
            x = _blocks[j].Forward(x);
            if (_attentions.Count > 0)
                x = _attentions[j].Forward(x);
        }

        // Halving pads right and bottom by one, as TensorFlow's "same".
        if (_downsample is not null)
            return TensorScope.Of(() => _downsample.Forward(x.Pad([0, 1, 0, 1])));
        return _upsample is null ? x : TensorScope.Of(() => _upsample.ForwardDoubled(x));
    }
}

/// <summary>The middle: residual block, attention, residual block.</summary>
internal sealed class PlainMiddle : Module
{
    private readonly PlainResnet _first;
    private readonly PlainAttention? _attention;
    private readonly PlainResnet _second;

    internal PlainMiddle(long channels, bool attends, long groups)
    {
        _first = Add("block_1", new PlainResnet(channels, channels, groups));
        _attention = attends ? Add("attn_1", new PlainAttention(channels, groups)) : null;
        _second = Add("block_2", new PlainResnet(channels, channels, groups));
    }

    internal Tensor Forward(Tensor x)
    {
        x = _first.Forward(x);
        return _second.Forward(_attention?.Forward(x) ?? x);
    }
}
