using Graft.Data;

namespace Graft.Evaluation;

/// <summary>The nearest training picture.</summary>
/// <param name="Index">Which; of equally near ones the first, and one as it stands before a mirrored one.</param>
/// <param name="Mirrored">Whether its mirror image is meant.</param>
/// <param name="Distance">How far it lies, in the space that was asked for.</param>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
public readonly record struct Neighbour(int Index, bool Mirrored, double Distance);

/// <summary>Nearest training pictures, by comparing with every one.</summary>
public static class NearestNeighbour
{
    /// <summary>For each sample, the nearest training picture.</summary>
    /// <param name="samples">Pictures.</param>
    /// <param name="training">Pictures of the same shape.</param>
    /// <param name="distance">The space.</param>
    /// <param name="mirrored">Whether mirror images of training pictures count too.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">The shapes differ.</exception>
    public static Neighbour[] Of(
        IImageSource samples, IImageSource training, IPictureDistance distance, bool mirrored = false, CancellationToken cancellationToken = default) =>
        Search(samples, training, mirrored ? new MirroredImages(training) : null, distance, own: null, cancellationToken);

    /// <summary>For each training picture, the nearest other one; its own mirror image is no other.</summary>
    /// <param name="training">At least two pictures.</param>
    /// <param name="distance">The space.</param>
    /// <param name="mirrored">Whether mirror images of the others count too.</param>
    /// <exception cref="ArgumentException">There is only one.</exception>
    public static Neighbour[] LeaveOneOut(IImageSource training, IPictureDistance distance, bool mirrored = false)
    {
        ArgumentNullException.ThrowIfNull(training);
        if (training.Count < 2)
            throw new ArgumentException("one picture has no neighbour", nameof(training));
        return Search(training, training, mirrored ? new MirroredImages(training) : null, distance, own: [.. Enumerable.Range(0, training.Count)]);
    }

    /// <param name="pictures">What looks for a neighbour.</param>
    /// <param name="training">Where it is looked for.</param>
    /// <param name="mirror">The mirror images of the training pictures, if they count.</param>
    /// <param name="distance">The space.</param>
    /// <param name="own">The training picture that each picture is itself, and so does not count.</param>
    /// <param name="cancellationToken">Stops.</param>
    internal static Neighbour[] Search(
        ISampleSource pictures, ISampleSource training, IImageSource? mirror, ISampleDistance distance, int[]? own, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(distance);
        var plain = distance.Between(pictures, training, cancellationToken);
        var turned = mirror is null ? null : distance.Between(pictures, mirror, cancellationToken);
        var nearest = new Neighbour[pictures.Count];
        for (var i = 0; i < nearest.Length; i++)
        {
            var best = new Neighbour(-1, false, double.PositiveInfinity);
            for (var j = 0; j < training.Count; j++)
            {
                if (own is not null && own[i] == j)
                    continue;
                var d = plain[i, j];
                if (d < best.Distance)
                    best = new Neighbour(j, false, d);
                d = turned?[i, j] ?? double.PositiveInfinity;
                if (d < best.Distance)
                    best = new Neighbour(j, true, d);
            }

            nearest[i] = best;
        }

        return nearest;
    }
}
