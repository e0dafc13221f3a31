using Graft.Data;
using Graft.Diffusion;
using Graft.Sampling;
using Graft.Torch;

namespace Graft;

/// <content>Drawing samples.</content>
public sealed partial class DiffusionModel
{
    /// <summary>Draws pictures. Picture i depends on (seed, i) only: neither on the count nor on the batch size.</summary>
    /// <param name="count">How many.</param>
    /// <param name="sampler">How.</param>
    /// <param name="seed">Which.</param>
    /// <param name="labels">Classes of the pictures, repeated as needed; null: all classes in turn, where the model has them.</param>
    /// <param name="batchSize">How many at a time.</param>
    /// <param name="progress">Told the number of network evaluations done, of how many.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">A label is out of range, or the sampler does not fit the schedule.</exception>
    public Samples Sample(
        int count,
        Sampler sampler,
        long seed = 0,
        IReadOnlyList<int>? labels = null,
        int batchSize = 64,
        IProgress<(long Done, long Of)>? progress = null,
        CancellationToken cancellationToken = default)
    {
        var shape = Shape; // refuses what makes no pictures
        var pictures = new List<byte[]>(count);
        var classes = LabelsOf(count, labels, seed);
        Draw(count, sampler, seed, classes, batchSize, progress, (x, n) =>
        {
            var bytes = (((FirstStage is null ? x : Decode(x)) * 0.5) + 0.5).Clamp(0, 1) * 255.0;
            var planes = bytes.Round().To(DType.UInt8).ToBytes();
            for (var i = 0; i < n; i++)
                pictures.Add(planes[(i * shape.Elements)..((i + 1) * shape.Elements)]);
        }, cancellationToken);
        return new Samples(pictures, shape, classes?.One, Describe(count, sampler, seed));
    }

    /// <summary>
    /// Draws items of any shape as the network makes them, without clipping or rounding. Item i depends on (seed, i) only. A model that
    /// takes sets of labels draws them as they are distributed in its training set, where that is known.
    /// </summary>
    /// <inheritdoc cref="Sample"/>
    public SampleSet SampleValues(
        int count,
        Sampler sampler,
        long seed = 0,
        IReadOnlyList<int>? labels = null,
        int batchSize = 1024,
        IProgress<(long Done, long Of)>? progress = null,
        CancellationToken cancellationToken = default) =>
        Values(count, sampler, seed, LabelsOf(count, labels, seed), batchSize, progress, cancellationToken);

    /// <summary>Draws items of a model that takes sets of labels. Item i depends on (seed, i) and its labels only.</summary>
    /// <inheritdoc cref="Sample"/>
    /// <param name="count">How many.</param>
    /// <param name="sampler">How.</param>
    /// <param name="seed">Which.</param>
    /// <param name="labelSets">Sets of labels, each with any number of them, repeated in turn; at least one set.</param>
    /// <param name="batchSize">How many at a time.</param>
    /// <param name="progress">Told the number of network evaluations done, of how many.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">The model takes no sets of labels, or a label is out of range.</exception>
    public SampleSet SampleLabelled(
        int count,
        Sampler sampler,
        long seed,
        IReadOnlyList<IReadOnlyList<int>> labelSets,
        int batchSize = 1024,
        IProgress<(long Done, long Of)>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfZero(labelSets.Count, nameof(labelSets));
        if (!Network.Options.TakesLabelSets)
            throw new InputException($"The model {Origin} takes no sets of labels.");
        foreach (var label in labelSets.SelectMany(set => set))
            CheckLabel(label);
        return Values(count, sampler, seed, DrawnLabels.Sets([.. Enumerable.Range(0, count).Select(i => labelSets[i % labelSets.Count])], (int)Classes), batchSize, progress, cancellationToken);
    }

    private SampleSet Values(
        int count, Sampler sampler, long seed, DrawnLabels? labels, int batchSize, IProgress<(long Done, long Of)>? progress, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var values = new float[checked(count * ItemShape.Elements)];
        var at = 0;
        Draw(count, sampler, seed, labels, batchSize, progress, (x, n) =>
        {
            x.To(DType.Float32).CopyTo(values.AsSpan(at, n * ItemShape.Elements));
            at += n * ItemShape.Elements;
        }, cancellationToken);
        return new SampleSet(ItemShape, values, Describe(count, sampler, seed), labels?.One is { } one ? Array.ConvertAll(one, c => (int)c) : null, Ecg?.Card.Classes)
        {
            LabelSets = labels?.Any, Ecg = Ecg?.Card,
        };
    }

