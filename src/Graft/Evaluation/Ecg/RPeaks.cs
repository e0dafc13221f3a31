using Graft.Data.Ecg;

namespace Graft.Evaluation.Ecg;

/// <summary>Finds the R peaks of an ECG's lead.</summary>
/// <remarks>
/// Hamilton, "Open Source ECG Analysis", Computers in Cardiology 29:101-104, 2002: band-pass of 8 to 16 Hz, absolute slope, mean over
/// 80 ms; its peaks are beats above a threshold between the medians of the last eight beats and the last eight others. Told with the whole
/// record at hand: the filter is run both ways and the mean is centred, so nothing is delayed; the peak is then put on the extreme of the
/// band-passed lead within 80 ms, on the side (up or down) that is the larger in most beats of the record.
/// </remarks>
public static class RPeaks
{
    /// <summary>The lowest sampling rate that is taken.</summary>
    public const double LowestRate = 50;

    private const double Threshold = 0.3125; // between the median of others and that of beats
    private const double Refractory = 0.2; // seconds in which only the largest peak counts
    private const double TWave = 0.36; // seconds after a beat in which a flatter peak is its T wave
    private const int Memory = 8;

    /// <summary>Finds the peaks.</summary>
    /// <param name="lead">Samples in any unit, without NaN.</param>
    /// <param name="rate">Samples a second, at least <see cref="LowestRate"/>.</param>
    /// <returns>Places of the samples, rising. Empty where the lead is too short (below half a second) or does not change.</returns>
    /// <exception cref="ArgumentException">The rate is too low, or a sample is not finite.</exception>
    public static int[] Detect(ReadOnlySpan<float> lead, double rate)
    {
        if (!(rate >= LowestRate))
            throw new ArgumentOutOfRangeException(nameof(rate), rate, $"R peaks need at least {LowestRate} samples a second");
        var signal = new double[lead.Length];
        for (var i = 0; i < signal.Length; i++)
            signal[i] = float.IsFinite(lead[i]) ? lead[i] : throw new ArgumentException($"sample {i} is {lead[i]}", nameof(lead));
        var filter = Butterworth.Design(1, 8, 16, rate);
        if (signal.Length <= Math.Max(filter.EdgeLength, rate / 2))
            return [];
        var band = filter.BothWays(signal);
        var slope = new double[band.Length];
        for (var i = 1; i < slope.Length; i++)
            slope[i] = Math.Abs(band[i] - band[i - 1]);
        var energy = CentredMean(slope, Math.Max(1, (int)Math.Round(0.04 * rate)));
        return Refine(band, Classify(energy, slope, Candidates(energy, Refractory * rate), rate), (int)Math.Round(0.08 * rate));
    }

    /// <summary>Peaks with no larger one within a distance.</summary>
    private static List<int> Candidates(double[] energy, double distance)
    {
        var peaks = new List<int>();
        for (var i = 1; i + 1 < energy.Length; i++)
        {
            if (energy[i] <= energy[i - 1] || energy[i] < energy[i + 1] || energy[i] == 0)
                continue;
            if (peaks.Count == 0 || i - peaks[^1] >= distance)
                peaks.Add(i);
            else if (energy[i] > energy[peaks[^1]])
                peaks[^1] = i;
        }

        return peaks;
    }

    private static List<int> Classify(double[] energy, double[] slope, List<int> candidates, double rate)
    {
        // To begin with, the largest value of each of the first eight seconds stands for a beat.
        var (beats, others) = (new Queue<double>(), new Queue<double>());
        for (var second = 0; second < Memory; second++)
        {
            var (from, to) = ((int)(second * rate), Math.Min(energy.Length, (int)((second + 1) * rate)));
            if (to - from >= rate / 2)
                beats.Enqueue(energy.AsSpan(from, to - from).ToArray().Max());
        }

        var intervals = new Queue<double>([rate]);
        var found = new List<int>();
        var passed = new List<int>(); // candidates since the last beat that were taken for something else
        foreach (var at in candidates)
        {
            var (noise, beat) = (Median(others), Median(beats));
            var threshold = noise + (Threshold * (beat - noise));
            // No beat for one and a half intervals: the largest that was passed over was one, if it reaches half the threshold.
            if (found.Count > 0 && at - found[^1] > 1.5 * Median(intervals))
            {
                var missed = passed.Where(p => p - found[^1] >= TWave * rate && energy[p] > threshold / 2).OrderByDescending(p => energy[p]).FirstOrDefault(-1);
                if (missed >= 0)
                    Accept(missed);
            }

            if (energy[at] > threshold && !IsTWave(at))
                Accept(at);
            else
            {
                passed.Add(at);
                Remember(others, energy[at]);
            }
        }

        return found;

        bool IsTWave(int at) => found.Count > 0 && at - found[^1] < TWave * rate && Steepest(at) < Steepest(found[^1]) / 2;

        double Steepest(int at)
        {
            var reach = (int)(0.06 * rate);
            var from = Math.Max(0, at - reach);
            return slope.AsSpan(from, Math.Min(slope.Length, at + reach + 1) - from).ToArray().Max();
        }

        void Accept(int at)
        {
            if (found.Count > 0)
                Remember(intervals, at - found[^1]);
            found.Add(at);
            Remember(beats, energy[at]);
            passed.Clear();
        }
    }

    private static int[] Refine(double[] band, List<int> beats, int reach)
    {
        var ups = beats.Count(b => Extreme(b, 1).Height >= Extreme(b, -1).Height);
        var sign = 2 * ups >= beats.Count ? 1 : -1;
        return [.. beats.Select(b => Extreme(b, sign).At).Distinct().Order()];

        (int At, double Height) Extreme(int centre, int direction)
        {
            var best = centre;
            for (var i = Math.Max(0, centre - reach); i <= Math.Min(band.Length - 1, centre + reach); i++)
            {
                if (direction * band[i] > direction * band[best])
                    best = i;
            }

            return (best, direction * band[best]);
        }
    }

    private static double[] CentredMean(double[] values, int reach)
    {
        var sums = new double[values.Length + 1];
        for (var i = 0; i < values.Length; i++)
            sums[i + 1] = sums[i] + values[i];
        return [.. Enumerable.Range(0, values.Length).Select(i =>
        {
            var (from, to) = (Math.Max(0, i - reach), Math.Min(values.Length, i + reach + 1));
            return (sums[to] - sums[from]) / (to - from);
        })];
    }

    private static void Remember(Queue<double> values, double value)
    {
        if (values.Count == Memory)
            values.Dequeue();
        values.Enqueue(value);
    }

    private static double Median(Queue<double> values)
    {
        if (values.Count == 0)
            return 0;
        var sorted = values.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }
}
