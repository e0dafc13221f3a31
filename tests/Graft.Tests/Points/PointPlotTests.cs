using Graft.Charts;
using Graft.Data;
using Graft.Diffusion;
using Graft.Evaluation;
using Graft.Formats.Images;

namespace Graft.Tests.Points;

public sealed class PointPlotTests
{
    [Fact]
    public void Colours_run_from_end_to_end()
    {
        var rising = new HeatMap { Value = (_, _) => 0, Range = (0, 2) };
        rising.ColourOf(0).ShouldBe(Rgb.White);
        rising.ColourOf(-5).ShouldBe(Rgb.White);
        rising.ColourOf(double.NaN).ShouldBe(Rgb.White);
        rising.ColourOf(2).ShouldBe(rising.ColourOf(9));
        Light(rising.ColourOf(0.5)).ShouldBeGreaterThan(Light(rising.ColourOf(1.5)));
        var parting = rising with { Range = (-1, 1), IsDiverging = true };
        var (low, middle, high) = (parting.ColourOf(-0.8), parting.ColourOf(0), parting.ColourOf(0.8));
        (low.B > low.R, high.R > high.B, Light(middle) > 240).ShouldBe((true, true, true));

        static double Light(Rgb c) => (c.R + c.G + c.B) / 3.0;
    }

    /// <summary>The map stands where the axes say: red in the quadrants of the target, blue in those of the source.</summary>
    [Fact]
    public void The_true_log_ratio_is_red_where_the_target_is()
    {
        var ratio = new MixtureRatio(Mixtures.Source, Mixtures.Target, new NoiseSchedule(new ScheduleOptions()));
        var picture = PointPlots.LogRatio((x, y) => ratio.LogRatio([x, y]), (-2, 2));
        var (right, left) = (Pixel(picture, 0.75, 0.25), Pixel(picture, 0.25, 0.25));
        (left.R > left.B, right.B > right.R).ShouldBe((true, true)); // upper left: (-, +) is the target's; upper right the source's
        var beside = PointPlots.Beside(picture, picture);
        beside.Width.ShouldBeGreaterThan(2 * picture.Width);
    }

    [Fact]
    public void Samples_lie_over_the_density()
    {
        var points = new SampleSet(new ItemShape(2), [0.5f, -0.5f, 50, 50], "two points");
        var picture = PointPlots.Samples(points, Mixtures.Target, "title");
        var found = Enumerable.Range(0, picture.Width * picture.Height).Count(i => picture.Pixels[3 * i] > 200 && picture.Pixels[(3 * i) + 2] < 60);
        found.ShouldBeInRange(5, 60); // one dot, and that of the legend
        PointPlots.Fits(points).ShouldBeTrue();
        PointPlots.Samples(points).Width.ShouldBe(480);
        var solid = GaussianMixture.Spheres([1], [[0, 0, 0]], 1);
        Should.Throw<InputException>(() => PointPlots.Samples(solid.Draw(3, 1))).Message.ShouldContain("3 numbers");
        Should.Throw<InputException>(() => PointPlots.Samples(points, solid)).Message.ShouldContain("3 dimensions");
    }

    private static Rgb Pixel(Picture picture, double across, double down)
    {
        // Within the plot, which leaves room for labels at the left and below and for the bar at the right.
        var (x, y) = (60 + (int)(across * 390), 20 + (int)(down * 390));
        var at = 3 * ((y * picture.Width) + x);
        return new Rgb(picture.Pixels[at], picture.Pixels[at + 1], picture.Pixels[at + 2]);
    }
}
