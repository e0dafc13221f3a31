using System.Numerics;
using Graft.Torch;

namespace Graft.Networks.SssdParts;

/// <summary>
/// The convolution kernel of a structured state space (Gu et al. 2022, algorithm 1): C·Ā^l·B for l below L, from its values at the roots
/// of unity, where the resolvent of a diagonal matrix plus one of rank one is a Cauchy sum (over each pole and its conjugate) with
/// Woodbury's correction. As in SSSD-ECG only C is trained; it is stored for a kernel of <see cref="Length"/> (C·(I − Ā^L)).
/// </summary>
/// <remarks>
/// The kernel is linear in C, and what stands before C is kept while it is trained; where nothing is trained, the spectrum that the layer
/// multiplies with. Both stand as long as no parameter was written to (<see cref="Tensor.Version"/>) or replaced.
/// </remarks>
internal sealed class S4Kernel : Module
{
    /// <summary>Bytes that a kernel on its own may keep in training.</summary>
    internal const long Room = 1L << 29;

    /// <summary>Complex numbers of one tensor on the way to the samples: 2 MiB in single precision.</summary>
    private const long NumbersTogether = 1L << 18;

    private const double SmallestStep = 0.001;
    private const double LargestStep = 0.1;
    private static readonly string[] FixedNames = ["omega", "z", "log_dt", "B", "P", "w", "Q"];
    private readonly KeptTensor _samples = new();
    private readonly KeptTensor _spectrum = new();
    private readonly long _room;
    private Tensor _c;
    private Tensor _omega;
    private Tensor _z;
    private Tensor _logStep;
    private Tensor _b;
    private Tensor _p;
    private Tensor _w;
    private Tensor _q;

    /// <param name="channels">H.</param>
    /// <param name="states">N, an even number.</param>
    /// <param name="length">L, an even number.</param>
    /// <param name="kernels">1, or 2 for both directions.</param>
    /// <param name="room">Bytes that may be kept in training; where the samples do not fit, they are not even made.</param>
    internal S4Kernel(long channels, long states, long length, long kernels, long room = Room)
    {
        Length = length;
        _room = room;
        var half = states / 2;
        _c = AddParameter("C", kernels, channels, half, 2);
        _omega = AddParameter("omega", (length / 2) + 1, 2);
        _z = AddParameter("z", (length / 2) + 1, 2);
        _logStep = AddParameter("log_dt", channels);
        _b = AddParameter("B", 1, channels, half, 2);
        _p = AddParameter("P", 1, channels, half, 2);
        _w = AddParameter("w", channels, half, 2);
        _q = AddParameter("Q", 1, channels, half, 2);
    }

    /// <summary>L: the longest kernel.</summary>
    internal long Length { get; }

    /// <summary>Whether a parameter, by its full name, is drawn once and stays.</summary>
    internal static bool IsFixed(string name)
    {
        var at = name.LastIndexOf('.');
        return at >= 0 && name.AsSpan(0, at).EndsWith("kernel.kernel", StringComparison.Ordinal) && FixedNames.Contains(name[(at + 1)..]);
    }

    /// <summary>The first samples of the kernels, [kernels, H, length].</summary>
    internal Tensor Forward(long length)
    {
        if (length > Length)
            throw new InputException($"Sequences of {length} samples are longer than the kernel of this network, {Length} (s4_lmax): cut them, or make the network with a longer one.");
        if (SamplesFit)
        {
            var pairs = _c.Reshape(_c.Size(0), _c.Size(1), -1).Transpose(0, 1);
            return Products().Transpose(0, 1);

            // Where the samples are for this once, some channels of them at a time.
            Tensor Products() => IsTrained || _samples.Holds(FixedVersions())
                ? Functional.BatchMatMul(pairs, Samples().Slice(2, 0, length))
                : Grouped((first, end) => Functional.BatchMatMul(pairs.Slice(0, first, end), SamplesOf(first, end).Slice(2, 0, length)));
        }

        var (own, conjugate) = Responses(0, _w.Size(0));
        var c = ComplexTensor.Of(_c).Permute(1, 0, 2);
        var spectrum = c.MatMul(own) + ComplexTensor.Conjugate(c).MatMul(conjugate);
        return Fourier.Inverse(spectrum, Length).Slice(2, 0, length).Permute(1, 0, 2);
    }

