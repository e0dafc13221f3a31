using Graft.Diffusion;
using Graft.Networks.UNet2DParts;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>
/// A residual multilayer perceptron for points [N, D]: a linear layer in, blocks h + fc2(SiLU(fc1(SiLU(h)) + time)), a linear layer out.
/// Time is embedded as in the U-Net, classes are added to it. The architecture is our own.
/// </summary>
public sealed class PointDenoiser : DenoisingNetwork
{
    private readonly Linear _in;
    private readonly TimestepEmbedding _time;
    private readonly Embedding? _classes;
    private readonly List<ResidualBlock> _blocks = [];
    private readonly Linear _out;

    /// <summary>Builds the network; parameters are zero until they are initialised or loaded.</summary>
    public PointDenoiser(PointDenoiserOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Options = options;
        long width = options.HiddenChannels;
        _in = Add("proj_in", new Linear(options.Dimensions, width));
        _time = Add("time_embedding", new TimestepEmbedding(options.TimeEmbeddingChannels, width));
        _classes = options.NumClassEmbeds is { } classes ? Add("class_embedding", new Embedding(classes, width)) : null;
        for (var i = 0; i < options.Blocks; i++)
            _blocks.Add(Add($"blocks.{i}", new ResidualBlock(width)));
        _out = Add("proj_out", new Linear(width, options.Dimensions));
    }

    /// <inheritdoc/>
    public override PointDenoiserOptions Options { get; }

    /// <summary>The prediction for points x_t.</summary>
    /// <param name="x">Points, [N, D].</param>
    /// <param name="t">Time steps, int64 [N]; in continuous time t itself, float64 [N].</param>
    /// <param name="condition">Class labels, where the network takes them.</param>
    /// <returns>[N, D].</returns>
    /// <exception cref="InputException">The network is class-conditional and no labels were given.</exception>
    public override Tensor Predict(Tensor x, Tensor t, Condition? condition = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(t);
        var scaled = Options.TimestepScale == 1 ? t : t.To(DType.Float64) * Options.TimestepScale;
        var time = _time.Forward(PositionalEmbedding.Of(scaled, Options.TimeEmbeddingChannels, cosineFirst: true, shift: 0).To(x.Type));
        if (_classes is not null)
            time += _classes.Forward(condition?.ClassLabels ?? throw new InputException("The network is class-conditional: give class labels."));
        time = Functional.Silu(time);
        var h = _in.Forward(x);
        foreach (var block in _blocks)
            h = block.Forward(h, time);
        return _out.Forward(Functional.Silu(h));
    }

    /// <summary>h + fc2(SiLU(fc1(SiLU(h)) + time_proj(time))).</summary>
    private sealed class ResidualBlock : Module
    {
        private readonly Linear _first;
        private readonly Linear _second;
        private readonly Linear _time;

        internal ResidualBlock(long width)
        {
            _first = Add("fc1", new Linear(width, width));
            _time = Add("time_proj", new Linear(width, width));
            _second = Add("fc2", new Linear(width, width));
        }

        internal Tensor Forward(Tensor h, Tensor time)
        {
            using var region = OperatorProfile.Region(this);
            return h + _second.Forward(Functional.Silu(_first.Forward(Functional.Silu(h)) + _time.Forward(time)));
        }
    }
}
