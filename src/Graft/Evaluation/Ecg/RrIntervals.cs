using Graft.Data.Ecg;

namespace Graft.Evaluation.Ecg;

/// <summary>The times between the R peaks of a record, and what follows from them.</summary>
/// <remarks>
/// Definitions: Task Force of the ESC and NASPE, "Heart rate variability", Circulation 93:1043-1065, 1996. All are NaN where there are too
/// few beats: two for the rate, three for the others.
/// </remarks>
public sealed record RrIntervals
{
    private RrIntervals(IReadOnlyList<double> seconds) => Seconds = seconds;

    /// <summary>The times from beat to beat in seconds.</summary>
    public IReadOnlyList<double> Seconds { get; }

    /// <summary>Beats a minute: 60 over the mean interval.</summary>
    public double HeartRate => Seconds.Count >= 1 ? 60 / Seconds.Average() : double.NaN;

    /// <summary>The coefficient of variation: standard deviation (divisor n - 1) over mean.</summary>
    public double Variation
    {
        get
        {
            if (Seconds.Count < 2)
                return double.NaN;
            var mean = Seconds.Average();
            return Math.Sqrt(Seconds.Sum(s => (s - mean) * (s - mean)) / (Seconds.Count - 1)) / mean;
        }
    }

    /// <summary>The root mean square of differences between neighbouring intervals (RMSSD), over the mean interval.</summary>
    public double RelativeRmssd => Seconds.Count >= 2
        ? Math.Sqrt(Differences.Average(d => d * d)) / Seconds.Average()
        : double.NaN;

    /// <summary>The standard deviation of the intervals in seconds (SDNN, divisor n - 1).</summary>
    public double Sdnn => Variation * (Seconds.Count > 0 ? Seconds.Average() : double.NaN);

    /// <summary>The root mean square of differences between neighbouring intervals in seconds (RMSSD).</summary>
    public double Rmssd => Seconds.Count >= 2 ? Math.Sqrt(Differences.Average(d => d * d)) : double.NaN;

    /// <summary>Whether there are beats enough for a rhythm: three, so that two intervals can be compared.</summary>
    public bool HasRhythm => Seconds.Count >= 2;

    /// <summary>The share of neighbouring intervals that differ by more than 50 ms (pNN50).</summary>
    public double Nn50 => Seconds.Count >= 2 ? Differences.Average(d => Math.Abs(d) > 0.05 ? 1.0 : 0.0) : double.NaN;

    private IEnumerable<double> Differences => Seconds.Skip(1).Zip(Seconds, (next, last) => next - last);

    /// <summary>From R peaks.</summary>
    /// <param name="peaks">Places of samples, rising.</param>
    /// <param name="rate">Samples a second.</param>
    public static RrIntervals Of(IReadOnlyList<int> peaks, double rate)
    {
        ArgumentNullException.ThrowIfNull(peaks);
        return new RrIntervals([.. peaks.Skip(1).Zip(peaks, (next, last) => (next - last) / rate)]);
    }

    /// <summary>Of every record of a set, from the R peaks of one lead (<see cref="RPeaks"/>).</summary>
    /// <param name="set">The records.</param>
    /// <param name="lead">Its name.</param>
    /// <exception cref="InputException">There is no such lead, or the sampling rate is too low.</exception>
    public static RrIntervals[] Of(EcgSet set, string lead = "II")
    {
        ArgumentNullException.ThrowIfNull(set);
        var at = set.LeadIndex(lead);
        if (set.SamplingRate < RPeaks.LowestRate)
            throw new InputException(FormattableString.Invariant($"R peaks need at least {RPeaks.LowestRate} samples a second and {set.Card.Name} has {set.SamplingRate}; resample it."));
        return [.. set.Records.Select(r => Of(RPeaks.Detect(r.Lead(at), set.SamplingRate), set.SamplingRate))];
    }
}
