using Graft.Networks.UNet2DParts;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>
/// One number for an item: the logarithm of a density ratio. As a classifier's logit it tells two domains apart, clean or at a level of
/// noise; as a guidance network its gradient in x_t moves samples from one to the other (Ouyang et al. 2024). Architectures are our own:
/// everything is differentiable twice, since a gradient is trained.
/// </summary>
public abstract class RatioNetwork : Module
{
    private readonly TimestepEmbedding? _time;
    private readonly Embedding? _classes;
    private readonly long _embedding;

    private protected RatioNetwork(RatioNetworkOptions options)
    {
        Options = options;
        _embedding = options.HiddenChannels;
        _time = options.Timed ? Add("time_embedding", new TimestepEmbedding(_embedding, _embedding)) : null;
        _classes = options.NumClassEmbeds is { } classes ? Add("class_embedding", new Embedding(classes, _embedding)) : null;
    }

    /// <summary>The architecture.</summary>
    public RatioNetworkOptions Options { get; }

    /// <summary>Whether it is told t, a class, or both.</summary>
    private protected bool IsTold => _time is not null || _classes is not null;

    /// <summary>Builds the network of an item's shape; parameters are zero until they are initialised or loaded.</summary>
    /// <exception cref="InputException">An option is out of range.</exception>
    public static RatioNetwork Build(RatioNetworkOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate("that was asked for");
        return options.ItemSizes.Count switch
        {
            1 => new PointRatioNetwork(options),
            2 => new SequenceRatioNetwork(options),
            _ => new PictureRatioNetwork(options),
        };
    }

    /// <summary>log of the ratio for each item, [N].</summary>
    /// <param name="x">Items, [N, ...].</param>
    /// <param name="t">Time steps as a denoiser is told them, [N]; ignored by a network that is not told t.</param>
    /// <param name="labels">Class indices, int64 [N], or sets of labels, [N, classes] of zeros and ones, where it takes them.</param>
    /// <exception cref="InputException">It takes labels, and none were given.</exception>
    public Tensor LogRatio(Tensor x, Tensor? t, Tensor? labels)
    {
        ArgumentNullException.ThrowIfNull(x);
        Tensor? told = null;
        if (_time is not null)
        {
            ArgumentNullException.ThrowIfNull(t);
            var scaled = Options.TimestepScale == 1 ? t : t.To(DType.Float64) * Options.TimestepScale;
            told = _time.Forward(PositionalEmbedding.Of(scaled, _embedding, cosineFirst: true, shift: 0).To(x.Type));
        }

        if (_classes is not null)
        {
            var embedded = _classes.OfLabels(labels ?? throw new InputException("The ratio network is class-conditional: give class labels."), x.Type);
            told = told is null ? embedded : told + embedded;
        }

        return Forward(x, told is null ? null : Functional.Silu(told)).Reshape(x.Size(0));
    }

    /// <summary>[N, 1] of items and what the network was told, [N, hidden_channels] after its activation.</summary>
    private protected abstract Tensor Forward(Tensor x, Tensor? told);
}

/// <summary>A residual multilayer perceptron for points, [N, D].</summary>
internal sealed class PointRatioNetwork : RatioNetwork
{
    private readonly Linear _in;
    private readonly List<(Linear First, Linear? Told, Linear Second)> _blocks = [];
    private readonly Linear _out;

    internal PointRatioNetwork(RatioNetworkOptions options)
        : base(options)
    {
        long width = options.HiddenChannels;
        _in = Add("proj_in", new Linear(options.ItemSizes[0], width));
        for (var i = 0; i < options.Blocks; i++)
        {
            _blocks.Add((
                Add($"blocks.{i}.fc1", new Linear(width, width)),
                IsTold ? Add($"blocks.{i}.told_proj", new Linear(width, width)) : null,
                Add($"blocks.{i}.fc2", new Linear(width, width))));
        }

        _out = Add("proj_out", new Linear(width, 1));
    }

    /// <inheritdoc/>
    private protected override Tensor Forward(Tensor x, Tensor? told)
    {
        var h = _in.Forward(x);
        foreach (var (first, toldProjection, second) in _blocks)
        {
            var inner = first.Forward(Functional.Silu(h));
            if (toldProjection is not null)
                inner += toldProjection.Forward(told!);
            h += second.Forward(Functional.Silu(inner));
        }

        return _out.Forward(Functional.Silu(h));
    }
}

/// <summary>Residual convolutions with group norms for pictures, [N, C, H, W], and the mean over what is left of them.</summary>
internal sealed class PictureRatioNetwork : RatioNetwork
{
    /// <summary>Groups of the norms.</summary>
    internal const int Groups = 8;
    private readonly Conv2d _in;
    private readonly List<Block> _blocks = [];
    private readonly GroupNorm _norm;
    private readonly Linear _out;

    internal PictureRatioNetwork(RatioNetworkOptions options)
        : base(options)
    {
        long width = options.HiddenChannels;
        _in = Add("conv_in", new Conv2d(options.ItemSizes[0], width, 3, padding: 1));
        for (var i = 0; i < options.Blocks; i++)
        {
            var outputs = i == 0 ? width : width * 2;
            _blocks.Add(Add($"blocks.{i}", new Block(width, outputs, IsTold ? options.HiddenChannels : null, i == 0 ? 1 : 2)));
            width = outputs;
        }

        _norm = Add("norm_out", new GroupNorm(Groups, width));
        _out = Add("proj_out", new Linear(width, 1));
    }

    /// <inheritdoc/>
    private protected override Tensor Forward(Tensor x, Tensor? told)
    {
        var h = _in.Forward(x);
        foreach (var block in _blocks)
            h = block.Forward(h, told);
        return _out.Forward(Functional.Silu(_norm.Forward(h)).Mean([2, 3]));
    }

    /// <summary>Norm, SiLU, convolution, twice, beside a projection where the shape changes.</summary>
    private sealed class Block : Module
    {
        private readonly GroupNorm _norm1;
        private readonly Conv2d _conv1;
        private readonly Linear? _told;
        private readonly GroupNorm _norm2;
        private readonly Conv2d _conv2;
        private readonly Conv2d? _shortcut;

        internal Block(long inputs, long outputs, long? told, long stride)
        {
            _norm1 = Add("norm1", new GroupNorm(Groups, inputs));
            _conv1 = Add("conv1", new Conv2d(inputs, outputs, 3, stride: stride, padding: 1));
            _told = told is { } width ? Add("told_proj", new Linear(width, outputs)) : null;
            _norm2 = Add("norm2", new GroupNorm(Groups, outputs));
            _conv2 = Add("conv2", new Conv2d(outputs, outputs, 3, padding: 1));
            _shortcut = stride > 1 || inputs != outputs ? Add("shortcut", new Conv2d(inputs, outputs, 1, stride: stride)) : null;
        }

        internal Tensor Forward(Tensor x, Tensor? told)
        {
            var h = _conv1.Forward(Functional.Silu(_norm1.Forward(x)));
            if (_told is not null)
                h += _told.Forward(told!).Unsqueeze(2).Unsqueeze(3);
            h = _conv2.Forward(Functional.Silu(_norm2.Forward(h)));
            return h + (_shortcut?.Forward(x) ?? x);
        }
    }
}
