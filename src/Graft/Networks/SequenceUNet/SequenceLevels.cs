using Graft.Torch;

namespace Graft.Networks.SequenceUNetParts;

/// <summary>One level on the way down: residual blocks, and a halving of the positions.</summary>
internal sealed class SequenceDownLevel : Module
{
    private readonly List<SequenceResnet> _resnets = [];
    private readonly Conv1d? _downsample;

    internal SequenceDownLevel(long inputs, long outputs, bool last, SequenceUNetOptions options)
    {
        for (var j = 0; j < options.LayersPerBlock; j++)
            _resnets.Add(Add($"resnets.{j}", new SequenceResnet(j == 0 ? inputs : outputs, outputs, options)));
        _downsample = last ? null : Add("downsamplers.0.conv", new Conv1d(outputs, outputs, 3, stride: 2));
    }

    /// <summary>Appends what the way up needs to <paramref name="skips"/>.</summary>
    internal Tensor Forward(Tensor x, Tensor time, Stack<Tensor> skips)
    {
        using var region = OperatorProfile.Region(this);
        foreach (var resnet in _resnets)
            skips.Push(x = resnet.Forward(x, time));
        if (_downsample is null)
            return x;
        skips.Push(x = Recomputation.Of(given => _downsample.Forward(given[0]), x));
        return x;
    }
}

/// <summary>The middle: residual block, transformer layers, residual block.</summary>
internal sealed class SequenceMiddle : Module
{
    private readonly SequenceResnet _first;
    private readonly List<RotaryLayer> _layers = [];
    private readonly SequenceResnet _second;

    internal SequenceMiddle(long channels, SequenceUNetOptions options)
    {
        _first = Add("resnets.0", new SequenceResnet(channels, channels, options));
        for (var i = 0; i < options.TransformerLayers; i++)
            _layers.Add(Add($"layers.{i}", new RotaryLayer(channels, channels / options.AttentionHeadDim, options.RotaryBase)));
        _second = Add("resnets.1", new SequenceResnet(channels, channels, options));
    }

    internal Tensor Forward(Tensor x, Tensor time)
    {
        using var region = OperatorProfile.Region(this);
        x = _first.Forward(x, time);
        if (_layers.Count > 0)
        {
            var tokens = x.Transpose(1, 2);
            foreach (var layer in _layers)
                tokens = layer.Forward(tokens);
            x = tokens.Transpose(1, 2).Contiguous();
        }

        return _second.Forward(x, time);
    }
}

/// <summary>One level on the way up: each residual block also takes what the way down left at this resolution.</summary>
internal sealed class SequenceUpLevel : Module
{
    private readonly List<SequenceResnet> _resnets = [];
    private readonly Conv1d? _upsample;

    /// <param name="previous">Channels that come from below.</param>
    /// <param name="outputs">The level's channels.</param>
    /// <param name="above">Channels of the level above, of which the last block takes what the way down left.</param>
    /// <param name="last">Whether it is the first level of the network.</param>
    /// <param name="options">The network's.</param>
    internal SequenceUpLevel(long previous, long outputs, long above, bool last, SequenceUNetOptions options)
    {
        for (var j = 0; j <= options.LayersPerBlock; j++)
        {
            var inputs = (j == 0 ? previous : outputs) + (j == options.LayersPerBlock ? above : outputs);
            _resnets.Add(Add($"resnets.{j}", new SequenceResnet(inputs, outputs, options)));
        }

        _upsample = last ? null : Add("upsamplers.0.conv", new Conv1d(outputs, outputs, 3));
    }

    internal Tensor Forward(Tensor x, Tensor time, Stack<Tensor> skips)
    {
        using var region = OperatorProfile.Region(this);
        foreach (var resnet in _resnets)
            x = resnet.Forward(x, time, skips.Pop());
        return _upsample is null ? x : Recomputation.Of(given => _upsample.Forward(Doubled(given[0])), x);
    }

    /// <summary>Every position twice, [N, C, L] to [N, C, 2L].</summary>
    private static Tensor Doubled(Tensor x)
    {
        long n = x.Size(0), channels = x.Size(1), length = x.Size(2);
        return x.Unsqueeze(3).Expand(n, channels, length, 2).Reshape(n, channels, 2 * length);
    }
}

/// <summary>Norm, SiLU, convolution, plus the time; norm, SiLU, convolution (which begins at zero); beside a 1 x 1 convolution where channels change.</summary>
internal sealed class SequenceResnet : Module
{
    private readonly GroupNorm _norm1;
    private readonly Conv1d _conv1;
    private readonly Linear _time;
    private readonly GroupNorm _norm2;
    private readonly Conv1d _conv2;
    private readonly Conv1d? _shortcut;

    internal SequenceResnet(long inputs, long outputs, SequenceUNetOptions options)
    {
        _norm1 = Add("norm1", new GroupNorm(options.NormNumGroups, inputs));
        _conv1 = Add("conv1", new Conv1d(inputs, outputs, options.KernelSize));
        _time = Add("time_emb_proj", new Linear(options.EmbeddingWidth, outputs));
        _norm2 = Add("norm2", new GroupNorm(options.NormNumGroups, outputs));
        _conv2 = Add("conv2", new Conv1d(outputs, outputs, options.KernelSize, startsAtZero: true));
        _shortcut = inputs == outputs ? null : Add("conv_shortcut", new Conv1d(inputs, outputs, 1));
    }

    /// <param name="x">[N, in, L].</param>
    /// <param name="time">SiLU of the embedding of step and labels, [N, D].</param>
    /// <param name="skip">More channels of the input.</param>
    /// <returns>[N, out, L].</returns>
    internal Tensor Forward(Tensor x, Tensor time, Tensor? skip = null) => skip is null
        ? Recomputation.Of(given => Compute(given[0], given[1]), x, time)
        : Recomputation.Of(given => TensorScope.Of(() => Compute(Tensor.Cat([given[0], given[2]], 1), given[1])), x, time, skip);

    private Tensor Compute(Tensor x, Tensor time) => TensorScope.Of(() =>
    {
        using var region = OperatorProfile.Region(this);
        var h = _conv1.Forward(Functional.Silu(_norm1.Forward(x)));
        h = _conv2.Forward(Functional.Silu(_norm2.Forward(h + _time.Forward(time).Unsqueeze(2))));
        return h + (_shortcut?.Forward(x) ?? x);
    });
}
