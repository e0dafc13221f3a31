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
        var classes = Draw(count, sampler, seed, labels, batchSize, progress, (x, n) =>
        {
            var bytes = ((x * 0.5) + 0.5).Clamp(0, 1) * 255.0;
            var planes = bytes.Round().To(DType.UInt8).ToBytes();
            for (var i = 0; i < n; i++)
                pictures.Add(planes[(i * shape.Elements)..((i + 1) * shape.Elements)]);
        }, cancellationToken);
        return new Samples(pictures, shape, classes, Describe(count, sampler, seed));
    }

    /// <summary>Draws items of any shape as the network makes them, without clipping or rounding. Item i depends on (seed, i) only.</summary>
    /// <inheritdoc cref="Sample"/>
    public SampleSet SampleValues(
        int count,
        Sampler sampler,
        long seed = 0,
        IReadOnlyList<int>? labels = null,
        int batchSize = 1024,
        IProgress<(long Done, long Of)>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var values = new float[checked(count * ItemShape.Elements)];
        var at = 0;
        var classes = Draw(count, sampler, seed, labels, batchSize, progress, (x, n) =>
        {
            x.To(DType.Float32).CopyTo(values.AsSpan(at, n * ItemShape.Elements));
            at += n * ItemShape.Elements;
        }, cancellationToken);
        return new SampleSet(ItemShape, values, Describe(count, sampler, seed), classes is null ? null : Array.ConvertAll(classes, c => (int)c));
    }

    private string Describe(int count, Sampler sampler, long seed) => $"{count} samples of {Origin}, {sampler.Name} with {sampler.Steps} steps, seed {seed}";

    /// <summary>Draws in batches, of which <paramref name="take"/> gets the samples [n, ...], which die with it, and n.</summary>
    /// <returns>The classes that were drawn; null where there are none.</returns>
#pragma warning disable CS1573 // the others are Sample's
    private long[]? Draw(
        int count,
        Sampler sampler,
        long seed,
        IReadOnlyList<int>? labels,
        int batchSize,
        IProgress<(long Done, long Of)>? progress,
        Action<Tensor, int> take,
        CancellationToken cancellationToken)
#pragma warning restore CS1573
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        var classes = ClassesOf(count, labels);
        TorchRuntime.Run(() =>
        {
            Network.Train(false);
            var done = 0L;
            for (var first = 0; first < count; first += batchSize)
            {
                using var scope = new TensorScope();
                var items = Enumerable.Range(first, Math.Min(batchSize, count - first)).Select(i => (long)i).ToArray();
                var (start, noise) = Noise.Keyed(seed, items, ItemShape.Sizes, Device);
                var condition = classes is null ? null : new Condition { ClassLabels = Tensor.From(classes[first..(first + items.Length)], items.Length).To(Device) };
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
        return classes;
    }

    private long[]? ClassesOf(int count, IReadOnlyList<int>? labels)
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
        {
            if (label < 0 || label >= Classes)
                throw new InputException($"The class {label} is out of range: {Origin} has {Classes} classes, from 0.");
        }

        return [.. Enumerable.Range(0, count).Select(i => labels is null or { Count: 0 } ? i % Classes : labels[i % labels.Count])];
    }
}
