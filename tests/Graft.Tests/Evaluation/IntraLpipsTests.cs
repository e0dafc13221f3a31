using Graft.Data;
using Graft.Evaluation;

namespace Graft.Tests.Evaluation;

/// <summary>Protocols on a distance that can be done by hand: pictures of one pixel, and the difference of their bytes.</summary>
public class IntraLpipsTests
{
    private static readonly ByteDistance Distance = new();

    [Fact]
    public void Cdc_leaves_out_clusters_without_a_pair()
    {
        // Training 0, 100, 200, 250. Members: {2, 4, 12}: pairs 2, 10, 8; {99, 104}: 5; {201}; none.
        var result = IntraLpips.Of(Distance, Pixels(2, 99, 4, 201, 104, 12), Pixels(0, 100, 200, 250));
        result.ClusterSizes.ShouldBe([3, 2, 1, 0]);
        result.ClusterMeans.ShouldBe([20 / 3.0, 5, null, null]);
        result.Mean.ShouldBe(35 / 6.0, 1e-12);
        result.StandardDeviation!.Value.ShouldBe(5 / 3.0 / Math.Sqrt(2), 1e-12); // divisor n - 1
        (result.Protocol, result.MostMembers, result.Distance, result.SampleCount).ShouldBe((IntraLpipsProtocol.Cdc, 50, "bytes", 6));
    }

    [Fact]
    public void Crdi_counts_them_as_nought()
    {
        var result = IntraLpips.Of(Distance, Pixels(2, 99, 4, 201, 104, 12), Pixels(0, 100, 200, 250), IntraLpipsProtocol.Crdi);
        result.ClusterMeans.ShouldBe([20 / 3.0, 5, 0, 0]);
        result.Mean.ShouldBe(35 / 12.0, 1e-12);
        result.MostMembers.ShouldBe(100);
    }

    [Fact]
    public void Of_many_members_Cdc_takes_fifty_by_the_seed_and_Crdi_the_first_hundred()
    {
        var samples = Pixels([.. Enumerable.Range(0, 120)]);
        var training = Pixels(0);
        // The mean distance of all pairs of 0 … 99 is (100 + 1) / 3.
        IntraLpips.Of(Distance, samples, training, IntraLpipsProtocol.Crdi).Mean.ShouldBe(101 / 3.0, 1e-9);
        var first = IntraLpips.Of(Distance, samples, training, seed: 1);
        first.StandardDeviation.ShouldBeNull();
        first.ClusterSizes.ShouldBe([120]);
        IntraLpips.Of(Distance, samples, training, seed: 1).Mean.ShouldBe(first.Mean);
        IntraLpips.Of(Distance, samples, training, seed: 2).Mean.ShouldNotBe(first.Mean);
        first.Mean.ShouldBe(121 / 3.0, 8); // fifty drawn anywhere in 0 … 119, not the first fifty (17)
        Distance.Largest.ShouldBe(100);
    }

    [Fact]
    public void Without_any_pair_there_is_no_value_but_a_sentence() =>
        Should.Throw<InputException>(() => IntraLpips.Of(Distance, Pixels(1, 99), Pixels(0, 100))).Message
            .ShouldContain("none of the 2 training pictures is nearest to two of the 2 samples");

    [Fact]
    public void Copies_have_no_diversity_and_no_distance()
    {
        IntraLpips.Of(Distance, Pixels(7, 7, 7), Pixels(7, 90)).Mean.ShouldBe(0);
        NearestLpips.Of(Distance, Pixels(7, 7, 7), Pixels(7, 90)).Mean.ShouldBe(0);
    }

    [Fact]
    public void The_nearest_training_picture_is_the_first_of_equally_near_ones()
    {
        var result = NearestLpips.Of(Distance, Pixels(5, 95, 50), Pixels(0, 100));
        result.Nearest.ShouldBe([0, 1, 0]);
        result.Distances.ShouldBe([5.0, 5, 50]);
        result.Mean.ShouldBe(20);
        NearestNeighbour.LeaveOneOut(Pixels(0, 100, 130), Distance).Select(n => n.Distance).ShouldBe([100.0, 30, 30]);
    }

    /// <summary>With the real measure, end to end: two kinds of pictures fall into two clusters.</summary>
    [Fact]
    public void With_LPIPS_samples_go_to_the_picture_that_they_resemble()
    {
        using var lpips = EvaluationFixtures.FormulaLpips(EvaluationFixtures.InRepository("lpips"), "squeeze");
        var shape = new ImageShape(3, 24, 24);
        var noise = MemoryImages.Noise(2, shape, 3);
        var training = new MemoryImages(shape, new byte[shape.Elements], noise[0].ToArray());
        var samples = new MemoryImages(shape, Dark(1), noise[0].ToArray(), Dark(2), noise[1].ToArray(), noise[0].ToArray());
        var result = IntraLpips.Of(lpips, samples, training);
        result.ClusterSizes.ShouldBe([2, 3]);
        NearestLpips.Of(lpips, samples, training).Distances[1].ShouldBe(0, 1e-9);
        result.Mean.ShouldBeGreaterThan(0);

        byte[] Dark(byte level) => [.. Enumerable.Repeat(level, shape.Elements)];
    }

    private static MemoryImages Pixels(params int[] values) =>
        new(new ImageShape(1, 1, 1), Array.ConvertAll(values, v => new[] { (byte)v }));

    private sealed class ByteDistance : IPictureDistance
    {
        public string Name => "bytes";

        public string? Hash => null;

        public int Largest { get; private set; }

        public double[,] Between(IImageSource a, IImageSource b, CancellationToken cancellationToken = default)
        {
            var result = new double[a.Count, b.Count];
            for (var i = 0; i < a.Count; i++)
            {
                for (var j = 0; j < b.Count; j++)
                    result[i, j] = Math.Abs(a[i][0] - b[j][0]);
            }

            return result;
        }

        public double[,] Within(IImageSource pictures, CancellationToken cancellationToken = default)
        {
            Largest = Math.Max(Largest, pictures.Count);
            return Between(pictures, pictures, cancellationToken);
        }
    }
}
