using Graft.Conditions;
using Graft.Data;
using Graft.Diffusion;
using Graft.Networks;
using Graft.Sampling;
using Graft.Torch;

namespace Graft;

/// <content>Drawing samples.</content>
public sealed partial class DiffusionModel
{
    private FeatureReuse? _featureReuse;

    /// <summary>Deep features that the network's evaluations share while it draws, which is faster and not exact; null: they share none.</summary>
    /// <exception cref="InputException">The network is no U-Net of pictures, or has not so many skip connections.</exception>
    public FeatureReuse? FeatureReuse
    {
        get => _featureReuse;
        set
        {
            value?.Validate(Network is UNet2D network ? network.Connections
                : throw new InputException($"Deep features are reused of U-Nets of pictures, and {Origin} ({Network.Options.ClassName}) is none."));
            _featureReuse = value;
        }
    }

    /// <summary>Draws pictures. Picture i depends on (seed, i) only: neither on the count nor on the batch size.</summary>
    /// <param name="count">How many.</param>
    /// <param name="sampler">How.</param>
    /// <param name="seed">Which.</param>
    /// <param name="labels">
    /// Classes of the pictures, repeated as needed; null: all classes in turn, where the model has them. Of a model with condition
    /// pictures: the classes of those; null: all of them in turn.
    /// </param>
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
        var plan = PlanOf(count, labels, seed);
        Draw(count, sampler, seed, plan, batchSize, progress, (x, n) =>
        {
            var bytes = (((FirstStage is null ? x : Decode(x)) * 0.5) + 0.5).Clamp(0, 1) * 255.0;
            var planes = bytes.Round().To(DType.UInt8).ToBytes();
            for (var i = 0; i < n; i++)
                pictures.Add(planes[(i * shape.Elements)..((i + 1) * shape.Elements)]);
        }, cancellationToken);
        var rows = plan.Conditions;
        var drawn = plan.Labels?.One ?? (rows is not null && Conditions!.Labels is { } known ? Array.ConvertAll(rows, r => (long)known[r]) : null);
        return new Samples(pictures, shape, drawn, Describe(count, sampler, seed))
        {
            Classes = rows is null ? [] : Conditions!.Classes,
            ConditionNames = rows is null ? null : Array.ConvertAll(rows, r => Conditions!.Names[r]),
        };
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
        Values(count, sampler, seed, PlanOf(count, labels, seed), batchSize, progress, cancellationToken);

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
        var sets = DrawnLabels.Sets([.. Enumerable.Range(0, count).Select(i => labelSets[i % labelSets.Count])], (int)Classes);
        return Values(count, sampler, seed, new DrawingPlan(sets, ConditionsOf(count, null)), batchSize, progress, cancellationToken);
    }

    private SampleSet Values(
        int count, Sampler sampler, long seed, DrawingPlan plan, int batchSize, IProgress<(long Done, long Of)>? progress, CancellationToken cancellationToken)
    {
        var labels = plan.Labels;
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var values = new float[checked(count * ItemShape.Elements)];
        var at = 0;
        Draw(count, sampler, seed, plan, batchSize, progress, (x, n) =>
        {
            x.To(DType.Float32).CopyTo(values.AsSpan(at, n * ItemShape.Elements));
            at += n * ItemShape.Elements;
        }, cancellationToken);
        return new SampleSet(ItemShape, values, Describe(count, sampler, seed), labels?.One is { } one ? Array.ConvertAll(one, c => (int)c) : null, Ecg?.Card.Classes)
        {
            LabelSets = labels?.Any, Ecg = Ecg?.Card,
        };
    }

    private string Describe(int count, Sampler sampler, long seed) => $"{count} samples of {Origin}, {sampler.Name} with {sampler.Steps} steps, seed {seed}{Conditioning.Text}{FeatureReuse?.Text}";

    /// <summary>
    /// The processes that draw together: each makes every so many-th batch and gets all of them, the same bits that one process makes in
    /// batches of this size. Null: this one draws alone. All call the same methods in the same order.
    /// </summary>
    public ProcessGroup? Processes { get; set; }

    /// <summary>Draws in batches, of which <paramref name="take"/> gets the samples [n, ...], which die with it, and n.</summary>
