using Graft.Networks.UNet2DParts;
using Graft.Torch;

namespace Graft.Transfer.AdapterParts;

/// <summary>
/// A narrow path beside a residual block: group norm, 3x3 convolution down to d channels, the time embedding added, SiLU, and a 1x1
/// convolution up that starts at zero.
/// </summary>
internal sealed class Bottleneck : Module, IBlockBranch
{
    private readonly GroupNorm _norm;
    private readonly Conv2d _down;
    private readonly Linear _time;
    private readonly Conv2d _up;

    internal Bottleneck(ResnetBlock block, long width)
    {
        // In place of a fixed number of groups, which may not divide what a skip connection adds up to.
        _norm = Add("norm", new GroupNorm(1, block.InChannels));
        _down = Add("down", new Conv2d(block.InChannels, width, 3, padding: 1));
        _time = Add("time_emb_proj", new Linear(block.TimeWidth, width));
        _up = Add("up", new Conv2d(width, block.OutChannels, 1));
    }

    /// <inheritdoc/>
    public Tensor Forward(Tensor x, Tensor timeEmbedding)
    {
        var time = _time.Forward(timeEmbedding).Unsqueeze(-1).Unsqueeze(-1);
        return _up.Forward(Functional.Silu(_down.Forward(_norm.Forward(x)) + time));
    }

    /// <summary>The first pass computes what the frozen block does.</summary>
    internal void ClearOutput()
    {
        _up.Weight.Fill(0);
        _up.Bias!.Fill(0);
    }
}
