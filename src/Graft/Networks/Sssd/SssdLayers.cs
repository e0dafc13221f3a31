using Graft.Torch;

namespace Graft.Networks.SssdParts;

/// <summary>A convolution of sequences that keeps their length, its weight given as direction and norm (Salimans and Kingma 2016).</summary>
internal sealed class NormedConv1d : Module
{
    private readonly long _padding;
    private Tensor _bias;
    private Tensor _norm;
    private Tensor _direction;

    /// <param name="inputs">Channels in.</param>
    /// <param name="outputs">Channels out.</param>
    /// <param name="kernel">Odd.</param>
    internal NormedConv1d(long inputs, long outputs, long kernel)
    {
        _padding = kernel / 2;
        _bias = AddParameter("bias", outputs);
        _norm = AddParameter("weight_g", outputs, 1, 1);
        _direction = AddParameter("weight_v", outputs, inputs, kernel);
    }

    internal Tensor Forward(Tensor x)
    {
        using var region = OperatorProfile.Region(this);
        return Functional.Conv1d(x, _direction * (_norm / LengthOf(_direction)), _bias, padding: _padding);
    }

    /// <inheritdoc/>
    protected override void Reset(Initialiser initialiser)
    {
        initialiser.Uniform(_direction, "weight_v", 1 / Math.Sqrt(_direction.Size(1) * _direction.Size(2)));
        initialiser.Uniform(_bias, "bias", 1 / Math.Sqrt(_direction.Size(1) * _direction.Size(2)));
        using var scope = new TensorScope();
        _norm.CopyFrom(LengthOf(_direction));
    }

    /// <inheritdoc/>
    protected override void OnReplaced(Tensor old, Tensor replacement)
    {
        _bias = old == _bias ? replacement : _bias;
        _norm = old == _norm ? replacement : _norm;
        _direction = old == _direction ? replacement : _direction;
    }

    private static Tensor LengthOf(Tensor direction) => direction.Square().Sum([1, 2], keepDims: true).Sqrt();
}

/// <summary>norm(x + S4(x)) over channels.</summary>
internal sealed class S4Layer : Module
{
    private readonly S4 _s4;
    private readonly LayerNorm? _norm;

    internal S4Layer(long channels, SssdDenoiserOptions options)
    {
        _s4 = Add("s4_layer", new S4(channels, options.S4DState, options.S4Lmax, options.S4Bidirectional, S4Kernel.Room / (2L * options.NumResLayers)));
        _norm = options.S4Layernorm ? Add("norm_layer", new LayerNorm(channels)) : null;
    }

    internal Tensor Forward(Tensor x) => TensorScope.Of(() =>
    {
        var y = TensorScope.Of(() => _s4.Forward(x) + x);
        return _norm is null ? y : _norm.Forward(y.Transpose(1, 2)).Transpose(1, 2).Contiguous(); // what follows is faster in row-major order
    });
}

/// <summary>A residual block: the step is added, a convolution doubles the channels, two S4 layers, the label between them, a gate.</summary>
internal sealed class SssdBlock : Module
{
    private readonly Linear _step;
    private readonly NormedConv1d _conv;
    private readonly S4Layer _first;
    private readonly S4Layer _second;
    private readonly Linear? _label;
    private readonly NormedConv1d _residual;
    private readonly NormedConv1d _skip;

    internal SssdBlock(SssdDenoiserOptions options)
    {
        var channels = options.ResChannels;
        _step = Add("fc_t", new Linear(options.DiffusionStepEmbedDimOut, channels));
        _first = Add("S41", new S4Layer(2 * channels, options));
        _conv = Add("conv_layer.conv", new NormedConv1d(channels, 2 * channels, 3));
        _second = Add("S42", new S4Layer(2 * channels, options));
        _residual = Add("res_conv", new NormedConv1d(channels, channels, 1));
        _skip = Add("skip_conv", new NormedConv1d(channels, options.SkipChannels, 1));
        _label = options.LabelEmbedClasses > 0 ? Add("fc_label", new Linear(options.LabelEmbedDim, 2 * channels)) : null;
    }

    /// <summary>x [N, C, L] to the next block's, and to what goes past all others.</summary>
    internal (Tensor Next, Tensor Skip) Forward(Tensor x, Tensor step, Tensor? label)
    {
        var both = Recomputation.Of(given => Compute(given[0], given[1], label is null ? null : given[2]), label is null ? [x, step] : [x, step, label]);
        return (both[0], both[1]);
    }

    private Tensor[] Compute(Tensor x, Tensor step, Tensor? label)
    {
        using var region = OperatorProfile.Region(this);
        using var scope = new TensorScope();
        var gated = TensorScope.Of(() =>
        {
            var h = TensorScope.Of(() => _first.Forward(_conv.Forward(x + _step.Forward(step).Unsqueeze(2))));
            var halves = TensorScope.Of(() => _second.Forward(_label is null ? h : h + _label.Forward(label!).Unsqueeze(2))).Chunk(2, 1);
            return Functional.Tanh(halves[0]) * Functional.Sigmoid(halves[1]);
        });
        return [((x + _residual.Forward(gated)) * Math.Sqrt(0.5)).MoveToOuter(), _skip.Forward(gated).MoveToOuter()];
    }
}
