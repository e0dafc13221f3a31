using Graft.Networks.EncoderUNetParts;
using Graft.Networks.UNet2DParts;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>
/// guided-diffusion's <c>EncoderUNetModel</c> (Dhariwal and Nichol 2021, section 4): a classifier of noised pictures, which is the way down
/// and the middle of a <see cref="UNet2D"/>, and a pool. Parameters have the names of <see cref="UNet2D"/>; the pool's are openai's.
/// </summary>
public sealed class EncoderUNet : Module
{
    private readonly TimestepEmbedding _timeEmbedding;
    private readonly Conv2d _convIn;
    private readonly List<DownLevel> _down = [];
    private readonly MiddleLevel _middle;
    private readonly Pool _pool;

    /// <summary>Builds the network; parameters are zero until they are initialised or loaded.</summary>
    public EncoderUNet(EncoderUNetOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Options = options;
        var body = options.Body;
        var channels = body.BlockOutChannels;
        var levels = channels.Length;
        _timeEmbedding = Add("time_embedding", new TimestepEmbedding(body.TimeChannels, body.TimeWidth));
        _convIn = Add("conv_in", new Conv2d(body.InChannels, channels[0], 3, padding: 1));
        for (var i = 0; i < levels; i++)
            _down.Add(Add($"down_blocks.{i}", new DownLevel(body.DownBlockTypes[i], channels[Math.Max(0, i - 1)], channels[i], body.TimeWidth, i == levels - 1, body)));
        _middle = Add("mid_block", new MiddleLevel(channels[^1], body.TimeWidth, attentionNorm: true, body));
        // What the spatial pools see: the first convolution, each residual block and each halving, and the middle.
        var features = channels[0] + channels.Sum(c => c * body.LayersPerBlock) + channels[..^1].Sum() + channels[^1];
        _pool = Add("out", Pool.Of(options, features));
    }

    /// <summary>What it is made of.</summary>
    public EncoderUNetOptions Options { get; }

    /// <summary>Logits of the classes of noised pictures.</summary>
    /// <param name="x">Noised pictures x_t, [N, C, H, W].</param>
    /// <param name="t">Time steps of the training schedule, int64 or float [N].</param>
    /// <returns>[N, classes].</returns>
    public Tensor Forward(Tensor x, Tensor t)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(t);
        var body = Options.Body;
        var scaled = body.TimestepScale == 1 ? t : t.To(DType.Float32) * body.TimestepScale;
        var time = Activation.Named(body.ActFn)(
            _timeEmbedding.Forward(PositionalEmbedding.Of(scaled, body.TimeChannels, body.FlipSinToCos, body.FreqShift).To(x.Type)));
        var skips = new Skips();
        var h = _convIn.Forward(x);
        skips.Push(h);
        foreach (var level in _down)
            h = level.Forward(h, time, skips);
        return _pool.Forward(_middle.Forward(h, time), skips.Made);
    }

    /// <summary>What guides a sampler to classes (Dhariwal and Nichol 2021, section 4.1): scale · ∇_x log p(y | x_t).</summary>
    /// <param name="x">Noised pictures x_t, [N, C, H, W].</param>
    /// <param name="t">Time steps, int64 or float [N].</param>
    /// <param name="labels">Classes, int64 [N].</param>
    /// <param name="scale">How strongly.</param>
    /// <returns>[N, C, H, W], without a graph.</returns>
    public Tensor Guidance(Tensor x, Tensor t, Tensor labels, double scale = 1)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(labels);
        return TensorScope.Of(() =>
        {
            using var mode = Autograd.WithGrad();
            var input = x.Detach();
            input.RequiresGrad = true;
            var chosen = Functional.LogSoftmax(Forward(input, t), -1).Gather(1, labels.Unsqueeze(1)).Sum();
            return Autograd.Gradients(chosen, [input])[0] * scale;
        }).Detach();
    }
}
