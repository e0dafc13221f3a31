using Graft.Data;
using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// Batches of pictures with their classes, varied as asked. Every epoch is a permutation of the pictures; order and variation are
/// functions of (seed, draw number).
/// </summary>
public sealed class ClassificationBatches : IBatchSource
{
    private readonly IImageSource _images;
    private readonly Augmentation _augmentation;
    private readonly Device _device;
    private readonly EpochOrder _order;

    /// <summary>Prepares batches.</summary>
    /// <param name="images">The pictures; each has a label.</param>
    /// <param name="augmentation">How they are varied.</param>
    /// <param name="seed">Seed of order and variation.</param>
    /// <param name="flip">Whether to mirror at random.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <exception cref="InputException">A value of the augmentation is out of range.</exception>
    public ClassificationBatches(IImageSource images, AugmentationOptions augmentation, long seed, bool flip, Device device = default)
    {
        _images = images;
        _augmentation = new Augmentation(augmentation, images.Shape, flip, seed);
        _device = device;
        _order = new EpochOrder(images.Count, seed);
    }

    /// <inheritdoc/>
    public string Description => _images.Description;

    /// <inheritdoc/>
    public Batch Read(long step, long[] items)
    {
        var (c, h, w) = (_images.Shape.Channels, _images.Shape.Height, _images.Shape.Width);
        var size = _images.Shape.Elements;
        var bytes = new byte[size * items.Length];
        var labels = new long[items.Length];
        for (var k = 0; k < items.Length; k++)
        {
            var index = _order.IndexOf(items[k]);
            _augmentation.Apply(_images[index], items[k], bytes.AsSpan(k * size, size));
            labels[k] = _images.Label(index)!.Value;
        }

        var x0 = (Tensor.From(bytes, items.Length, c, h, w).To(DType.Float32) * (1 / 127.5)) - 1.0;
        return new Batch(
            step,
            items,
            x0.Upload(_device),
            Tensor.Zeros([items.Length], DType.Int64, _device),
            Tensor.Empty([0], device: _device),
            Tensor.From(labels, items.Length).Upload(_device));
    }
}
