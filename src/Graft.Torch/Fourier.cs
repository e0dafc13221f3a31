namespace Graft.Torch;

/// <summary>Discrete Fourier transforms of real sequences over the last dimension, without normalisation forwards and with 1/n backwards.</summary>
public static class Fourier
{
    private static readonly Operator ForwardOp = new("aten::fft_rfft");
    private static readonly Operator InverseOp = new("aten::fft_irfft");
    private static readonly Operator FilterOp = new("graft::spectral_filter");

    /// <summary>The spectrum of real sequences, complex [..., n/2 + 1].</summary>
    /// <param name="x">[..., L]; cut, or filled up with zeros, to <paramref name="n"/>.</param>
    /// <param name="n">Length of the transform.</param>
    public static Tensor Forward(Tensor x, long n) => ForwardOp.Call(x, n, -1);

    /// <summary>The real sequences of spectra, [..., n]; imaginary parts at frequency 0 and, of an even n, at n/2 do not count.</summary>
    /// <param name="spectrum">Complex [..., n/2 + 1].</param>
    /// <param name="n">Length of the sequences.</param>
    public static Tensor Inverse(Tensor spectrum, long n) => InverseOp.Call(spectrum, n, -1);

    /// <summary>
    /// Each channel convolved with a real kernel of length 2L that is given by its spectrum; what leaves one end does not come in at the other:
    /// <c>Inverse(Forward(x, 2L) · spectrum, 2L)[..., :L]</c>. On a processor in one operator where channels come in multiples of 16 and L has no prime factor above
    /// 5; second derivatives go through libtorch's own operators.
    /// </summary>
    /// <param name="x">[N, H, L].</param>
    /// <param name="spectrum">Complex [H, L + 1].</param>
    /// <exception cref="TorchException">The shapes do not belong together.</exception>
    public static Tensor Filter(Tensor x, Tensor spectrum) => FilterOp.Call(x, spectrum);
}

/// <summary>Complex tensors. The arithmetic of <see cref="Tensor"/> takes them as it takes real ones.</summary>
public static class ComplexTensor
{
    private static readonly Operator ViewOp = new("aten::view_as_complex");
    private static readonly Operator ViewAsRealOp = new("aten::view_as_real");
    private static readonly Operator ConjugateOp = new("aten::conj");
    private static readonly Operator SolveOp = new("aten::linalg_solve");
    private static readonly Operator PowerOp = new("aten::linalg_matrix_power");

    /// <summary>Pairs of real and imaginary parts [..., 2] as complex numbers [...]; a view.</summary>
    public static Tensor Of(Tensor pairs) => ViewOp.Call(pairs);

    /// <summary>Complex numbers [...] as pairs [..., 2]; a view.</summary>
    public static Tensor Pairs(Tensor complex) => ViewAsRealOp.Call(complex);

    /// <summary>Complex conjugates.</summary>
    public static Tensor Conjugate(Tensor complex) => ConjugateOp.Call(complex);

    /// <summary>X of matrix·X = right, for square matrices [..., N, N] and right sides [..., N, M].</summary>
    public static Tensor Solve(Tensor matrix, Tensor right) => SolveOp.Call(matrix, right);

    /// <summary>Square matrices [..., N, N] multiplied with themselves.</summary>
    /// <param name="matrix">The matrices.</param>
    /// <param name="exponent">How often.</param>
    public static Tensor Power(Tensor matrix, long exponent) => PowerOp.Call(matrix, exponent);
}