    /// <summary>
    /// The spectrum of the kernel, zeros up to twice its length behind it or, of two, the second one backwards: complex [H, length + 1].
    /// </summary>
    internal Tensor Spectrum(long length)
    {
        if (!IsTrained)
            return _spectrum.Get([length, _c.Version, .. FixedVersions()], () => Padded());
        _spectrum.Drop();
        return Padded();

        Tensor Padded()
        {
            var kernels = Forward(length);
            var first = kernels.Select(0, 0);
            return Fourier.Forward(kernels.Size(0) == 1 ? first : Tensor.Cat([first, kernels.Select(0, 1).Flip(-1)], -1), 2 * length);
        }
    }

    /// <summary>C for a kernel twice as long, [kernels, H, N/2, 2]: C·(I − Ā^L) times (I + Ā^L) is C·(I − Ā^2L).</summary>
    internal Tensor DoubledC() => TensorScope.Of(() => Combined(1));

    /// <summary>The roots of unity, and 2(1 − ω)/(1 + ω), for a kernel of <paramref name="length"/>: what a checkpoint stores as omega and z.</summary>
    internal static (float[] Omega, float[] Z) Nodes(long length)
    {
        var (omega, z) = (new float[((length / 2) + 1) * 2], new float[((length / 2) + 1) * 2]);
        for (var l = 0; l <= length / 2; l++)
        {
            var root = Root(l, length);
            // At ω = −1 z has a pole: any large number stands for it, as rounding gives the peer's one. Nothing here reads it.
            var node = l * 2 == length ? new Complex(0, 1e8) : 2 * (1 - root) / (1 + root);
            (omega[2 * l], omega[(2 * l) + 1]) = ((float)root.Real, (float)root.Imaginary);
            (z[2 * l], z[(2 * l) + 1]) = ((float)node.Real, (float)node.Imaginary);
        }

        return (omega, z);
    }

    /// <inheritdoc/>
    protected override void Reset(Initialiser initialiser)
    {
        using var scope = new TensorScope();
        var (channels, half) = (_w.Size(0), _w.Size(1));
        var (lambda, p, b) = HippoStates.Create((int)half * 2);
        Set(_w, lambda, [1, half, 2]);
        Set(_p, p, [1, 1, half, 2]);
        Set(_q, Array.ConvertAll(p, Complex.Conjugate), [1, 1, half, 2]);
        Set(_b, b, [1, 1, half, 2]);
        var (omega, z) = Nodes(Length);
        _omega.CopyFrom(Tensor.From(omega, omega.Length / 2, 2));
        _z.CopyFrom(Tensor.From(z, z.Length / 2, 2));
        var (low, high) = (Math.Log(SmallestStep), Math.Log(LargestStep));
        initialiser.Uniform(_logStep, "log_dt", (high - low) / 2);
        _logStep.CopyFrom(_logStep + ((high + low) / 2));
        initialiser.Normal(_c, "C", Math.Sqrt(0.5));
        _c.CopyFrom(Combined(-1));

        static void Set(Tensor parameter, Complex[] values, long[] shape) =>
            parameter.CopyFrom(Tensor.From(values.SelectMany(v => (double[])[v.Real, v.Imaginary]).ToArray(), shape));
    }

    /// <inheritdoc/>
    protected override void OnReplaced(Tensor old, Tensor replacement)
    {
        Drop();
        _c = old == _c ? replacement : _c;
        _omega = old == _omega ? replacement : _omega;
        _z = old == _z ? replacement : _z;
        _logStep = old == _logStep ? replacement : _logStep;
        _b = old == _b ? replacement : _b;
        _p = old == _p ? replacement : _p;
        _w = old == _w ? replacement : _w;
        _q = old == _q ? replacement : _q;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            TorchRuntime.Run(Drop);
        base.Dispose(disposing);
    }

    private static Complex Root(long l, long length)
    {
        var (sin, cos) = Math.SinCos(-2 * Math.PI * l / length);
        return new Complex(cos, sin);
    }

    /// <summary>C + sign·C·Ā^L over both halves of the conjugates, [kernels, H, N/2, 2].</summary>
    private Tensor Combined(int sign)
    {
        using var mode = Autograd.NoGrad();
        var half = _w.Size(1);
        var power = HippoStates.Power(Numbers(_w), Numbers(_p), Numbers(_q), _logStep.To(DType.Float64).Exp().ToArray<double>(), Length);
        var c = ComplexTensor.Of(_c.To(Device.Cpu).To(DType.Float64)).Permute(1, 0, 2);
        var both = Tensor.Cat([c, ComplexTensor.Conjugate(c)], 2);
        var changed = both + (both.MatMul(power) * (double)sign);
        return ComplexTensor.Pairs(changed.Slice(2, 0, half).Permute(1, 0, 2).Contiguous()).To(_c.Type);

        static Complex[] Numbers(Tensor pairs) => ComplexTensor.Of(pairs.To(Device.Cpu).To(DType.Float64)).ToArray<Complex>();
    }

