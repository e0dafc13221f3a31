using System.Numerics;

namespace Graft.Data.Ecg;

/// <summary>A digital Butterworth filter as second-order sections.</summary>
/// <remarks>
/// Poles of the prototype on the unit circle of the left half plane (Butterworth 1930), brought to the edges, warped so that the bilinear
/// transform puts them right. The same transfer function as SciPy's <c>butter(..., output="sos")</c>; the pairing of poles may differ.
/// </remarks>
public sealed class Butterworth
{
    private const int HighestOrder = 8;
    private readonly SecondOrderSection[] _sections;

    private Butterworth(SecondOrderSection[] sections) => _sections = sections;

    /// <summary>The sections, in the order in which they are run.</summary>
    public IReadOnlyList<SecondOrderSection> Sections => _sections;

    /// <summary>Samples that are added at each end before <see cref="BothWays"/> filters: as many as SciPy's <c>sosfiltfilt</c> adds.</summary>
    public int EdgeLength => 3 * ((2 * _sections.Length) + 1 - Math.Min(_sections.Count(s => s.B2 == 0), _sections.Count(s => s.A2 == 0)));

    /// <summary>Designs a filter.</summary>
    /// <param name="order">Of the prototype, 1 to 8.</param>
    /// <param name="low">Lower edge in Hz (gain 1/√2); null: a low-pass filter.</param>
    /// <param name="high">Upper edge in Hz; null: a high-pass filter.</param>
    /// <param name="rate">Samples a second.</param>
    /// <exception cref="InputException">The order or an edge is out of range, or there is no edge.</exception>
    public static Butterworth Design(int order, double? low, double? high, double rate)
    {
        if (order is < 1 or > HighestOrder)
            throw new InputException($"A Butterworth filter of order {order} is not designed here; choose 1 to {HighestOrder}.");
        if (low is null && high is null)
            throw new InputException("A filter needs a lower edge, an upper edge, or both; give one in Hz.");
        foreach (var edge in new[] { low, high })
        {
            if (edge is { } hertz && !(hertz > 0 && hertz < rate / 2))
                throw new InputException(FormattableString.Invariant($"The edge {hertz} Hz of a filter for {rate} samples a second must lie between 0 and {rate / 2} Hz; choose another."));
        }

        if (low >= high)
            throw new InputException(FormattableString.Invariant($"The lower edge of a filter, {low} Hz, is not below the upper one, {high} Hz; choose others."));

        // The analogue filter for a sampling rate of 2, where the bilinear transform is z = (4 + s) / (4 - s).
        double? Warp(double? hertz) => hertz is { } f ? 4 * Math.Tan(Math.PI * f / rate) : null;
        var (w1, w2) = (Warp(low), Warp(high));
        var prototype = Enumerable.Range(0, order).Select(i => -Complex.Exp(new Complex(0, Math.PI * ((2 * i) - order + 1) / (2 * order)))).ToArray();
        var poles = new List<Complex>();
        var gain = 1.0;
        foreach (var pole in prototype)
        {
            if (w1 is { } lowEdge && w2 is { } highEdge)
            {
                var half = pole * (highEdge - lowEdge) / 2;
                var root = Complex.Sqrt((half * half) - (lowEdge * highEdge));
                poles.Add(half + root);
                poles.Add(half - root);
            }
            else if (w2 is { } cut)
                poles.Add(pole * cut);
            else
                poles.Add(w1!.Value / pole);
        }

        // Analogue zeros: none (low-pass), one a pole at 0 (high-pass), one for two poles at 0 (band-pass). Those at 0 go to 1, missing ones to -1.
        var zerosAtZero = w1 is null ? 0 : order;
        gain *= (w1, w2) switch
        {
            ({ } a, { } b) => Math.Pow(b - a, order),
            (null, { } b) => Math.Pow(b, order),
            _ => 1, // the product of the prototype's poles has modulus 1
        };
        gain *= (Math.Pow(4, zerosAtZero) / poles.Aggregate(Complex.One, (product, p) => product * (4 - p))).Real;
        return new Butterworth(Pair([.. poles.Select(p => (4 + p) / (4 - p))], zerosAtZero, gain));
    }

    /// <summary>Filters once, from rest.</summary>
    /// <param name="signal">Samples.</param>
    /// <returns>As many, newly allocated.</returns>
    public double[] Filter(ReadOnlySpan<double> signal) => Run(signal.ToArray(), new (double, double)[_sections.Length]);

