using Graft.Data;
using Graft.Formats.Images;

namespace Graft.Evaluation;

/// <summary>
/// The mean density and log density of samples under the true distribution, where the target's is known. The mean density is what the
/// TGDP paper reports as likelihood; a higher one is not better (samples that crowd at the modes exceed true ones), so it is reported
/// beside that of the target's own items, and decides nothing.
/// </summary>
public sealed class LikelihoodMetric : IMetric
{
    /// <inheritdoc/>
    public string Name => "likelihood";

    /// <inheritdoc/>
    /// <exception cref="InputException">The target's density is not known.</exception>
    public MetricReport Measure(EvaluationInput input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        var density = (input.Target as SampleSet)?.Density
            ?? throw new InputException($"The true density of {input.Target.Description} is not known: likelihoods take a mixture as target.");
        var (samples, own) = (Of(density, input.Samples), Of(density, input.Target));
        return new MetricReport
        {
            Metric = Name,
            Space = "true density of the target",
            Values =
            [
                new("mean_log_density", samples.Log, input.Samples.Count), new("mean_density", samples.Plain, input.Samples.Count),
                new("mean_log_density_of_target", own.Log, input.Target.Count), new("mean_density_of_target", own.Plain, input.Target.Count),
            ],
            Pictures = PointPlots.Fits(input.Samples)
                ? new Dictionary<string, Picture> { ["samples.png"] = PointPlots.Samples(input.Samples, density, "Samples over the true density of the target") }
                : [],
            Notes = [$"Likelihood of {input.Samples.Count} samples under the true density. Reported, not trusted: what crowds at the modes, or copies, scores higher than true samples do."],
        };
    }

    /// <summary>Mean log density and mean density of a set's items.</summary>
    public static (double Log, double Plain) Of(GaussianMixture density, ISampleSource items)
    {
        ArgumentNullException.ThrowIfNull(density);
        ArgumentNullException.ThrowIfNull(items);
        if (items.ItemShape != new ItemShape(density.Dimensions))
            throw new InputException($"The density of {density} is that of {density.Dimensions} numbers: {items.Description} holds items of {items.ItemShape}.");
        var numbers = items.Numbers();
        var logs = Enumerable.Range(0, items.Count).Select(i => density.LogDensity(Matrix.Row(numbers, i))).ToArray();
        return (logs.Average(), logs.Average(Math.Exp));
    }
}

/// <summary>The metrics of points.</summary>
public static class PointMetrics
{
    /// <summary>More training points than these are not compared with, in the measure of copies.</summary>
    private const int MostTraining = 2000;

    /// <summary>What is measured of samples that are no pictures: distances between distributions, copies, and the likelihood where it is known.</summary>
    public static IReadOnlyList<IMetric> Of(ISampleSource target) =>
    [
        new EnergyMetric(),
        new SlicedWassersteinMetric(),
        .. (target as SampleSet)?.Density is null ? (IMetric[])[] : [new LikelihoodMetric()],
        new MemorisationMetric(new MemorisationOptions { Distance = EuclideanDistance.Instance, MostTraining = MostTraining }),
    ];
}
