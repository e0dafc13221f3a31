using Graft.Diffusion;
using Graft.Networks.SequenceUNetParts;
using Graft.Networks.UNet2DParts;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>
/// A U-Net for recordings [N, leads, samples] and sets of labels: one-dimensional residual blocks, and in the middle, where every position
/// sees every other, transformer layers that know how far apart two positions are (rotary embedding, Su et al. 2021). The
/// architecture is our own; its parts have diffusers' names.
/// </summary>
public sealed class SequenceUNet : DenoisingNetwork
{
    private readonly Conv1d _in;
    private readonly TimestepEmbedding _time;
    private readonly Embedding? _labels;
    private readonly List<SequenceDownLevel> _down = [];
    private readonly SequenceMiddle _middle;
    private readonly List<SequenceUpLevel> _up = [];
    private readonly GroupNorm _norm;
    private readonly Conv1d _out;

    /// <summary>Builds the network; parameters are zero until they are initialised or loaded.</summary>
    public SequenceUNet(SequenceUNetOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Options = options;
        var widths = options.BlockOutChannels;
        long folded = (long)options.InChannels * options.PatchSize;
        _in = Add("conv_in", new Conv1d(folded, widths[0], options.KernelSize));
        _time = Add("time_embedding", new TimestepEmbedding(widths[0], options.EmbeddingWidth));
        _labels = options.LabelEmbedClasses > 0 ? Add("class_embedding", new Embedding(options.LabelEmbedClasses, options.EmbeddingWidth)) : null;
        for (var i = 0; i < widths.Count; i++)
            _down.Add(Add($"down_blocks.{i}", new SequenceDownLevel(widths[Math.Max(i - 1, 0)], widths[i], i == widths.Count - 1, options)));
        _middle = Add("mid_block", new SequenceMiddle(widths[^1], options));
        for (var i = widths.Count - 1; i >= 0; i--)
            _up.Add(Add($"up_blocks.{widths.Count - 1 - i}", new SequenceUpLevel(widths[Math.Min(i + 1, widths.Count - 1)], widths[i], widths[Math.Max(i - 1, 0)], i == 0, options)));
        _norm = Add("conv_norm_out", new GroupNorm(options.NormNumGroups, widths[0]));
        _out = Add("conv_out", new Conv1d(widths[0], folded, options.KernelSize, startsAtZero: true));
    }

    /// <inheritdoc/>
    public override SequenceUNetOptions Options { get; }

    /// <inheritdoc/>
    internal override bool HasBlocks => true;

    /// <summary>The prediction for recordings x_t.</summary>
    /// <param name="x">[N, leads, samples], a multiple of the options' <see cref="SequenceUNetOptions.Shortening"/> samples.</param>
    /// <param name="t">Time steps, int64 [N].</param>
    /// <param name="condition">Sets of labels, float [N, classes] of zeros and ones; or one class each, int64 [N].</param>
    /// <returns>[N, leads, samples].</returns>
    /// <exception cref="InputException">The network takes labels and none were given, or the recordings have another shape than it can take.</exception>
    public override Tensor Predict(Tensor x, Tensor t, Condition? condition = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(t);
        if (x.Dims != 3 || x.Size(1) != Options.InChannels || x.Size(2) % Options.Shortening != 0)
            throw new InputException($"The network takes recordings [N, {Options.InChannels}, a multiple of {Options.Shortening}]: these are {x}.");
        var type = x.Type;
        var time = Recomputation.Of(given => TimeOf(given[0], condition, type), t);
        var h = Recomputation.Of(given => _in.Forward(Folded(given[0])), x);
        var skips = new Stack<Tensor>([h]);
        foreach (var level in _down)
            h = level.Forward(h, time, skips);
        h = _middle.Forward(h, time);
        foreach (var level in _up)
            h = level.Forward(h, time, skips);
        return Unfolded(_out.Forward(Functional.Silu(_norm.Forward(h))));
    }

    /// <summary>SiLU of the embedding of step and labels, [N, D].</summary>
    private Tensor TimeOf(Tensor t, Condition? condition, DType type)
    {
        var time = _time.Forward(PositionalEmbedding.Of(t, Options.BlockOutChannels[0], cosineFirst: true, shift: 0).To(type));
        if (_labels is not null)
            time += _labels.OfLabels(condition?.ClassLabels ?? throw new InputException("The network is conditioned on labels: give some (none at all is a row of zeros)."), type);
        return Functional.Silu(time);
    }

    /// <summary>[N, C, L] to [N, C·p, L/p]: the samples of a patch become channels.</summary>
    private Tensor Folded(Tensor x)
    {
        long n = x.Size(0), channels = x.Size(1), patch = Options.PatchSize, positions = x.Size(2) / patch;
        return x.Reshape(n, channels, positions, patch).Transpose(2, 3).Reshape(n, channels * patch, positions);
    }

    /// <summary>[N, C·p, L/p] to [N, C, L].</summary>
    private Tensor Unfolded(Tensor x)
    {
        long n = x.Size(0), channels = Options.InChannels, patch = Options.PatchSize, positions = x.Size(2);
        return x.Reshape(n, channels, patch, positions).Transpose(2, 3).Reshape(n, channels, positions * patch);
    }
}
