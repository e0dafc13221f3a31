using Graft.Data;
using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// Batches of items with their noise and time steps. Every epoch is a permutation of the items; order, mirroring, noise and
/// time steps are functions of (seed, draw number).
/// </summary>
public sealed class SampleBatches : IBatchSource
{
    private readonly ISampleSource _samples;
    private readonly int? _mirroredWidth;
    private readonly NoiseSchedule _schedule;
    private readonly Device _device;
    private readonly ItemLabels _labels;
    private readonly ItemConditions? _conditions;
    private readonly EpochOrder _order;
    private readonly KeyedRandom _mirror;
    private readonly KeyedRandom _time;
    private readonly KeyedRandom _noise;

    /// <summary>Prepares batches.</summary>
    /// <param name="samples">The items.</param>
    /// <param name="schedule">The noise schedule; t is uniform over its steps.</param>
    /// <param name="seed">Seed of order, mirroring, noise and time steps.</param>
    /// <param name="flip">Whether to mirror at random; pictures only.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <exception cref="InputException">What is no picture was to be mirrored, or the items are for judging only.</exception>
    public SampleBatches(ISampleSource samples, NoiseSchedule schedule, long seed, bool flip, Device device = default)
        : this(samples, schedule, seed, flip, device, null)
    {
    }

    /// <param name="samples">The items.</param>
    /// <param name="schedule">The noise schedule; t is uniform over its steps.</param>
    /// <param name="seed">Seed of order, mirroring, noise and time steps.</param>
    /// <param name="flip">Whether to mirror at random; pictures only.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <param name="conditions">What the items are conditioned on; null: nothing.</param>
    internal SampleBatches(ISampleSource samples, NoiseSchedule schedule, long seed, bool flip, Device device, ItemConditions? conditions)
    {
        ArgumentNullException.ThrowIfNull(samples);
        if (samples.IsForJudging)
            throw new InputException($"Nothing may be trained on {samples.Description}: give the training split.");
        _samples = samples;
        _schedule = schedule;
        _mirroredWidth = flip ? samples.Pictures("The training option flip mirrors").Shape.Width : null;
        _device = device;
        _labels = new ItemLabels(samples);
        _conditions = conditions;
        _order = new EpochOrder(samples.Count, seed);
        _mirror = new KeyedRandom(seed, "training/mirror");
        _time = new KeyedRandom(seed, "training/time step");
        _noise = new KeyedRandom(seed, "training/noise");
    }

    /// <inheritdoc/>
    public string Description => _samples.Description;

    /// <inheritdoc/>
    public Batch Read(long step, long[] items)
    {
        var shape = _samples.ItemShape;
        var size = shape.Elements;
        var values = new float[size * items.Length];
        var indices = Array.ConvertAll(items, _order.IndexOf);
        var mirrored = new bool[items.Length];
        for (var k = 0; k < items.Length; k++)
        {
            var destination = values.AsSpan(k * size, size);
            _samples.Read(indices[k], destination);
            if (_mirroredWidth is not { } width || !(_mirror.Uniform(0, items[k]) < 0.5))
                continue;
            MirroredImages.Mirror(destination, width);
            mirrored[k] = true;
        }

        return new Batch(
            step,
            items,
            Tensor.From(values, [items.Length, .. shape.Sizes]).Upload(_device),
            _schedule.DrawTimes(_time, items).Upload(_device),
            _noise.Normal(0, items, shape.Sizes).Upload(_device),
            _labels.Of(indices, _device))
        {
            Embedding = _conditions?.Of(indices, mirrored, items).Upload(_device),
        };
    }
}
