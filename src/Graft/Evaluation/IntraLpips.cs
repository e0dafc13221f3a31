using Graft.Data;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>Whose Intra-LPIPS: the two families of published numbers must not be compared with each other.</summary>
public enum IntraLpipsProtocol
{
    /// <summary>
    /// Cross-domain correspondence (Ojha et al. 2021), which DDPM-PA and ANT follow: 50 random members of a cluster at most; clusters
    /// without a pair (empty ones, and those of one member) are left out.
    /// </summary>
    Cdc,

    /// <summary>
    /// CRDI, which Uni-DAD follows: the first 100 members of a cluster in the order of the samples; clusters without a pair count 0. That code
    /// also gave samples in [0, 1] where [-1, 1] is due, which is not repeated here.
    /// </summary>
    Crdi,
}

/// <summary>
/// Intra-LPIPS: diversity around each training picture. Every sample goes to the training picture that it is nearest to; the value is
/// the mean distance of pairs inside a cluster, averaged over clusters. 0 where all samples are copies; higher is more diverse.
/// </summary>
public static class IntraLpips
{
    /// <summary>Measures samples.</summary>
    /// <param name="distance">The published numbers are those of LPIPS with VGG-16 on pictures of 256 x 256 (<see cref="ResizedImages"/>).</param>
    /// <param name="samples">What is judged; the published numbers use 1000.</param>
    /// <param name="training">The few pictures that the model was adapted to.</param>
    /// <param name="protocol">Whose rules.</param>
    /// <param name="seed">Which members are drawn from clusters of more than 50.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">Shapes differ, or no cluster has two members and the protocol leaves such out.</exception>
    public static IntraLpipsResult Of(
        IPictureDistance distance,
        IImageSource samples,
        IImageSource training,
        IntraLpipsProtocol protocol = IntraLpipsProtocol.Cdc,
        long seed = 0,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(distance);
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(training);
        var nearest = NearestLpips.Of(distance, samples, training, cancellationToken).Nearest;
        var clusters = Enumerable.Range(0, training.Count).Select(c => Enumerable.Range(0, samples.Count).Where(i => nearest[i] == c).ToArray()).ToArray();
        var random = new KeyedRandom(seed, "intra-lpips/members");
        var most = protocol == IntraLpipsProtocol.Cdc ? 50 : 100;
        var means = new double?[training.Count];
        for (var c = 0; c < clusters.Length; c++)
        {
            var members = clusters[c];
            if (members.Length > most)
            {
                members = protocol == IntraLpipsProtocol.Cdc
                    ? [.. random.Permutation(c, members.Length)[..most].Select(i => clusters[c][i])]
                    : members[..most];
            }

            means[c] = members.Length > 1 ? MeanOfPairs(distance.Within(new ImageSubset(samples, members), cancellationToken))
                : protocol == IntraLpipsProtocol.Cdc ? null
                : 0;
        }

        var counted = means.OfType<double>().ToArray();
        if (counted.Length == 0)
            throw new InputException($"Intra-LPIPS has no pair to measure: none of the {training.Count} training pictures is nearest to two of the {samples.Count} samples; draw more samples.");
        var mean = counted.Average();
        return new IntraLpipsResult
        {
            Mean = mean,
            StandardDeviation = counted.Length > 1 ? Math.Sqrt(counted.Sum(m => (m - mean) * (m - mean)) / (counted.Length - 1)) : null,
            ClusterMeans = means,
            ClusterSizes = Array.ConvertAll(clusters, c => c.Length),
            Protocol = protocol,
            MostMembers = most,
            Seed = seed,
            Distance = distance.Name,
            SampleCount = samples.Count,
        };
    }

    private static double MeanOfPairs(double[,] distances)
    {
        var n = distances.GetLength(0);
        var sum = 0.0;
        for (var i = 0; i < n; i++)
        {
            for (var j = i + 1; j < n; j++)
                sum += distances[i, j];
        }

        return sum / (n * (n - 1.0) / 2);
    }
}

/// <summary>An Intra-LPIPS and how it was measured.</summary>
public sealed record IntraLpipsResult
{
    /// <summary>Mean over the clusters that count.</summary>
    public required double Mean { get; init; }

    /// <summary>Deviation over the clusters that count (divisor: their number less one); null where only one counts.</summary>
    public required double? StandardDeviation { get; init; }

    /// <summary>Mean distance of pairs in each training picture's cluster; null for one that is left out.</summary>
    public required IReadOnlyList<double?> ClusterMeans { get; init; }

    /// <summary>Samples that went to each training picture: they sum to the number of samples.</summary>
    public required IReadOnlyList<int> ClusterSizes { get; init; }

    /// <summary>Whose rules.</summary>
    public required IntraLpipsProtocol Protocol { get; init; }

    /// <summary>Members of a cluster that were compared, at most.</summary>
    public required int MostMembers { get; init; }

    /// <summary>The seed of their choice, under <see cref="IntraLpipsProtocol.Cdc"/>.</summary>
    public required long Seed { get; init; }

    /// <summary>The distance, weights and all.</summary>
    public required string Distance { get; init; }

    /// <summary>Pictures that were judged.</summary>
    public required int SampleCount { get; init; }
}
