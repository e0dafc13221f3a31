using Graft.Data;
using Graft.Evaluation;

namespace Graft.Tests.Evaluation;

public class MemorisationTests
{
    private const double Grey = 1 / 255.0;

    /// <summary>Training 0 10 30 70: others lie 10 10 20 40 away, median 15. Samples 3 10 18 50: 3 0 8 20 away, median 5.5.</summary>
    [Fact]
    public void A_set_done_in_the_head()
    {
        var found = new MemorisationMeter(PictureSet.Pixels(0, 10, 30, 70)).Measure(PictureSet.Pixels(3, 10, 18, 50));
        found.NoShare.ShouldBeNull();
        found.Nearest.Select(n => n.Index).ShouldBe([0, 1, 1, 2]);
        found.LeaveOneOut.Select(n => n.Index).ShouldBe([1, 0, 1, 2]);
        found.MedianLeaveOneOut!.Value.ShouldBe(15 * Grey, 1e-15);
        found.MedianDistance.ShouldBe(5.5 * Grey, 1e-15);
        found.MedianRatio!.Value.ShouldBe(5.5 / 15, 1e-14);
        found.Memorised.ShouldBe(new Share(2, 4)); // 3 and 0 are under 7.5
        found.Curve.Count.ShouldBe(41);
        found.Curve[0].ShouldBe((0, new Share(0, 4))); // nothing is nearer than 0
        found.Curve[1].ShouldBe((0.05, new Share(1, 4)));
        found.Curve[10].ShouldBe((0.5, new Share(2, 4)));
        found.Curve.Single(p => Math.Abs(p.Multiple - 0.55) < 1e-9).Share.Count.ShouldBe(3);
        found.Curve[^1].ShouldBe((2, new Share(4, 4)));
        found.Duplicates.ShouldBeEmpty();
        found.Description.ShouldBe("4 samples against 4 training pictures; pixel RMS in [0, 1]");
    }