    /// <summary>Whether gradients flow to C: then the kernel is another in every step.</summary>
    private bool IsTrained => Autograd.IsEnabled && _c.RequiresGrad;

    /// <summary>By sizes alone, so that the same numbers come out whatever has been kept.</summary>
    private bool SamplesFit => _w.Count * Length * _c.Type.Size() <= _room;

    private long[] FixedVersions() => [_logStep.Version, _b.Version, _p.Version, _w.Version, _q.Version];

    private void Drop()
    {
        _samples.Drop();
        _spectrum.Drop();
    }

    /// <summary>
    /// What one unit of each number of C adds to the kernel, [H, N, L], real and imaginary parts in turns. Kept for the next step
    /// where C is trained.
    /// </summary>
    private Tensor Samples() => _samples.Get(FixedVersions(), () => Grouped(SamplesOf));

    /// <summary>Some channels' samples, from <paramref name="first"/> to below <paramref name="end"/>.</summary>
    private Tensor SamplesOf(long first, long end)
    {
        using var mode = Autograd.NoGrad();
        return TensorScope.Of(() =>
        {
            var (own, conjugate) = Responses(first, end);
            var imaginary = Tensor.From([Complex.ImaginaryOne], 1).To(own.Type).To(own.Device);
            var both = Tensor.Stack([own + conjugate, (own - conjugate) * imaginary], 2);
            return Fourier.Inverse(both, Length).Reshape(own.Size(0), -1, Length);
        });
    }

    /// <summary>Rows that are computed some channels at a time: on the way to them stand complex numbers several times over.</summary>
    private Tensor Grouped(Func<long, long, Tensor> rows)
    {
        var channels = _w.Size(0);
        var together = Math.Max(1, NumbersTogether / (_w.Size(1) * ((Length / 2) + 1)));
        var groups = new List<Tensor>();
        for (long first = 0; first < channels; first += together)
        {
            var from = first;
            groups.Add(TensorScope.Of(() => rows(from, Math.Min(from + together, channels))));
        }

        return Tensor.Cat([.. groups]);
    }

    /// <summary>
    /// What one unit of C (and of its conjugate) adds to the spectrum, complex [channels, N/2, L/2 + 1] each, of the channels from
    /// <paramref name="first"/> to below <paramref name="end"/>. The terms are multiplied out by
    /// 1 + ω, which vanishes at ω = −1, so that nothing is divided by it.
    /// </summary>
    private (Tensor Own, Tensor Conjugate) Responses(long first, long end)
    {
        using var mode = Autograd.NoGrad();
        var (doubled, s) = (new Complex[(Length / 2) + 1], new Complex[(Length / 2) + 1]);
        for (var l = 0; l < s.Length; l++)
        {
            var root = l * 2 == Length ? -1 : Root(l, Length);
            (doubled[l], s[l]) = (2 * (1 - root), 1 + root);
        }

        var type = _c.Type == DType.Float64 ? DType.Complex128 : DType.Complex64;
        var nodes = Tensor.From(doubled, doubled.Length).To(type).To(_c.Device);
        var sums = Tensor.From(s, s.Length).To(type).To(_c.Device);
        var step = _logStep.Slice(0, first, end).Exp().Reshape(-1, 1, 1);
        var (b, p, q) = (Column(_b), Column(_p), Column(_q));
        var w = Column(_w) * step;
        var own = step / (nodes - (w * sums));
        var conjugate = step / (nodes - (ComplexTensor.Conjugate(w) * sums));
        var (bq, pq) = (b * q, p * q);
        var correction = sums * Total(bq) / ((sums * Total(pq)) + 1.0);
        return (own * (b - (correction * p)) * 2.0, conjugate * (ComplexTensor.Conjugate(b) - (correction * ComplexTensor.Conjugate(p))) * 2.0);

        Tensor Total(Tensor values) => ((values * own) + (ComplexTensor.Conjugate(values) * conjugate)).Sum([1], keepDims: true);

        // [1, H, n, 2] or [H, n, 2] to [channels, n, 1].
        Tensor Column(Tensor pairs) => ComplexTensor.Of(pairs).Reshape(pairs.Size(-3), pairs.Size(-2), 1).Slice(0, first, end);
    }
}
