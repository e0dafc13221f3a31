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
        var nearest = NearestNeighbour.Of(samples, training, distance, cancellationToken: cancellationToken);
        return new NearestLpipsResult { Distances = [.. nearest.Select(n => n.Distance)], Nearest = [.. nearest.Select(n => n.Index)], Distance = distance.Name };
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