#pragma warning disable CS1573 // the others are Sample's
    private void Draw(
        int count,
        Sampler sampler,
        long seed,
        DrawingPlan plan,
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
            var (rank, size) = (Processes?.Rank ?? 0, Processes?.Size ?? 1);
            batchSize = Math.Min(batchSize, count);
            for (var round = 0; round < count; round += batchSize * size)
            {
                using var scope = new TensorScope();
                var own = round + (rank * batchSize) < count ? Batch(round + (rank * batchSize)) : null;
                for (var k = 0; k < size && round + (k * batchSize) < count; k++)
                {
                    var n = Math.Min(batchSize, count - round - (k * batchSize));
                    var x = k == rank ? own!.Contiguous() : Tensor.Zeros([n, .. ItemShape.Sizes], DType.Float32, Device);
                    Processes?.Broadcast(x, k);
                    take(x, n);
                }
            }

            Tensor Batch(int first)
            {
                var items = Enumerable.Range(first, Math.Min(batchSize, count - first)).Select(i => (long)i).ToArray();
                var (start, noise) = Noise.Keyed(seed, items, ItemShape.Sizes, Device);
                var condition = plan.Labels is null && plan.Conditions is null ? null : new Condition
                {
                    ClassLabels = plan.Labels?.Rows(first, items.Length).To(Device),
                    Embedding = plan.Conditions is null ? null : Conditions!.Rows(plan.Conditions.AsSpan(first, items.Length)).To(Device),
                };
                using var shared = FeatureReuse is null ? null : ((UNet2D)Network).Share(FeatureReuse);
                return sampler.Sample(
                    Conditioned(seed, items), Schedule, start, noise, condition,
                    step =>
                    {
                        var evaluations = (long)step.Count * count;
                        done += items.Length;
                        progress?.Report((done, evaluations));
                    },
                    cancellationToken);
            }
        });
    }

    /// <summary>The denoiser as <see cref="Conditioning"/> changes it.</summary>
    private IDenoiser Conditioned(long seed, long[] items)
    {
        var denoiser = Denoiser;
        if (Conditioning.GuidanceScale != 1)
            denoiser = new ClassifierFreeDenoiser(denoiser, Conditioning.GuidanceScale);
        return Conditioning.MaskRate > 0 ? new MaskedConditionDenoiser(denoiser, Conditioning, seed, items) : denoiser;
    }

    private DrawingPlan PlanOf(int count, IReadOnlyList<int>? labels, long seed)
    {
        // A network that takes no classes may yet have conditions of several.
        var replaced = Attachment is { ReplacesClasses: true, Conditions: not null };
        var ofConditions = replaced || (Conditions is not null && !Network.Options.IsClassConditional);
        return new DrawingPlan(replaced ? null : LabelsOf(count, ofConditions ? null : labels, seed), ConditionsOf(count, ofConditions ? labels : null));
    }

    /// <summary>Which condition each item gets: all in turn, or those of the classes in turn. Null where the model takes none.</summary>
    private int[]? ConditionsOf(int count, IReadOnlyList<int>? labels)
    {
        Conditioning.Validate();
        if (Conditions is not { } table)
        {
            return Conditioning == ConditionOptions.Default
                ? null
                : throw new InputException($"The model {Origin} takes no condition pictures: leave out the mask rate and the guidance scale.");
        }

        if (labels is null or { Count: 0 })
            return [.. Enumerable.Range(0, count).Select(i => i % table.Count)];
        var ofClass = labels.Distinct().ToDictionary(l => l, l => table.OfClass(l, Origin));
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            var rows = ofClass[labels[i % labels.Count]];
            return rows[i / labels.Count % rows.Length];
        })];
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

    /// <summary>What items are to be.</summary>
    /// <param name="Labels">Of a class-conditional network; else null.</param>
    /// <param name="Conditions">Row of <see cref="ConditionTable"/> for each item; null where the model takes no conditions.</param>
    private sealed record DrawingPlan(DrawnLabels? Labels, int[]? Conditions);

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
