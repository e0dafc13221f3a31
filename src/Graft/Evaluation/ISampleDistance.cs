using Graft.Data;

namespace Graft.Evaluation;

/// <summary>A symmetric distance between items of one shape. What two of them say cannot be compared, so the name goes with every number.</summary>
public interface ISampleDistance
{
    /// <summary>Its name as it is to be printed, weights and all.</summary>
    string Name { get; }

    /// <summary>SHA-256 of the network's weights in lower-case hexadecimal; null where no network takes part.</summary>
    string? Hash { get; }

    /// <summary>Distances between two sets of items of one shape.</summary>
    /// <param name="a">N items.</param>
    /// <param name="b">M items; best the smaller set.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <returns>[N, M], at least 0.</returns>
    /// <exception cref="InputException">The shapes differ, or the items are not what it compares.</exception>
    double[,] Between(ISampleSource a, ISampleSource b, CancellationToken cancellationToken = default);
}

/// <summary>The distances that need no network.</summary>
public static class SampleDistances
{
    /// <summary>What items are compared by where nothing else is asked for: pixels of pictures, numbers of anything else.</summary>
    public static ISampleDistance Of(ISampleSource samples) => samples is IImageSource ? PixelDistance.Instance : EuclideanDistance.Instance;
}
