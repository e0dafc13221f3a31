using Graft.Data;
using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// Batches of FixMatch: B labelled pictures, weakly varied, then μB unlabelled ones, weakly varied, then the same ones strongly varied, all in
/// <see cref="Batch.X0"/>. The draws of a step are numbered by its labelled pictures; draw i brings the unlabelled draws iμ … iμ + μ - 1.
/// </summary>
public sealed class FixMatchBatches : IBatchSource
{
    private readonly IImageSource _labelled;
    private readonly IImageSource _unlabelled;
    private readonly int _mu;
    private readonly Device _device;
    private readonly EpochOrder _labelledOrder;
    private readonly EpochOrder _unlabelledOrder;
    private readonly WeakAugmentation _labelledWeak;
    private readonly WeakAugmentation _unlabelledWeak;
    private readonly StrongAugmentation _unlabelledStrong;

    /// <summary>Prepares batches.</summary>
    /// <param name="labelled">Pictures with labels.</param>
    /// <param name="unlabelled">Pictures of the same shape, whose labels are not looked at (but by <see cref="Truth"/>).</param>
    /// <param name="options">FixMatch's settings.</param>
    /// <param name="seed">Seed of order and variation.</param>
    /// <param name="flip">Whether to mirror at random.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <exception cref="InputException">The shapes differ, or a setting is out of range.</exception>
    public FixMatchBatches(IImageSource labelled, IImageSource unlabelled, FixMatchOptions options, long seed, bool flip, Device device = default)
    {
        ArgumentNullException.ThrowIfNull(labelled);
        ArgumentNullException.ThrowIfNull(unlabelled);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (labelled.Shape != unlabelled.Shape)
            throw new InputException($"The labelled pictures are {labelled.Shape} and the unlabelled ones {unlabelled.Shape}: they must be the same.");
        (_labelled, _unlabelled, _mu, _device) = (labelled, unlabelled, options.Mu, device);
        _labelledOrder = new EpochOrder(labelled.Count, seed, "fixmatch/labelled order");
        _unlabelledOrder = new EpochOrder(unlabelled.Count, seed, "fixmatch/unlabelled order");
        _labelledWeak = new WeakAugmentation(labelled.Shape, flip, options.MaxShift, seed, "fixmatch/labelled weak");
        _unlabelledWeak = new WeakAugmentation(labelled.Shape, flip, options.MaxShift, seed, "fixmatch/unlabelled weak");
        _unlabelledStrong = new StrongAugmentation(labelled.Shape, flip, options, seed, "fixmatch/unlabelled strong");
    }

    /// <inheritdoc/>
    public string Description => $"{_labelled.Description}; unlabelled {_unlabelled.Description}";

    /// <inheritdoc/>
    public Batch Read(long step, long[] items)
    {
        ArgumentNullException.ThrowIfNull(items);
        var shape = _labelled.Shape;
        var (size, count, unlabelled) = (shape.Elements, items.Length, items.Length * _mu);
        var bytes = new byte[size * (count + (2 * unlabelled))];
        var labels = new long[count];
        for (var k = 0; k < count; k++)
        {
            var index = _labelledOrder.IndexOf(items[k]);
            _labelledWeak.Apply(_labelled[index], items[k], bytes.AsSpan(k * size, size));
            labels[k] = _labelled.Label(index)!.Value;
        }

        var draws = Draws(items);
        for (var k = 0; k < draws.Length; k++)
        {
            var picture = _unlabelled[_unlabelledOrder.IndexOf(draws[k])];
            _unlabelledWeak.Apply(picture, draws[k], bytes.AsSpan((count + k) * size, size));
            _unlabelledStrong.Apply(picture, draws[k], bytes.AsSpan((count + unlabelled + k) * size, size));
        }

        var x0 = (Tensor.From(bytes, count + (2 * unlabelled), shape.Channels, shape.Height, shape.Width).To(DType.Float32) * (1 / 127.5)) - 1.0;
        return new Batch(
            step,
            items,
            x0.Upload(_device),
            Tensor.Zeros([items.Length], DType.Int64, _device),
            Tensor.Empty([0], device: _device),
            Tensor.From(labels, items.Length).Upload(_device));
    }

    /// <summary>The classes of a step's unlabelled pictures, null where they are not known: for the log alone.</summary>
    /// <param name="items">As <see cref="Read"/> was given them.</param>
    public int?[] Truth(long[] items) => Array.ConvertAll(Draws(items), i => _unlabelled.Label(_unlabelledOrder.IndexOf(i)));

    private long[] Draws(long[] items)
    {
        var draws = new long[items.Length * _mu];
        for (var k = 0; k < draws.Length; k++)
            draws[k] = (items[k / _mu] * _mu) + (k % _mu);
        return draws;
    }
}
