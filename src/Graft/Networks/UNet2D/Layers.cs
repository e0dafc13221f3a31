using Graft.Networks.Transformers;
using Graft.Torch;

namespace Graft.Networks.UNet2DParts;

/// <summary>Activations by diffusers' names.</summary>
internal static class Activation
{
    internal static bool IsSilu(string name) => name is "silu" or "swish";

    internal static Func<Tensor, Tensor> Named(string name) => name switch
    {
        "silu" or "swish" => Functional.Silu,
        "mish" => Functional.Mish,
        "gelu" => Functional.Gelu,
        "relu" => Functional.Relu,
        _ => throw new InputException($"The activation '{name}' is unknown: silu, swish, mish, gelu and relu are known."),
    };
}

/// <summary>Two linear layers with SiLU between: <c>TimestepEmbedding</c>.</summary>
internal sealed class TimestepEmbedding : Module
{
    private readonly Linear _first;
    private readonly Linear _second;

    internal TimestepEmbedding(long inputs, long width)
    {
        _first = Add("linear_1", new Linear(inputs, width));
        _second = Add("linear_2", new Linear(width, width));
    }

    internal Tensor Forward(Tensor x)
    {
        using var region = OperatorProfile.Region(this);
        return _second.Forward(Functional.Silu(_first.Forward(x)));
    }
}

/// <summary>Random Fourier features of log t (Song et al. 2021, score SDE); the weight is drawn once and not trained.</summary>
internal sealed class FourierProjection : Module
{
    private const double Scale = 16;
    private Tensor _weight;

    internal FourierProjection(long size) => _weight = AddParameter("weight", size);

    internal Tensor Forward(Tensor t)
    {
        var angle = t.Log().Unsqueeze(1) * _weight.Unsqueeze(0) * (2 * Math.PI);
        return Tensor.Cat([angle.Sin(), angle.Cos()], 1);
    }

    protected override void Reset(Initialiser initialiser) => initialiser.Normal(_weight, "weight", Scale);

    protected override void OnReplaced(Tensor old, Tensor replacement) => _weight = replacement;
}

/// <summary>
/// Stride-2 convolution; padding 0 pads right and bottom by one (as TensorFlow's "same", which the first DDPM used).
/// Without convolution, the mean over windows of 2 x 2.
/// </summary>
internal sealed class Downsample : Module
{
    private readonly Conv2d? _conv;
    private readonly bool _asymmetric;

    internal Downsample(long channels, long padding, bool convolve)
    {
        _asymmetric = padding == 0;
        _conv = convolve ? Add("conv", new Conv2d(channels, channels, 3, stride: 2, padding: padding)) : null;
    }

    internal Tensor Forward(Tensor x) =>
        _conv?.Forward(_asymmetric ? x.Pad([0, 1, 0, 1]) : x) ?? Functional.AveragePool(x, 2);
}

/// <summary>Nearest-neighbour doubling, then a convolution, if there is to be one.</summary>
internal sealed class Upsample : Module
{
    private readonly Conv2d? _conv;

    internal Upsample(long channels, bool convolve) => _conv = convolve ? Add("conv", new Conv2d(channels, channels, 3, padding: 1)) : null;

    internal Tensor Forward(Tensor x) => TensorScope.Of(() => _conv?.ForwardDoubled(x) ?? Functional.UpsampleNearest(x, x.Size(2) * 2, x.Size(3) * 2));
}

/// <summary>Which way a residual block changes the resolution.</summary>
internal enum Resampling
{
    None,
    Down,
    Up,
}

/// <summary>Something small beside a residual block that stays frozen: its output is added to the block's.</summary>
internal interface IBlockBranch
{
    /// <summary>What is added, of the shape of the block's output.</summary>
    /// <param name="x">The block's input, [N, C, H, W].</param>
    /// <param name="timeEmbedding">The embedding of t (and of the class) after its activation, [N, D].</param>
    Tensor Forward(Tensor x, Tensor timeEmbedding);
}

/// <summary>Something behind a residual block that stays frozen: it takes the block's output.</summary>
internal interface IBlockSuffix
{
    /// <summary>What it looks at beside the block's output in this pass, as a condition; null: nothing.</summary>
    Tensor? Beside { get; }

    /// <summary>What goes on in place of the block's output, of its shape.</summary>
    /// <param name="x">The block's output, [N, C, H, W].</param>
    /// <param name="beside">What <see cref="Beside"/> was when the pass began.</param>
    Tensor Forward(Tensor x, Tensor? beside);
}

/// <summary><c>ResnetBlock2D</c>.</summary>
internal sealed class ResnetBlock : Module
{
    private readonly GroupNorm _norm1;
    private readonly Conv2d _conv1;
    private readonly Linear _timeProjection;
    private readonly GroupNorm _norm2;
    private readonly Dropout _dropout;
    private readonly Conv2d _conv2;
    private readonly Conv2d? _shortcut;
    private readonly bool _scaleShift;
    private readonly double _outputScale;
    private readonly Resampling _resampling;
    private readonly Func<Tensor, Tensor> _activation;
    private readonly bool _isSilu;

