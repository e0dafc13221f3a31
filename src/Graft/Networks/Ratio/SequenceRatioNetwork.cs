using Graft.Torch;

namespace Graft.Networks;

/// <summary>Residual 1-D convolutions with group norms for recordings, [N, leads, samples], and the mean over what is left of them.</summary>
internal sealed class SequenceRatioNetwork : RatioNetwork
{
    /// <summary>Groups of the norms.</summary>
    internal const int Groups = 8;
    private const int FirstKernel = 15;
    private const int FirstStride = 2;
    private const int Kernel = 9;
    private const int Stride = 4;
    private readonly Conv1d _in;
    private readonly List<Block> _blocks = [];
    private readonly GroupNorm _norm;
    private readonly Linear _out;

    internal SequenceRatioNetwork(RatioNetworkOptions options)
        : base(options)
    {
        long width = options.HiddenChannels;
        _in = Add("conv_in", new Conv1d(options.ItemSizes[0], width, FirstKernel, FirstStride));
        for (var i = 0; i < options.Blocks; i++)
            _blocks.Add(Add($"blocks.{i}", new Block(width, IsTold)));
        _norm = Add("norm_out", new GroupNorm(Groups, width));
        _out = Add("proj_out", new Linear(width, 1));
    }

    /// <inheritdoc/>
    private protected override Tensor Forward(Tensor x, Tensor? told)
    {
        var h = _in.Forward(x);
        foreach (var block in _blocks)
            h = block.Forward(h, told);
        return _out.Forward(Functional.Silu(_norm.Forward(h)).Mean([2]));
    }

    /// <summary>Norm, SiLU, convolution, twice, the first making it four times shorter, beside a 1 x 1 convolution of every fourth sample.</summary>
    private sealed class Block : Module
    {
        private readonly GroupNorm _norm1;
        private readonly Conv1d _conv1;
        private readonly Linear? _told;
        private readonly GroupNorm _norm2;
        private readonly Conv1d _conv2;
        private readonly Conv1d _shortcut;

        internal Block(long width, bool told)
        {
            _norm1 = Add("norm1", new GroupNorm(Groups, width));
            _conv1 = Add("conv1", new Conv1d(width, width, Kernel, Stride));
            _told = told ? Add("told_proj", new Linear(width, width)) : null;
            _norm2 = Add("norm2", new GroupNorm(Groups, width));
            _conv2 = Add("conv2", new Conv1d(width, width, Kernel, 1));
            _shortcut = Add("shortcut", new Conv1d(width, width, 1, Stride));
        }

        internal Tensor Forward(Tensor x, Tensor? told)
        {
            var h = _conv1.Forward(Functional.Silu(_norm1.Forward(x)));
            if (_told is not null)
                h += _told.Forward(told!).Unsqueeze(2);
            h = _conv2.Forward(Functional.Silu(_norm2.Forward(h)));
            return h + _shortcut.Forward(x);
        }
    }
}