    /// <summary>
    /// Filters forwards, then backwards: no delay, and the gain of one pass squared. The signal is continued at both ends by its own
    /// point reflection (<see cref="EdgeLength"/> samples), and each pass begins as if its first sample had stood for ever.
    /// </summary>
    /// <param name="signal">More than <see cref="EdgeLength"/> samples.</param>
    /// <returns>As many, newly allocated.</returns>
    /// <exception cref="ArgumentException">There are too few samples.</exception>
    public double[] BothWays(double[] signal)
    {
        ArgumentNullException.ThrowIfNull(signal);
        var edge = EdgeLength;
        if (signal.Length <= edge)
            throw new ArgumentException($"{signal.Length} samples are too few: more than {edge} are needed", nameof(signal));
        var (n, extended) = (signal.Length, new double[signal.Length + (2 * edge)]);
        signal.CopyTo(extended, edge);
        for (var i = 1; i <= edge; i++)
        {
            extended[edge - i] = (2 * signal[0]) - signal[i];
            extended[edge + n - 1 + i] = (2 * signal[^1]) - signal[n - 1 - i];
        }

        for (var pass = 0; pass < 2; pass++)
        {
            extended = Run(extended, Standing(extended[0]));
            Array.Reverse(extended);
        }

        return extended[edge..^edge];
    }

    /// <summary>The gain at a frequency: complex, of one pass.</summary>
    /// <param name="hertz">The frequency.</param>
    /// <param name="rate">Samples a second.</param>
    public Complex Response(double hertz, double rate)
    {
        var delay = Complex.Exp(new Complex(0, -2 * Math.PI * hertz / rate));
        return _sections.Aggregate(Complex.One, (gain, s) =>
            gain * (s.B0 + (delay * (s.B1 + (delay * s.B2)))) / (1 + (delay * (s.A1 + (delay * s.A2)))));
    }

    /// <summary>Transposed direct form II.</summary>
    private double[] Run(double[] signal, (double First, double Second)[] states)
    {
        for (var s = 0; s < _sections.Length; s++)
        {
            var section = _sections[s];
            var (first, second) = states[s];
            for (var t = 0; t < signal.Length; t++)
            {
                var x = signal[t];
                var y = (section.B0 * x) + first;
                first = (section.B1 * x) - (section.A1 * y) + second;
                second = (section.B2 * x) - (section.A2 * y);
                signal[t] = y;
            }
        }

        return signal;
    }

    /// <summary>The states after a value has stood for ever.</summary>
    private (double First, double Second)[] Standing(double value)
    {
        var states = new (double, double)[_sections.Length];
        for (var s = 0; s < states.Length; s++)
        {
            var section = _sections[s];
            var output = value * (section.B0 + section.B1 + section.B2) / (1 + section.A1 + section.A2);
            var second = (section.B2 * value) - (section.A2 * output);
            states[s] = ((section.B1 * value) - (section.A1 * output) + second, second);
            value = output;
        }

        return states;
    }

    /// <summary>Conjugate poles, or two real ones, make a section; each takes one zero of each kind where there are both.</summary>
    private static SecondOrderSection[] Pair(Complex[] poles, int zerosAtOne, double gain)
    {
        const double Tiny = 1e-12;
        var denominators = poles.Where(p => p.Imaginary > Tiny).Select(p => (A1: -2 * p.Real, A2: (p.Real * p.Real) + (p.Imaginary * p.Imaginary), Poles: 2)).ToList();
        var real = poles.Where(p => Math.Abs(p.Imaginary) <= Tiny).Select(p => p.Real).Order().ToArray();
        for (var i = 0; i < real.Length; i += 2)
            denominators.Add(i + 1 < real.Length ? (-(real[i] + real[i + 1]), real[i] * real[i + 1], 2) : (-real[i], 0, 1));
        var zerosAtMinusOne = poles.Length - zerosAtOne;
        var sections = new SecondOrderSection[denominators.Count];
        foreach (var (s, (a1, a2, count)) in denominators.OrderBy(d => d.Poles).ThenBy(d => d.A2).Index())
        {
            var zeros = new double[count];
            for (var i = 0; i < count; i++)
            {
                var one = zerosAtOne > 0 && (zerosAtMinusOne == 0 || i % 2 == 0);
                zeros[i] = one ? 1 : -1;
                (zerosAtOne, zerosAtMinusOne) = one ? (zerosAtOne - 1, zerosAtMinusOne) : (zerosAtOne, zerosAtMinusOne - 1);
            }

            var k = s == 0 ? gain : 1;
            sections[s] = count == 1
                ? new SecondOrderSection(k, -k * zeros[0], 0, a1, a2)
                : new SecondOrderSection(k, -k * (zeros[0] + zeros[1]), k * zeros[0] * zeros[1], a1, a2);
        }

        return sections;
    }
}

/// <summary>y[t] = B0 x[t] + B1 x[t-1] + B2 x[t-2] - A1 y[t-1] - A2 y[t-2].</summary>
/// <param name="B0">Of the input.</param>
/// <param name="B1">Of the input one sample before.</param>
/// <param name="B2">Of the input two samples before.</param>
/// <param name="A1">Of the output one sample before.</param>
/// <param name="A2">Of the output two samples before.</param>
public sealed record SecondOrderSection(double B0, double B1, double B2, double A1, double A2);
