using Graft.Data;

namespace Graft.Evaluation;

/// <summary>A symmetric distance between pictures: what nearest neighbours and diversity inside clusters are measured by.</summary>
public interface IPictureDistance
{
    /// <summary>Its name as it is to be printed, weights and all.</summary>
    string Name { get; }

    /// <summary>Distances between two sets of pictures of one shape.</summary>
    /// <param name="a">N pictures.</param>
    /// <param name="b">M pictures; best the smaller set.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <returns>[N, M].</returns>
    double[,] Between(IImageSource a, IImageSource b, CancellationToken cancellationToken = default);

    /// <summary>Distances between the pictures of a set.</summary>
    /// <param name="pictures">N pictures.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <returns>[N, N], symmetric, zero on the diagonal.</returns>
    double[,] Within(IImageSource pictures, CancellationToken cancellationToken = default);
}
