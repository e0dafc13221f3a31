using Graft.Data;
using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// Batches of pictures with their noise and time steps. Every epoch is a permutation of the pictures; order, mirroring, noise and
/// time steps are functions of (seed, draw number).
/// </summary>
public sealed class ImageBatches : IBatchSource
{
    private readonly IImageSource _images;
    private readonly bool _flip;
    private readonly int _timesteps;
    private readonly Device _device;
    private readonly bool _labels;
    private readonly EpochOrder _order;
    private readonly KeyedRandom _mirror;
    private readonly KeyedRandom _time;
    private readonly KeyedRandom _noise;

    /// <summary>Prepares batches.</summary>
    /// <param name="images">The pictures.</param>
    /// <param name="timesteps">Time steps of the schedule; t is uniform below.</param>
    /// <param name="seed">Seed of order, mirroring, noise and time steps.</param>
    /// <param name="flip">Whether to mirror at random.</param>
    /// <param name="device">Where the tensors go.</param>
    public ImageBatches(IImageSource images, int timesteps, long seed, bool flip, Device device = default)
    {
        _images = images;
        _timesteps = timesteps;
        _flip = flip;
        _device = device;
        _labels = Enumerable.Range(0, images.Count).All(i => images.Label(i) is not null);
        _order = new EpochOrder(images.Count, seed);
        _mirror = new KeyedRandom(seed, "training/mirror");
        _time = new KeyedRandom(seed, "training/time step");
        _noise = new KeyedRandom(seed, "training/noise");
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
            var destination = bytes.AsSpan(k * size, size);
            _images[index].CopyTo(destination);
            if (_flip && _mirror.Uniform(0, items[k]) < 0.5)
                MirroredImages.Mirror(destination, w);
            labels[k] = _labels ? _images.Label(index)!.Value : 0;
        }

        var x0 = (Tensor.From(bytes, items.Length, c, h, w).To(DType.Float32) * (1 / 127.5)) - 1.0;
        return new Batch(
            step,
            items,
            x0.To(_device),
            _time.Integers(0, items, 0, _timesteps).To(_device),
            _noise.Normal(0, items, [c, h, w]).To(_device),
            _labels ? Tensor.From(labels, items.Length).To(_device) : null);
    }
}
