using Graft.Data;

namespace Graft.Evaluation;

/// <summary>
/// How near samples lie to their training pictures, by the root mean square difference of pixels in [0, 1]. A crude measure that
/// needs no network: it catches copies, not resemblance.
/// </summary>
public static class NearestNeighbour
{
    /// <summary>For each sample, the distance to the nearest training picture, in [0, 1].</summary>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    public static double[] Distances(IImageSource samples, IImageSource training)
    {
        if (samples.Shape != training.Shape)
            throw new ArgumentException($"the samples are {samples.Shape} and the training pictures {training.Shape}", nameof(samples));
        var distances = new double[samples.Count];
        Parallel.For(0, samples.Count, i =>
            distances[i] = Enumerable.Range(0, training.Count).Min(j => Distance(samples[i], training[j])));
        return distances;
    }

    /// <summary>For each training picture, the distance to the nearest other one: what "near" means in this set.</summary>
    /// <exception cref="ArgumentException">There are fewer than two.</exception>
    public static double[] LeaveOneOut(IImageSource training)
    {
        if (training.Count < 2)
            throw new ArgumentException("one picture has no neighbour", nameof(training));
        var distances = new double[training.Count];
        Parallel.For(0, training.Count, i =>
            distances[i] = Enumerable.Range(0, training.Count).Where(j => j != i).Min(j => Distance(training[i], training[j])));
        return distances;
    }

    /// <summary>Share of samples that are nearer to a training picture than half the median leave-one-out distance: copies.</summary>
    public static double MemorisedShare(IReadOnlyCollection<double> distances, IEnumerable<double> leaveOneOut) =>
        distances.Count(d => d < Median(leaveOneOut) / 2) / (double)distances.Count;

    /// <summary>The median; of an even number of values the mean of the middle two.</summary>
    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static double Distance(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        var sum = 0L;
        for (var i = 0; i < a.Length; i++)
        {
            var difference = a[i] - b[i];
            sum += difference * difference;
        }

        return Math.Sqrt(sum / (double)a.Length) / 255;
    }
}
