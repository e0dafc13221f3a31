using System.Globalization;
using System.Text.Json.Nodes;
using Graft.Data.Ecg;
using Graft.Formats.Images;

namespace Graft.Evaluation.Ecg;

/// <summary>
/// Heart rate and variability of samples held against those of the target: distances between distributions (<see cref="Wasserstein1D"/>),
/// and the share of records in which no rhythm is found at all.
/// </summary>
public sealed class RhythmMetric : IMetric
{
    private static readonly (string Name, string Unit, Func<RrIntervals, double> Of)[] Quantities =
    [
        ("heart_rate", "beats a minute", rr => rr.HeartRate),
        ("sdnn", "ms", rr => 1000 * rr.Sdnn),
        ("rmssd", "ms", rr => 1000 * rr.Rmssd),
    ];

    /// <inheritdoc/>
    public string Name => "rhythm";

    /// <inheritdoc/>
    public bool ComparesSets => true;

    /// <summary>The lead whose R peaks are taken: II where it is there, else the first of V5, I, V2, else the first of all.</summary>
    /// <param name="leads">Names.</param>
    public static string Lead(IReadOnlyList<string> leads)
    {
        ArgumentNullException.ThrowIfNull(leads);
        return ((string[])["II", "V5", "I", "V2"]).FirstOrDefault(leads.Contains) ?? leads[0];
    }

    /// <inheritdoc/>
    public MetricReport Measure(EvaluationInput input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        const string Need = "Rhythm is that of";
        var (samples, target, training) = (EcgItems.Of(input.Samples, Need), EcgItems.Of(input.Target, Need), EcgItems.Of(input.Training, Need));
        EcgSet.CheckComparable(samples, target);
        EcgSet.CheckComparable(samples, training);
        var lead = Lead(samples.Leads);
        var (own, theirs) = (Rhythms(samples, lead), Rhythms(target, lead));
        var known = ReferenceEquals(target, training) ? null : Rhythms(training, lead);
        var values = new List<MetricValue>();
        var (notes, details) = (new List<string>(), new JsonObject());
        notes.Add($"Rhythm: R peaks of lead {lead}; {samples.Count} samples against {target.Count} records of the target. Distances are Wasserstein's, in beats a minute and in milliseconds{(known is null ? "" : "; those of the training records to the target, beside them, say what a difference between real sets is")}.");
        foreach (var (name, unit, of) in Quantities)
        {
            var (mine, real, trained) = (Values(own, of), Values(theirs, of), known is null ? [] : Values(known, of));
            values.Add(new MetricValue($"{name}_distance", Distance(mine, real), mine.Length));
            if (known is not null)
                values.Add(new MetricValue($"{name}_distance_of_training", Distance(trained, real), trained.Length));
            values.Add(new MetricValue($"{name}_median", mine.Length == 0 ? null : Quantiles.Median(mine), mine.Length));
            values.Add(new MetricValue($"{name}_median_of_target", real.Length == 0 ? null : Quantiles.Median(real), real.Length));
            details[name] = new JsonObject { ["unit"] = unit, ["samples"] = Quantile(mine), ["target"] = Quantile(real), ["training"] = known is null ? null : Quantile(trained) };
        }

        var (without, without2) = (new Share(own.Count(r => !r.HasRhythm), own.Length), new Share(theirs.Count(r => !r.HasRhythm), theirs.Length));
        values.Add(Missing("no_rhythm_share", without));
        values.Add(Missing("no_rhythm_share_of_target", without2));
        if (without.Count == without.Of || without2.Count == without2.Of)
            notes.Add($"In no record of the {(without.Count == without.Of ? "samples" : "target")} were three beats found, and so there is no rhythm to compare.");
        var (rates, rates2) = (Values(own, Quantities[0].Of), Values(theirs, Quantities[0].Of));
        return new MetricReport
        {
            Metric = Name,
            Space = $"RR intervals of lead {lead}",
            Values = values,
            Settings = new JsonObject { ["lead"] = lead, ["target"] = target.Count, ["training"] = training.Count },
            Notes = notes,
            Details = details,
            Pictures = rates.Length == 0 || rates2.Length == 0 ? [] : new Dictionary<string, Picture>
            {
                ["heart-rates.png"] = EcgPictures.HeartRates(rates, rates2, Wasserstein1D.Of(rates, rates2)),
            },
        };
    }

    private static RrIntervals[] Rhythms(EcgSet set, string lead) => RrIntervals.Of(set, lead);

    private static double[] Values(RrIntervals[] rhythms, Func<RrIntervals, double> of) => [.. rhythms.Where(r => r.HasRhythm).Select(of)];

    private static double? Distance(double[] a, double[] b) => a.Length == 0 || b.Length == 0 ? null : Wasserstein1D.Of(a, b);

    private static MetricValue Missing(string name, Share share) => new(name, share.Value, share.Of, share.Interval.Low, share.Interval.High);

    private static JsonObject? Quantile(double[] values) => values.Length == 0 ? null : new JsonObject(
        Quantiles.Reported.Select(q => KeyValuePair.Create(q.ToString(CultureInfo.InvariantCulture), (JsonNode?)Quantiles.At(values, q))));
}
