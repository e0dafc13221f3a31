using Graft.Data;
using Graft.Evaluation;

namespace Graft.Tests.Evaluation;

public class DistanceTests
{
    [Fact]
    public void Pixels_are_compared_in_the_range_0_to_1()
    {
        var set = new PictureSet(new ImageShape(1, 1, 2), [0, 0], [255, 255], [0, 51], [51, 51]);
        var distance = PixelDistance.Instance.Between(set, set);
        distance[0, 1].ShouldBe(1);
        distance[1, 1].ShouldBe(0);
        distance[0, 3].ShouldBe(0.2, 1e-15);
        distance[0, 2].ShouldBe(0.2 / Math.Sqrt(2), 1e-15);
        distance[2, 0].ShouldBe(distance[0, 2]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(31)]
    [InlineData(64)]
    [InlineData(12_288)]
    [InlineData(3_000_001)] // several blocks of any vector width up to 512 bits
    public void Sums_are_exact_at_every_length(int length)
    {
        var random = new SplitMix((ulong)length);
        var a = new byte[length];
        var b = new byte[length];
        for (var i = 0; i < length; i++)
            (a[i], b[i]) = ((byte)random.Next(256), (byte)random.Next(256));
        var due = 0UL;
        for (var i = 0; i < length; i++)
            due += (ulong)((a[i] - b[i]) * (a[i] - b[i]));
        PixelDistance.SquaredDifference(a, b).ShouldBe(due);

        // The largest sum there is: nothing may overflow.
        Array.Fill(a, (byte)255);
        Array.Clear(b);
        PixelDistance.SquaredDifference(a, b).ShouldBe(65025UL * (ulong)length);
        PixelDistance.SquaredDifference(b, a).ShouldBe(65025UL * (ulong)length);
    }

    [Fact]
    public void Other_shapes_are_refused()
    {
        var (one, two) = (PictureSet.Pixels(1), new PictureSet(new ImageShape(1, 1, 2), [1, 2]));
        Should.Throw<InputException>(() => NearestNeighbour.Of(one, two, PixelDistance.Instance)).Message.ShouldContain("1 x 1 x 1");
        Should.Throw<InputException>(() => EvaluationReport.Of(new EvaluationInput { Samples = one, Target = two, Training = two })).Message
            .ShouldBe("The samples are 1 x 1 x 1 and the target pictures 1 x 1 x 2: bring them to one shape.");
    }

    [Fact]
    public void The_nearest_is_found_and_of_equals_the_first()
    {
        var found = NearestNeighbour.Of(PictureSet.Pixels(14, 200, 20), PictureSet.Pixels(10, 30, 10), PixelDistance.Instance);
        found.Select(n => n.Index).ShouldBe([0, 1, 0]); // 20 lies 10 from all three
        found[0].Distance.ShouldBe(4 / 255.0, 1e-15);
        found[1].Distance.ShouldBe(170 / 255.0, 1e-15);
    }

    [Fact]
    public void A_picture_is_not_its_own_neighbour_and_neither_is_its_mirror_image()
    {
        var shape = new ImageShape(1, 1, 3);
        var training = new PictureSet(shape, [1, 2, 3], [90, 50, 60], [4, 2, 1]);
        var plain = NearestNeighbour.LeaveOneOut(training, PixelDistance.Instance);
        plain[0].ShouldBe(new Neighbour(2, false, Math.Sqrt(13 / (3 * 65025.0))));
        var mirrored = NearestNeighbour.LeaveOneOut(training, PixelDistance.Instance, mirrored: true);
        mirrored[0].ShouldBe(new Neighbour(2, true, Math.Sqrt(1 / (3 * 65025.0)))); // 1 2 4
        Should.Throw<ArgumentException>(() => NearestNeighbour.LeaveOneOut(PictureSet.Pixels(1), PixelDistance.Instance));
    }

    [Fact]
    public void Mirroring_reverses_every_row_of_every_plane()
    {
        var mirrored = new MirroredImages(new PictureSet(new ImageShape(3, 2, 2), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));
        mirrored[0].ToArray().ShouldBe([2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11]);
    }

    [Fact]
    public void Too_many_pictures_are_chosen_from_by_the_seed()
    {
        var one = ImageSubset.Choose(100, 10, 3, "test");
        one.Length.ShouldBe(10);
        one.ShouldBe(one.Distinct().Order());
        ImageSubset.Choose(100, 10, 3, "test").ShouldBe(one);
        ImageSubset.Choose(100, 10, 4, "test").ShouldNotBe(one);
        ImageSubset.Choose(100, 10, 3, "other").ShouldNotBe(one);
        ImageSubset.Choose(3, 10, 3, "test").ShouldBe([0, 1, 2]);
        Should.Throw<ArgumentOutOfRangeException>(() => new ImageSubset(PictureSet.Pixels(1), [1]));
    }
}