    internal ResnetBlock(
        long inputs, long outputs, long timeWidth, UNet2DOptions options, double outputScale = 1, Resampling resampling = Resampling.None)
    {
        _scaleShift = options.ResnetTimeScaleShift == "scale_shift";
        _outputScale = outputScale;
        _resampling = resampling;
        _activation = Activation.Named(options.ActFn);
        _isSilu = Activation.IsSilu(options.ActFn);
        _norm1 = Add("norm1", new GroupNorm(options.NormNumGroups, inputs, options.NormEps));
        _conv1 = Add("conv1", new Conv2d(inputs, outputs, 3, padding: 1));
        _timeProjection = Add("time_emb_proj", new Linear(timeWidth, _scaleShift ? outputs * 2 : outputs));
        _norm2 = Add("norm2", new GroupNorm(options.NormNumGroups, outputs, options.NormEps));
        _dropout = Add("dropout", new Dropout(options.Dropout));
        _conv2 = Add("conv2", new Conv2d(outputs, outputs, 3, padding: 1));
        _shortcut = inputs == outputs ? null : Add("conv_shortcut", new Conv2d(inputs, outputs, 1));
    }

    /// <summary>Added to the output; it is not one of the block's children.</summary>
    internal IBlockBranch? Side { get; set; }

    /// <summary>Takes the output; it is not one of the block's children.</summary>
    internal IBlockSuffix? After { get; set; }

    internal long InChannels => _conv1.Weight.Size(1);

    internal long OutChannels => _conv1.Weight.Size(0);

    internal long TimeWidth => _timeProjection.Weight.Size(1);

    internal bool KeepsResolution => _resampling == Resampling.None;

    /// <summary>In a scope of its own: what gradients do not need is freed at once, not at the end of the pass.</summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="timeEmbedding">After its activation, [N, D].</param>
    /// <param name="skip">More channels of the input, [N, C', H, W].</param>
    internal Tensor Forward(Tensor x, Tensor timeEmbedding, Tensor? skip = null)
    {
        var beside = After?.Beside;
        return Recomputation.Of(
            given => TensorScope.Of(() =>
            {
                var time = given[1];
                var whole = skip is null ? given[0] : Tensor.Cat([given[0], given[2]], 1);
                var y = TensorScope.Of(() => Side is null ? Compute(whole, time) : Compute(whole, time) + Side.Forward(whole, time));
                return After is null ? y : After.Forward(y, beside is null ? null : given[^1]);
            }),
            [x, timeEmbedding, .. Given(skip), .. Given(beside)]);

        static Tensor[] Given(Tensor? tensor) => tensor is null ? [] : [tensor];
    }

    private Tensor Compute(Tensor x, Tensor timeEmbedding)
    {
        Tensor h;
        if (_isSilu && KeepsResolution)
        {
            h = Functional.NormSiluConv3x3(x, _norm1, _conv1);
        }
        else
        {
            h = _activation(_norm1.Forward(x));
            (x, h) = (Resample(x), Resample(h));
            h = _conv1.Forward(h);
        }

        var time = _timeProjection.Forward(timeEmbedding);
        if (_shortcut is not null)
            x = _shortcut.Forward(x);
        var y = _isSilu && !_dropout.IsActive ? SecondHalf(h, time, x) : x + SecondHalf(h, time);
        return _outputScale == 1 ? y : y * (1 / _outputScale);
    }

    private Tensor SecondHalf(Tensor h, Tensor time, Tensor x)
    {
        if (!_scaleShift)
            return Functional.NormSiluConv3x3(h, _norm2, _conv2, shift: time, residual: x);
        var parts = time.Chunk(2, 1);
        return Functional.NormSiluConv3x3(h, _norm2, _conv2, scale: parts[0], offset: parts[1], residual: x);
    }

    private Tensor SecondHalf(Tensor h, Tensor time)
    {
        time = time.Unsqueeze(-1).Unsqueeze(-1);
        if (_scaleShift)
        {
            var parts = time.Chunk(2, 1);
            h = (_norm2.Forward(h) * (parts[0] + 1.0)) + parts[1];
        }
        else
        {
            h = _norm2.Forward(h + time);
        }

        return _conv2.Forward(_dropout.Forward(_activation(h)));
    }

    private Tensor Resample(Tensor x) => _resampling switch
    {
        Resampling.Down => Functional.AveragePool(x, 2),
        Resampling.Up => Functional.UpsampleNearest(x, x.Size(2) * 2, x.Size(3) * 2),
        _ => x,
    };
}

/// <summary>Self-attention over positions, with its residual connection: <c>Attention</c>, formerly <c>AttentionBlock</c>.</summary>
internal sealed class SpatialAttention : FeatureAttention
{
    private readonly GroupNorm? _norm;
    private readonly Linear _query;
    private readonly Linear _key;
    private readonly Linear _value;
    private readonly Linear _output;
    private readonly long _heads;
    private readonly double _outputScale;

    internal SpatialAttention(long channels, long heads, long? groups, double epsilon, double outputScale)
    {
        _heads = heads;
        _outputScale = outputScale;
        _norm = groups is null ? null : Add("group_norm", new GroupNorm(groups.Value, channels, epsilon));
        _query = Add("to_q", new Linear(channels, channels));
        _key = Add("to_k", new Linear(channels, channels));
        _value = Add("to_v", new Linear(channels, channels));
        _output = Add("to_out.0", new Linear(channels, channels));
    }

    /// <inheritdoc/>
    private protected override Tensor Compute(Tensor x, Tensor? context) => Compute(x);

    private Tensor Compute(Tensor x)
    {
        var c = x.Size(1);
        // As 1 x 1 convolutions of the map as it lies: linear layers would want every position's channels side by side.
        var qkv = JointProjection.Of(_norm?.Forward(x) ?? x, _query, _key, _value);
        var mixed = Functional.SelfAttention(qkv, _heads, 1 / Math.Sqrt((double)c / _heads));
        var y = Functional.Conv1x1(mixed, _output.WholeWeight.Reshape(c, c, 1, 1), _output.Bias, x);
        return _outputScale == 1 ? y : y * (1 / _outputScale);
    }
}
