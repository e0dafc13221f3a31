using Graft.Data;

namespace Graft.Evaluation;

/// <summary>
/// A symmetric distance between pictures: of pixels, or of a network's features. What two of them say cannot be compared, so the name
/// goes with every number.
/// </summary>
public interface IPictureDistance : ISampleDistance
{
    /// <summary>Distances between two sets of pictures of one shape.</summary>
    /// <param name="a">N pictures.</param>
    /// <param name="b">M pictures; best the smaller set.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <returns>[N, M], at least 0.</returns>
    /// <exception cref="InputException">The shapes differ.</exception>
    double[,] Between(IImageSource a, IImageSource b, CancellationToken cancellationToken = default);

    /// <summary>Distances between the pictures of a set.</summary>
    /// <param name="pictures">N pictures.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <returns>[N, N], symmetric, zero on the diagonal.</returns>
    double[,] Within(IImageSource pictures, CancellationToken cancellationToken = default) => Between(pictures, pictures, cancellationToken);

    /// <inheritdoc/>
    double[,] ISampleDistance.Between(ISampleSource a, ISampleSource b, CancellationToken cancellationToken) =>
        Between(a.Pictures($"The distance '{Name}' compares"), b.Pictures($"The distance '{Name}' compares"), cancellationToken);
}
