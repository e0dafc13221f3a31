using System.Text.Json.Nodes;
using Graft.Data.Ecg;

namespace Graft.Evaluation.Ecg;

/// <summary>The metrics of ECGs.</summary>
public static class EcgMetrics
{
    /// <summary>More training records than these are not compared with, in the measure of copies; drawn by the seed.</summary>
    private const int MostTraining = 2000;

    /// <summary>More of them do not look for their nearest other one.</summary>
    private const int MostLeaveOneOut = 300;

    /// <summary>What is measured without training anything: rhythm, lead equations, copies.</summary>
    public static IReadOnlyList<IMetric> Of() =>
    [
        new RhythmMetric(),
        new LeadEquationsMetric(),
        new MemorisationMetric(new MemorisationOptions { Distance = new EcgDistance(), MostTraining = MostTraining, MostLeaveOneOut = MostLeaveOneOut }),
    ];
}

/// <summary>Whether samples obey the equations between the limb leads (<see cref="LeadEquations"/>), as a metric: real ECGs do.</summary>
public sealed class LeadEquationsMetric : IMetric
{
    /// <summary>A record of which a larger share of the limb leads' variance contradicts the equations, whatever the leads' scales, breaks them.</summary>
    public const double Bar = 1e-3;

    /// <inheritdoc/>
    public string Name => "lead_equations";

    /// <inheritdoc/>
    public MetricReport Measure(EvaluationInput input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        const string Need = "Lead equations are those of";
        var (samples, target) = (EcgItems.Of(input.Samples, Need), EcgItems.Of(input.Target, Need));
        const string Space = "limb leads, scales refitted to each record";
        if (EcgLeads.Limb.Any(lead => !samples.Leads.Contains(lead) || !target.Leads.Contains(lead)))
        {
            return new MetricReport
            {
                Metric = Name,
                Space = Space,
                Values = [new("breaking_share", null, samples.Count)],
                Notes = ["Lead equations: not all six limb leads are there, so that there is nothing to check; two of them give the others, which then obey."],
            };
        }

        var (own, theirs) = (LeadEquations.Of(samples), LeadEquations.Of(target));
        Share broken = new(own.Refitted.Count(r => r > Bar), samples.Count), broken2 = new(theirs.Refitted.Count(r => r > Bar), target.Count);
        return new MetricReport
        {
            Metric = Name,
            Space = Space,
            Values =
            [
                new("breaking_share", broken.Value, broken.Of, broken.Interval.Low, broken.Interval.High),
                new("breaking_share_of_target", broken2.Value, broken2.Of, broken2.Interval.Low, broken2.Interval.High),
                new("residual_median", Quantiles.Median(own.Refitted), samples.Count),
                new("residual_95", Quantiles.At(own.Refitted, 0.95), samples.Count),
                new("residual_median_of_target", Quantiles.Median(theirs.Refitted), target.Count),
                new("residual_median_as_they_are", Quantiles.Median(own.AsTheyAre), samples.Count),
            ],
            Settings = new JsonObject { ["bar"] = Bar },
            Notes = [FormattableString.Invariant($"Lead equations: the share of the limb leads' variance that contradicts III = II - I and the others, after each record's scales were fitted; a record breaks them where it is above {Bar}.")],
        };
    }
}
