using Graft.Data;

namespace Graft.Evaluation;

/// <summary>
/// A space in which distances between pictures are measured: pixels, or the features of a network. What two spaces say cannot be
/// compared, so the name goes with every number.
/// </summary>
public interface IPictureDistance
{
    /// <summary>What the space is, for people and reports.</summary>
    string Name { get; }

    /// <summary>SHA-256 of the network's weights in lower-case hexadecimal; null where no network takes part.</summary>
    string? WeightsHash { get; }

    /// <summary>Prepares the distances between two sets; what is computed once for each picture (features) is computed here.</summary>
    /// <param name="from">Pictures.</param>
    /// <param name="to">Pictures of the same shape; may be the same set.</param>
    /// <returns>The distance of picture i of the first set and j of the second, at least 0; may be called from several threads.</returns>
    /// <exception cref="InputException">The shapes differ.</exception>
    Func<int, int, double> Between(IImageSource from, IImageSource to);
}