    private string Describe(int count, Sampler sampler, long seed) => $"{count} samples of {Origin}, {sampler.Name} with {sampler.Steps} steps, seed {seed}";

    /// <summary>Draws in batches, of which <paramref name="take"/> gets the samples [n, ...], which die with it, and n.</summary>
#pragma warning disable CS1573 // the others are Sample's
    private void Draw(
        int count,
        Sampler sampler,
        long seed,
        DrawnLabels? labels,
        int batchSize,
        IProgress<(long Done, long Of)>? progress,
        Action<Tensor, int> take,
        CancellationToken cancellationToken)
#pragma warning restore CS1573
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        TorchRuntime.Run(() =>
        {
            Network.Train(false);
            var done = 0L;
            for (var first = 0; first < count; first += batchSize)
            {
                using var scope = new TensorScope();
                var items = Enumerable.Range(first, Math.Min(batchSize, count - first)).Select(i => (long)i).ToArray();
                var (start, noise) = Noise.Keyed(seed, items, ItemShape.Sizes, Device);
                var condition = labels is null ? null : new Condition { ClassLabels = labels.Rows(first, items.Length).To(Device) };
                var x = sampler.Sample(
                    Denoiser, Schedule, start, noise, condition,
                    step =>
                    {
                        var evaluations = (long)step.Count * count;
                        done += items.Length;
                        progress?.Report((done, evaluations));
                    },
                    cancellationToken);
                take(x, items.Length);
            }
        });
    }

    private DrawnLabels? LabelsOf(int count, IReadOnlyList<int>? labels, long seed)
    {
        if (!Network.Options.IsClassConditional)
        {
            return labels is null
                ? null
                : throw new InputException($"The model {Origin} takes no class labels.");
        }

        if (Classes == 0)
            throw new InputException($"The model {Origin} is conditioned on embeddings, which cannot be given here.");
        foreach (var label in labels ?? [])
            CheckLabel(label);
        if (Network.Options.TakesLabelSets && labels is null or { Count: 0 } && Ecg is { LabelSets.Count: > 0 } known && known.Card.Classes.Count == Classes)
            return DrawnLabels.Sets([.. Enumerable.Range(0, count).Select(i => known.DrawLabels(seed, i))], (int)Classes);
        long[] each = [.. Enumerable.Range(0, count).Select(i => labels is null or { Count: 0 } ? i % Classes : labels[i % labels.Count])];
        return Network.Options.TakesLabelSets
            ? DrawnLabels.Sets([.. each.Select(c => (IReadOnlyList<int>)[(int)c])], (int)Classes)
            : new DrawnLabels(each, null, 0);
    }

    private void CheckLabel(int label)
    {
        if (label < 0 || label >= Classes)
            throw new InputException($"The class {label} is out of range: {Origin} has {Classes} classes, from 0.");
    }

    /// <summary>The labels of what is drawn: one class an item, or a set.</summary>
    /// <param name="One">Classes, [N]; null: sets.</param>
    /// <param name="Any">Sets, [N, <paramref name="Width"/>] of zeros and ones; null: classes.</param>
    /// <param name="Width">The number of classes of sets.</param>
    private sealed record DrawnLabels(long[]? One, float[]? Any, int Width)
    {
        internal static DrawnLabels Sets(IReadOnlyList<IReadOnlyList<int>> sets, int width)
        {
            var rows = new float[checked(sets.Count * width)];
            for (var i = 0; i < sets.Count; i++)
            {
                foreach (var label in sets[i])
                    rows[(i * width) + label] = 1;
            }

            return new DrawnLabels(null, rows, width);
        }

        internal Tensor Rows(int first, int count) => One is not null
            ? Tensor.From(One[first..(first + count)], count)
            : Tensor.From(Any![(first * Width)..((first + count) * Width)], count, Width);
    }
}
