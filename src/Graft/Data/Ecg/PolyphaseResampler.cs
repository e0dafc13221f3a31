namespace Graft.Data.Ecg;

/// <summary>
/// Resampling by a ratio of whole numbers: samples are put <c>up</c> apart, filtered, and every <c>down</c>-th is kept; only products
/// that are not 0 are computed.
/// </summary>
/// <remarks>
/// The filter is SciPy's of <c>resample_poly</c>: a windowed sinc of 20 max(up, down) + 1 taps with its cut-off at the lower of the two
/// Nyquist rates, Kaiser window with beta 5, gain 1 at 0 Hz. Beyond the ends the signal is 0.
/// </remarks>
public sealed class PolyphaseResampler
{
    private const double KaiserBeta = 5;
    private const int MostTerms = 1000; // of the ratio
    private readonly double[] _filter;
    private readonly int _half;

    /// <summary>Designs the filter.</summary>
    /// <param name="up">Numerator of the ratio of the new rate to the old, at least 1.</param>
    /// <param name="down">Its denominator, at least 1.</param>
    public PolyphaseResampler(int up, int down)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(up, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(down, 1);
        var divisor = GreatestDivisor(up, down);
        (Up, Down) = (up / divisor, down / divisor);
        var widest = Math.Max(Up, Down);
        _half = 10 * widest;
        _filter = new double[(2 * _half) + 1];
        for (var i = 0; i < _filter.Length; i++)
        {
            var x = (i - _half) / (double)widest;
            var edge = (i - _half) / (double)_half;
            _filter[i] = (x == 0 ? 1 : Math.Sin(Math.PI * x) / (Math.PI * x)) * Bessel(KaiserBeta * Math.Sqrt(1 - (edge * edge)));
        }

        var scale = Up / _filter.Sum();
        for (var i = 0; i < _filter.Length; i++)
            _filter[i] *= scale;
    }

    /// <summary>Numerator of the ratio in lowest terms.</summary>
    public int Up { get; }

    /// <summary>Its denominator.</summary>
    public int Down { get; }

    /// <summary>The resampler between two rates.</summary>
    /// <param name="from">Samples a second.</param>
    /// <param name="to">Samples a second.</param>
    /// <exception cref="InputException">A rate is not above 0, or the ratio is none of whole numbers up to 1000.</exception>
    public static PolyphaseResampler Between(double from, double to)
    {
        if (!(from > 0 && to > 0) || !double.IsFinite(from) || !double.IsFinite(to))
            throw new InputException(FormattableString.Invariant($"Samples of {from} Hz cannot be brought to {to} Hz; choose rates above 0."));
        for (var down = 1; down <= MostTerms; down++)
        {
            var up = Math.Round(to / from * down);
            if (up is >= 1 and <= MostTerms && Math.Abs((up * from) - (down * to)) <= 1e-9 * down * to)
                return new PolyphaseResampler((int)up, down);
        }

        throw new InputException(FormattableString.Invariant($"The rates {from} Hz and {to} Hz are in no ratio of whole numbers up to {MostTerms}; choose another rate."));
    }

    /// <summary>Samples that come of so many.</summary>
    public int LengthOf(int samples) => (int)((((long)samples * Up) + Down - 1) / Down);

    /// <summary>Resamples a signal.</summary>
    /// <param name="signal">At least one sample.</param>
    /// <param name="line">Whether the line from the first sample to the last is taken off before and put back afterwards.</param>
    /// <returns><see cref="LengthOf"/> samples; the first lies where the first of the signal does.</returns>
    public double[] Apply(ReadOnlySpan<double> signal, bool line = false)
    {
        if (Up == Down)
            return signal.ToArray();
        var input = signal.ToArray();
        var (start, slope) = line && input.Length > 0 ? (input[0], input.Length > 1 ? (input[^1] - input[0]) / (input.Length - 1) : 0) : (0, 0);
        for (var i = 0; i < input.Length; i++)
            input[i] -= start + (slope * i);
        var output = new double[LengthOf(input.Length)];
        for (var m = 0; m < output.Length; m++)
        {
            // output[m] = sum over k of input[k] filter[m down + half - k up], where the filter's place is 0 to 2 half.
            var centre = ((long)m * Down) + _half;
            var first = (int)Math.Max(0, (centre - (2 * _half) + Up - 1) / Up);
            var last = (int)Math.Min(input.Length - 1, centre / Up);
            var sum = 0.0;
            for (var k = first; k <= last; k++)
                sum += input[k] * _filter[centre - ((long)k * Up)];
            output[m] = sum + start + (slope * m * Down / Up);
        }

        return output;
    }

    /// <summary>The modified Bessel function of the first kind and order 0, by its series.</summary>
    private static double Bessel(double x)
    {
        var (sum, term) = (1.0, 1.0);
        for (var k = 1; term > 1e-17 * sum; k++)
        {
            term *= x / (2 * k) * (x / (2 * k));
            sum += term;
        }

        return sum;
    }

    private static int GreatestDivisor(int a, int b) => b == 0 ? a : GreatestDivisor(b, a % b);
}
