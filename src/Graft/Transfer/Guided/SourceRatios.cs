using Graft.Data;
using Graft.Evaluation;
using Graft.Torch;
using Graft.Training;
using Microsoft.Extensions.Logging;

namespace Graft.Transfer.GuidedParts;

/// <summary>
/// The ratios q/p of the source's items, all that h is fitted to. Earlier stages train the classifiers that give them, so they are computed when
/// they are first asked for.
/// </summary>
/// <param name="source">The items.</param>
/// <param name="logRatio">log q/p of clean items, within its limits.</param>
/// <param name="device">Where the classifiers are.</param>
internal sealed class SourceRatios(ISampleSource source, LogRatio logRatio, Device device)
{
    private const int AtATime = 256;
    private const double Few = 10;
    private readonly Lazy<double[]> _logarithms = new(() => Logarithms(source, logRatio, device));
    private bool _told;

    /// <summary>q/p of each.</summary>
    internal IReadOnlyList<double> Ratios => [.. _logarithms.Value.Select(Math.Exp)];

    /// <summary>
    /// Says, once, how much h has to learn from: how far the ratios differ, and how many items they weigh as (Kish's effective sample size).
    /// Ratios that are all alike guide nowhere; where a few items carry all the weight, their peculiarities guide.
    /// </summary>
    internal void Tell(ILogger logger)
    {
        if (_told)
            return;
        _told = true;
        var (logarithms, effective) = (_logarithms.Value, EffectiveCount(Ratios));
        logger.LogInformation(
            "log ratio of the source's {Count} items: {Low:0.0} to {High:0.0} (5th to 95th percentile), at most {Most:0.0}; weighed by the ratio they count as {Effective:0.0}",
            logarithms.Length, Quantiles.At(logarithms, 0.05), Quantiles.At(logarithms, 0.95), logarithms.Max(), effective);
        if (effective < Few)
            logger.LogWarning(
                "{Effective:0.0} of the source's {Count} items carry the ratio: what is peculiar to them will guide. More items of the source (source_count), or a classifier that is less sure (classifier_noise, classifier_weight_decay, classifier_folds) may help",
                effective, logarithms.Length);
    }

    /// <summary>(Σ w)² / Σ w²: how many equal weights are as uncertain as these (Kish 1965).</summary>
    internal static double EffectiveCount(IReadOnlyList<double> weights)
    {
        var most = weights.Max();
        var (sum, squares) = (0.0, 0.0);
        foreach (var weight in weights)
        {
            sum += weight / most;
            squares += weight / most * (weight / most);
        }

        return sum * sum / squares;
    }

    private static double[] Logarithms(ISampleSource source, LogRatio logRatio, Device device)
    {
        var (size, values, labels) = (source.ItemShape.Elements, new double[source.Count], new ItemLabels(source));
        for (var first = 0; first < values.Length; first += AtATime)
        {
            int[] indices = [.. Enumerable.Range(first, Math.Min(AtATime, values.Length - first))];
            var items = new float[size * indices.Length];
            for (var k = 0; k < indices.Length; k++)
                source.Read(indices[k], items.AsSpan(k * size, size));
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            var x = Tensor.From(items, [indices.Length, .. source.ItemShape.Sizes]).To(device);
            logRatio(x, x, labels.Of(indices, device)).To(DType.Float64).ToArray<double>().CopyTo(values, first);
        }

        return values;
    }
}