    [Fact]
    public void Half_the_median_itself_is_not_under_it()
    {
        var meter = new MemorisationMeter(PictureSet.Pixels(0, 16));
        meter.Measure(PictureSet.Pixels(8)).Memorised.ShouldBe(new Share(0, 1));
        meter.Measure(PictureSet.Pixels(7)).Memorised.ShouldBe(new Share(1, 1));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Order_and_scale_change_nothing_and_a_copy_is_a_copy(ulong seed)
    {
        var shape = new ImageShape(3, 4, 5);
        var training = PictureSet.Random(12, shape, seed);
        var samples = PictureSet.Random(9, shape, seed + 100);
        var found = new MemorisationMeter(training).Measure(samples);
        int[] turned = [.. Enumerable.Range(0, 12).Reverse()];
        var again = new MemorisationMeter(new ImageSubset(training, turned)).Measure(new ImageSubset(samples, [4, 0, 8, 1, 7, 2, 6, 3, 5]));
        again.MedianLeaveOneOut.ShouldBe(found.MedianLeaveOneOut);
        again.Nearest.Select(n => n.Distance).Order().ShouldBe(found.Nearest.Select(n => n.Distance).Order());
        again.Curve.ShouldBe(found.Curve);

        // Half the contrast halves every distance and no share.
        var halved = new MemorisationMeter(Darker(training)).Measure(Darker(samples));
        var even = new MemorisationMeter(Even(training)).Measure(Even(samples));
        halved.MedianDistance.ShouldBe(even.MedianDistance / 2, 1e-14);
        halved.Curve.ShouldBe(even.Curve);

        // A training picture among the samples.
        var copies = new MemorisationMeter(training).Measure(new ImageSubset(training, [7, 3]));
        copies.Nearest.ShouldBe([new Neighbour(7, false, 0), new Neighbour(3, false, 0)]);
        copies.Memorised.ShouldBe(new Share(2, 2));
        found.Memorised!.Value.Count.ShouldBe(0);

        static PictureSet Even(IImageSource set) => Map(set, v => (byte)(v & 0xfe));
        static PictureSet Darker(IImageSource set) => Map(set, v => (byte)(v >> 1));
        static PictureSet Map(IImageSource set, Func<byte, byte> map) =>
            new(set.Shape, [.. Enumerable.Range(0, set.Count).Select(i => set[i].ToArray().Select(map).ToArray())]);
    }

    [Fact]
    public void A_mirrored_copy_counts_where_the_run_mirrored()
    {
        var training = PictureSet.Random(5, new ImageShape(1, 4, 4), 7);
        var samples = new ImageSubset(new MirroredImages(training), [2]);
        new MemorisationMeter(training).Measure(samples).Memorised.ShouldBe(new Share(0, 1));
        var found = new MemorisationMeter(training, new MemorisationOptions { Mirrored = true }).Measure(samples);
        found.Nearest.ShouldBe([new Neighbour(2, true, 0)]);
        found.Memorised.ShouldBe(new Share(1, 1));
        found.Description.ShouldContain("as they are and mirrored");
    }

    [Fact]
    public void A_single_training_picture_gives_distances_and_says_why_no_share()
    {
        var found = new MemorisationMeter(PictureSet.Pixels(10)).Measure(PictureSet.Pixels(10, 61));
        found.Nearest.Select(n => n.Distance).ShouldBe([0, 0.2]);
        (found.Memorised, found.MedianRatio, found.MedianLeaveOneOut).ShouldBe((null, null, null));
        found.Curve.ShouldBeEmpty();
        found.NoShare.ShouldBe("No share is given: with a single training picture no leave-one-out distance exists, and so no measure of what is near.");
        var report = new MemorisationMetric().Measure(Input(PictureSet.Pixels(10, 61), PictureSet.Pixels(10)));
        report.Values.Single(v => v.Name == "memorised_share").Value.ShouldBeNull();
        report.Notes.ShouldContain(found.NoShare);
        report.Pictures.Keys.ShouldBe(["nearest.png", "memorisation.png"]);
    }

    [Fact]
    public void Twins_are_told_by_name_and_a_set_of_twins_gives_no_share()
    {
        var training = PictureSet.Pixels(5, 90, 5, 60, 5);
        var found = new MemorisationMeter(training).Measure(PictureSet.Pixels(5));
        found.Duplicates.ShouldBe([(0, 2, false), (0, 4, false)]);
        found.NoShare!.ShouldContain("the median leave-one-out distance is 0; remove the twins");
        found.Memorised.ShouldBeNull();

        var fewer = PictureSet.Pixels(5, 90, 5, 60, 200);
        var report = new MemorisationMetric().Measure(Input(PictureSet.Pixels(5), fewer));
        report.Notes.ShouldContain("1 pair of training pictures are equal: picture 0 and picture 2.");
        report.Values.Single(v => v.Name == "duplicate_pairs").Value.ShouldBe(1);
        report.Values.Single(v => v.Name == "memorised_share").ShouldBe(new MetricValue("memorised_share", 1, 1, new Share(1, 1).Interval.Low, 1));
    }

    [Fact]
    public void Large_sets_are_limited_by_the_seed_and_it_is_said()
    {
        var training = PictureSet.Random(40, new ImageShape(1, 2, 2), 3);
        var samples = PictureSet.Random(3, new ImageShape(1, 2, 2), 4);
        var limited = new MemorisationMeter(training, new MemorisationOptions { MostTraining = 10 }).Measure(samples);
        limited.Training.Count.ShouldBe(10);
        limited.LeaveOneOut.Count.ShouldBe(10);
        limited.Description.ShouldContain("10 of the 40 training pictures, drawn by the seed");
        var some = new MemorisationMeter(training, new MemorisationOptions { MostLeaveOneOut = 6 }).Measure(samples);
        var all = new MemorisationMeter(training).Measure(samples);
        some.Nearest.ShouldBe(all.Nearest);
        some.LeftOut.Count.ShouldBe(6);
        some.LeaveOneOut.ShouldBe(some.LeftOut.Select(i => all.LeaveOneOut[i])); // they look among all
    }

    private static EvaluationInput Input(IImageSource samples, IImageSource training) => new() { Samples = samples, Target = training, Training = training };
}
