using Graft.Charts;
using Graft.Formats.Images;

namespace Graft.Tests.Charts;

public class ChartTests
{
    [Theory]
    [InlineData(0, 1, 6, new[] { "0.0", "0.2", "0.4", "0.6", "0.8", "1.0" })]
    [InlineData(0, 2, 6, new[] { "0.0", "0.5", "1.0", "1.5", "2.0" })]
    [InlineData(-30, 70, 6, new[] { "-20", "0", "20", "40", "60" })]
    [InlineData(0.0131, 0.0149, 4, new[] { "0.014" })]
    [InlineData(0, 5_000_000, 6, new[] { "0e0", "1e6", "2e6", "3e6", "4e6", "5e6" })]
    public void Ticks_are_round(double from, double to, int most, string[] due) => Axis.Labels(Axis.Ticks(from, to, most)).ShouldBe(due);

    [Fact]
    public void Ticks_lie_within_the_range_and_are_few()
    {
        var random = new SplitMix(3);
        for (var i = 0; i < 500; i++)
        {
            var from = (random.Next(2001) - 1000) * Math.Pow(10, random.Next(9) - 5);
            var to = from + ((1 + random.Next(1000)) * Math.Pow(10, random.Next(9) - 5));
            var most = 2 + random.Next(9);
            var ticks = Axis.Ticks(from, to, most);
            var slack = 1e-8 * (to - from);
            ticks.Length.ShouldBeLessThanOrEqualTo(most);
            ticks.ShouldAllBe(t => t >= from - slack && t <= to + slack);
            var (low, high) = Axis.Around([from, to]);
            low.ShouldBeLessThanOrEqualTo(from + slack);
            high.ShouldBeGreaterThanOrEqualTo(to - slack);
        }
    }

    [Fact]
    public void A_range_of_no_extent_is_widened()
    {
        Axis.Around([]).ShouldBe((0, 1));
        Axis.Around([0, 0]).ShouldBe((0, 1));
        var (low, high) = Axis.Around([3, 3, double.NaN]);
        (low < 3 && high > 3).ShouldBeTrue();
    }

    [Fact]
    public void A_horizontal_line_is_drawn_once_as_wide_as_asked_and_where_it_is_due()
    {
        var canvas = new Canvas(9, 7, Rgb.White);
        // There and back: one stroke, no darker. Its middle lies on the border of rows 2 and 3, so that both are full.
        canvas.Polyline([(0, 3), (9, 3), (0, 3)], Rgb.Black, width: 2, dash: 0, clip: (0, 0, 9, 7));
        Column(canvas, 4).ShouldBe([255, 255, 0, 0, 255, 255, 255]);
        // A middle on a pixel's own leaves half of each neighbour.
        canvas = new Canvas(9, 7, Rgb.White);
        canvas.Polyline([(0, 3.5), (9, 3.5)], Rgb.Black, width: 2, dash: 0, clip: (0, 0, 9, 7));
        Column(canvas, 4).ShouldBe([255, 255, 127, 0, 127, 255, 255]);
    }

    [Fact]
    public void Nothing_is_drawn_outside_the_clip_or_the_picture()
    {
        var canvas = new Canvas(8, 8, Rgb.White);
        canvas.Polyline([(-50, -50), (60, 60)], Rgb.Black, 3, 0, (2, 2, 3, 3));
        canvas.Text("far away", -20, 100, Rgb.Black, 2);
        canvas.Dot(-1, -1, 30, Rgb.White);
        for (var y = 0; y < 8; y++)
        {
            for (var x = 0; x < 8; x++)
            {
                if (x is < 2 or > 4 || y is < 2 or > 4)
                    Pixel(canvas.Picture, x, y).ShouldBe(Rgb.White);
            }
        }
    }

    [Fact]
    public void Text_runs_upwards_where_it_is_turned()
    {
        var (plain, turned) = (new Canvas(12, 12, Rgb.White), new Canvas(12, 12, Rgb.White));
        plain.Text("F", 0, 0, Rgb.Black, 1);
        turned.Text("F", 0, 0, Rgb.Black, 1, upwards: true);
        for (var y = 0; y < 7; y++)
        {
            for (var x = 0; x < 5; x++)
                Pixel(turned.Picture, y, 4 - x).ShouldBe(Pixel(plain.Picture, x, y));
        }
    }

    [Fact]
    public void Every_series_shows_in_its_colour_and_the_axes_hold_their_ends()
    {
        var chart = new Chart
        {
            Title = "a title that is much too long for one line of a picture of this width, and so takes two",
            XLabel = "x",
            YLabel = "y",
            Series =
            [
                new Series { Label = "line", Points = [(0, 0), (1, 1), (double.NaN, 5), (2, 0)] },
                new Series { Label = "steps", Points = [(0, 1), (2, 2)], Kind = SeriesKind.Steps },
                new Series { Label = "dots", Points = [(1, 1.5)], Kind = SeriesKind.Points },
                new Series { Label = "bars", Points = [(0, 0.5), (1, 0.25), (2, 0)], Kind = SeriesKind.Bars },
                new Series { Label = "dashes with a label that begins another row of the legend", Points = [(0, 0), (2, 2)], Dashed = true },
            ],
        };
        var picture = chart.Draw();
        (picture.Width, picture.Height, picture.Channels).ShouldBe((640, 400, 3));
        foreach (var colour in new[] { Chart.Palette[0], Chart.Palette[1], Chart.Palette[2], Chart.Palette[4] })
            Count(picture, colour).ShouldBeGreaterThan(20);
        Chart.Wrap(chart.Title, 624).Count.ShouldBe(2);
        Chart.Wrap(chart.Title, 624).ShouldAllBe(line => Canvas.WidthOf(line, 2) <= 624);
    }

    [Fact]
    public void Empty_and_wrong_charts()
    {
        new Chart { Series = [] }.Draw().Width.ShouldBe(640);
        new Chart { Series = [new Series { Points = [] }], Width = 200, Height = 150 }.Draw().Height.ShouldBe(150);
        Should.Throw<ArgumentOutOfRangeException>(() => new Chart { Series = [], Width = 199 }.Draw());
        Should.Throw<ArgumentOutOfRangeException>(() => new Chart { Series = [], XRange = (1, 1) }.Draw());
    }

    private static Rgb Pixel(Picture picture, int x, int y)
    {
        var at = ((y * picture.Width) + x) * 3;
        return new Rgb(picture.Pixels[at], picture.Pixels[at + 1], picture.Pixels[at + 2]);
    }

    private static int[] Column(Canvas canvas, int x) => [.. Enumerable.Range(0, canvas.Picture.Height).Select(y => (int)Pixel(canvas.Picture, x, y).R)];

    private static int Count(Picture picture, Rgb colour) =>
        Enumerable.Range(0, picture.Width * picture.Height).Count(i => Pixel(picture, i % picture.Width, i / picture.Width) == colour);
}
