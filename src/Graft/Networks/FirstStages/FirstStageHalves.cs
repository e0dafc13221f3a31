using Graft.Torch;

namespace Graft.Networks.FirstStageParts;

/// <summary><c>Encoder</c>: pictures to what the codebook's vectors stand for.</summary>
internal sealed class PictureEncoder : Module
{
    private readonly Conv2d _in;
    private readonly List<PlainLevel> _levels = [];
    private readonly PlainMiddle _middle;
    private readonly GroupNorm _norm;
    private readonly Conv2d _out;

    internal PictureEncoder(VqAutoencoderOptions options)
    {
        var (channels, groups) = (options.BlockOutChannels, options.NormNumGroups);
        _in = Add("conv_in", new Conv2d(options.InChannels, channels[0], 3, padding: 1));
        for (var i = 0; i < channels.Length; i++)
        {
            _levels.Add(Add($"down.{i}", new PlainLevel(
                channels[Math.Max(0, i - 1)], channels[i], options.LayersPerBlock, options.AttentionLevels.Contains(i), down: i < channels.Length - 1, up: false, groups)));
        }

        _middle = Add("mid", new PlainMiddle(channels[^1], options.MidBlockAddAttention, groups));
        _norm = Add("norm_out", new GroupNorm(groups, channels[^1], Norms.Epsilon));
        _out = Add("conv_out", new Conv2d(channels[^1], options.LatentChannels, 3, padding: 1));
    }

    internal Tensor Forward(Tensor x)
    {
        var h = _in.Forward(x);
        foreach (var level in _levels)
            h = level.Forward(h);
        return Functional.NormSiluConv3x3(_middle.Forward(h), _norm, _out);
    }
}

/// <summary><c>Decoder</c>: back to pictures. Its levels are numbered as the encoder's, so it begins with the last.</summary>
internal sealed class PictureDecoder : Module
{
    private readonly Conv2d _in;
    private readonly PlainMiddle _middle;
    private readonly PlainLevel[] _levels;
    private readonly GroupNorm _norm;
    private readonly Conv2d _out;

    internal PictureDecoder(VqAutoencoderOptions options)
    {
        var (channels, groups) = (options.BlockOutChannels, options.NormNumGroups);
        _in = Add("conv_in", new Conv2d(options.LatentChannels, channels[^1], 3, padding: 1));
        _middle = Add("mid", new PlainMiddle(channels[^1], options.MidBlockAddAttention, groups));
        _levels = new PlainLevel[channels.Length];
        for (var i = 0; i < channels.Length; i++)
        {
            _levels[i] = Add($"up.{i}", new PlainLevel(
                channels[Math.Min(channels.Length - 1, i + 1)], channels[i], options.LayersPerBlock + 1, options.AttentionLevels.Contains(i), down: false, up: i > 0, groups));
        }

        _norm = Add("norm_out", new GroupNorm(groups, channels[0], Norms.Epsilon));
        _out = Add("conv_out", new Conv2d(channels[0], options.OutChannels, 3, padding: 1));
    }

    internal Tensor Forward(Tensor z)
    {
        var h = _middle.Forward(_in.Forward(z));
        for (var i = _levels.Length - 1; i >= 0; i--)
            h = _levels[i].Forward(h);
        return Functional.NormSiluConv3x3(h, _norm, _out);
    }
}
