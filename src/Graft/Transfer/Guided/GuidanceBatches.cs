using Graft.Data;
using Graft.Diffusion;
using Graft.Torch;
using Graft.Training;

namespace Graft.Transfer.GuidedParts;

/// <summary>
/// Batches of both domains, and as many items of the source again that are drawn in proportion to their ratio q/p. Few items of a source lie
/// where its target does, and hold nearly all of E_p[r·f]; drawn by r, every batch holds some of them. The ratio is that of a classifier
/// which an earlier stage trains, so these items are chosen when the first batch is read.
/// </summary>
internal sealed class GuidanceBatches : IBatchSource
{
    private readonly DomainBatches _domains;
    private readonly Lazy<(SampleBatches Batches, double MeanRatio)> _byRatio;

    /// <param name="domains">The other two thirds.</param>
    /// <param name="source">The source's items.</param>
    /// <param name="ratios">Theirs.</param>
    /// <param name="schedule">The noise schedule.</param>
    /// <param name="options">Seed and mirroring.</param>
    /// <param name="device">Where the tensors go.</param>
    internal GuidanceBatches(
        DomainBatches domains, ISampleSource source, SourceRatios ratios, NoiseSchedule schedule, TrainingOptions options, Device device)
    {
        _domains = domains;
        _byRatio = new(() =>
        {
            double[] weights = [.. ratios.Ratios];
            var chosen = Systematic(weights, new KeyedRandom(options.Seed, "tgdp/by ratio").Uniform(0, 0));
            // Most are chosen more than once: items for a batch, and no set of recordings, which holds each once.
            ISampleSource repeated = source is IImageSource ? source.Subset(chosen) : new SampleSubset(source, chosen);
            return (new SampleBatches(repeated, schedule, unchecked(options.Seed + 1), options.Flip, device), weights.Average());
        });
    }

    /// <inheritdoc/>
    public string Description => $"{_domains.Description}, and by its ratio";

    /// <summary>The mean ratio of the source's items, which weighs what is drawn by it.</summary>
    internal double MeanRatio => _byRatio.Value.MeanRatio;

    /// <inheritdoc/>
    /// <returns>3N items for N draws: of the source, of the target, of the source by its ratio.</returns>
    public Batch Read(long step, long[] items)
    {
        var (both, more) = (_domains.Read(step, items), _byRatio.Value.Batches.Read(step, items));
        return new Batch(
            step,
            items,
            Tensor.Cat([both.X0, more.X0]),
            Tensor.Cat([both.T, more.T]),
            Tensor.Cat([both.Noise, more.Noise]),
            both.ClassLabels is null || more.ClassLabels is null ? null : Tensor.Cat([both.ClassLabels, more.ClassLabels]));
    }

    /// <summary>
    /// As many indices as there are weights, each as often as its share says, give or take one (systematic resampling).
    /// </summary>
    /// <param name="weights">Not negative, with a sum above 0.</param>
    /// <param name="offset">In [0, 1).</param>
    internal static int[] Systematic(ReadOnlySpan<double> weights, double offset)
    {
        var total = 0.0;
        foreach (var weight in weights)
            total += weight;
        var chosen = new int[weights.Length];
        var (index, sum) = (0, weights[0]);
        for (var k = 0; k < chosen.Length; k++)
        {
            var due = (k + offset) / chosen.Length * total;
            while (sum <= due && index < weights.Length - 1)
                sum += weights[++index];
            chosen[k] = index;
        }

        return chosen;
    }
}
