using Graft.Data;

namespace Graft.Evaluation;

/// <summary>
/// Nearest-LPIPS (DDPM-PA): the mean distance from each sample to the training picture it is nearest to. Near 0, the model draws its
/// training pictures again.
/// </summary>
public static class NearestLpips
{
    /// <summary>Measures samples.</summary>
    /// <param name="distance">LPIPS, or another.</param>
    /// <param name="samples">What is judged.</param>
    /// <param name="training">The few pictures that the model was adapted to.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">Shapes differ.</exception>
    public static NearestLpipsResult Of(
        IPictureDistance distance, IImageSource samples, IImageSource training, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(distance);
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(training);
        var all = distance.Between(samples, training, cancellationToken);
        var nearest = new int[samples.Count];
        var distances = new double[samples.Count];
        for (var i = 0; i < nearest.Length; i++)
        {
            // Of equal ones the first, as argmin does.
            for (var j = 1; j < training.Count; j++)
            {
                if (all[i, j] < all[i, nearest[i]])
                    nearest[i] = j;
            }

            distances[i] = all[i, nearest[i]];
        }

        return new NearestLpipsResult { Distances = distances, Nearest = nearest, Distance = distance.Name };
    }

    /// <summary>For each training picture the distance to the nearest other one: what "near" means in this set.</summary>
    /// <param name="distance">LPIPS, or another.</param>
    /// <param name="training">Two pictures or more.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">There are fewer than two.</exception>
    public static double[] LeaveOneOut(IPictureDistance distance, IImageSource training, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(distance);
        ArgumentNullException.ThrowIfNull(training);
        if (training.Count < 2)
            throw new InputException("One training picture has no neighbour: the distance to the nearest other one needs two or more.");
        var all = distance.Within(training, cancellationToken);
        var indices = Enumerable.Range(0, training.Count);
        return [.. indices.Select(i => indices.Where(j => j != i).Min(j => all[i, j]))];
    }
}

/// <summary>Nearest training pictures and the distances to them.</summary>
public sealed record NearestLpipsResult
{
    /// <summary>Mean over the samples.</summary>
    public double Mean => Distances.Average();

    /// <summary>Each sample's distance to the nearest training picture.</summary>
    public required IReadOnlyList<double> Distances { get; init; }

    /// <summary>Which one that is.</summary>
    public required IReadOnlyList<int> Nearest { get; init; }

    /// <summary>The distance, weights and all.</summary>
    public required string Distance { get; init; }
}
