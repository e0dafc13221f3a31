using Graft.Torch;

namespace Graft.Networks.SssdParts;

/// <summary>
/// One S4 layer: a global convolution of each channel, a way past it (D), GELU, and a linear layer over channels. In both directions,
/// the second kernel runs backwards in time.
/// </summary>
internal sealed class S4 : Module
{
    private readonly S4Kernel _kernel;
    private readonly Mixing _mixing;
    private Tensor _d;

    /// <param name="channels">H.</param>
    /// <param name="states">N, an even number.</param>
    /// <param name="length">L of the longest kernel, an even number.</param>
    /// <param name="bidirectional">Whether it looks both ways in time.</param>
    /// <param name="room">Bytes that the kernel may keep in training.</param>
    internal S4(long channels, long states, long length, bool bidirectional, long room = S4Kernel.Room)
    {
        _d = AddParameter("D", 1, channels);
        _kernel = Add("kernel.kernel", new S4Kernel(channels, states, length, bidirectional ? 2 : 1, room));
        _mixing = Add("output_linear", new Mixing(channels));
    }

    /// <summary>The kernel.</summary>
    internal S4Kernel Kernel => _kernel;

    /// <summary>x [N, H, L], same shape out.</summary>
    internal Tensor Forward(Tensor x)
    {
        var spectrum = _kernel.Spectrum(x.Size(2)) + _d.Reshape(-1, 1); // D stands at time 0 of the kernel, and so at every frequency
        return _mixing.Forward(Fourier.Filter(x, spectrum));
    }

    /// <inheritdoc/>
    protected override void Reset(Initialiser initialiser) => initialiser.Normal(_d, "D", 1);

    /// <inheritdoc/>
    protected override void OnReplaced(Tensor old, Tensor replacement) => _d = replacement;

    /// <summary>weight [H, H] times GELU of x [N, H, L], and bias [H, 1].</summary>
    private sealed class Mixing : Module
    {
        private Tensor _weight;
        private Tensor _bias;

        internal Mixing(long channels)
        {
            _weight = AddParameter("weight", channels, channels);
            _bias = AddParameter("bias", channels, 1);
        }

        internal Tensor Forward(Tensor x) => Functional.MixedGelu(x, _weight) + _bias;

        /// <inheritdoc/>
        protected override void Reset(Initialiser initialiser)
        {
            initialiser.FanIn(_weight, null);
            _bias.Fill(0);
        }

        /// <inheritdoc/>
        protected override void OnReplaced(Tensor old, Tensor replacement)
        {
            _weight = old == _weight ? replacement : _weight;
            _bias = old == _bias ? replacement : _bias;
        }
    }
}
