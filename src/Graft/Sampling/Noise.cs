using Graft.Torch;

namespace Graft.Sampling;

/// <summary>Where samplers get their noise.</summary>
public static class Noise
{
    private const string StartPurpose = "sample/x_T";
    private const string StepPurpose = "sample/noise";

    /// <summary>
    /// Noise that is a function of (seed, item, update): item i is the same whatever else is in the batch, in whatever order,
    /// on whatever device.
    /// </summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="items">The items' numbers, one for each sample of the batch.</param>
    /// <param name="itemShape">An item's shape, [C, ...].</param>
    /// <param name="device">Where the tensors are to be.</param>
    /// <returns>x_T, float32 [N, C, ...], and the noise of each update. The latter checks the shape that it is asked for.</returns>
    public static (Tensor XT, StepNoise Steps) Keyed(long seed, ReadOnlySpan<long> items, ReadOnlySpan<long> itemShape, Device device = default)
    {
        var random = new KeyedRandom(seed, StepPurpose);
        var numbers = items.ToArray();
        var start = new KeyedRandom(seed, StartPurpose).Normal(0, numbers, itemShape).Upload(device);
        return (start, Draw);

        Tensor Draw(int step, ReadOnlySpan<long> shape) => shape[0] == numbers.Length
            ? random.Normal(step, numbers, shape[1..]).Upload(device)
            : throw new ArgumentException($"Noise for {shape[0]} samples was asked of a source of {numbers.Length}.", nameof(shape));
    }
}
