using Graft.Data;
using Graft.Training;

namespace Graft.Tests.Training;

public class FixMatchAugmentationTests
{
    private static readonly ImageShape Shape = new(1, 8, 8);
    private static readonly byte[] Picture = new TinyPictures(1)[0].ToArray();

    [Fact]
    public void Weak_variation_mirrors_and_shifts_whole_pixels_with_reflection_and_reaches_every_shift()
    {
        var seen = new HashSet<(bool, int, int)>();
        for (var item = 0; item < 600; item++)
        {
            var result = Weak(item, flip: true);
            seen.Add((from m in (bool[])[false, true]
                      from dy in Enumerable.Range(-2, 5)
                      from dx in Enumerable.Range(-2, 5)
                      where result.SequenceEqual(Due(m, dx, dy))
                      select (m, dx, dy)).ShouldHaveSingleItem());
        }

        seen.Count.ShouldBe(2 * 25);
        Weak(3, flip: false, maxShift: 0).ShouldBe(Picture);
        Weak(3, flip: false, maxShift: 0.12).ShouldBe(Picture); // less than a pixel
        Weak(7, flip: true).ShouldBe(Weak(7, flip: true));
        Enumerable.Range(0, 20).Count(i => !Weak(i, true).SequenceEqual(Weak(i, true, purpose: "other"))).ShouldBeGreaterThan(10);

        static byte[] Due(bool mirrored, int dx, int dy) =>
            [.. from y in Enumerable.Range(0, 8) from x in Enumerable.Range(0, 8) select Picture[(Inside(y - dy) * 8) + (mirrored ? 7 - Inside(x - dx) : Inside(x - dx))]];

        static int Inside(int at) => at < 0 ? -at : at > 7 ? 14 - at : at;
    }

    [Fact]
    public void Strong_variation_is_a_function_of_seed_and_draw_and_draws_all_operations_over_their_ranges()
    {
        var options = new FixMatchOptions();
        var strong = Strong(options);
        var drawn = Enumerable.Range(0, 400).SelectMany(i => strong.Drawn(i)).ToArray();
        drawn.Length.ShouldBe(800);
        drawn.Select(d => d.Operation).Distinct().Count().ShouldBe(13); // all but the one of colour
        drawn.Select(d => d.Operation).ShouldNotContain(PictureOperation.Color);
        PictureOperations.For(3).Count.ShouldBe(14);
        drawn.Min(d => d.Magnitude).ShouldBeInRange(0, 0.02);
        drawn.Max(d => d.Magnitude).ShouldBeInRange(0.98, 1);
        Apply(strong, 5).ShouldBe(Apply(Strong(options), 5));
        Apply(strong, 5).ShouldNotBe(Apply(strong, 6));
        Apply(Strong(options, seed: 2), 5).ShouldNotBe(Apply(strong, 5));
        Apply(Strong(options with { Operations = 0, Cutout = 0, MaxShift = 0 }), 5).ShouldBe(Picture);
    }

    [Fact]
    public void Cutout_paints_one_grey_square_of_up_to_half_the_edge()
    {
        var (shape, picture) = (new ImageShape(1, 32, 32), new byte[32 * 32]);
        var strong = new StrongAugmentation(shape, false, new FixMatchOptions { Operations = 0, MaxShift = 0 }, 1, "test");
        var (largest, whole) = (0, 0);
        for (var item = 0; item < 300; item++)
        {
            var result = new byte[picture.Length];
            strong.Apply(picture, item, result);
            int[] painted = [.. Enumerable.Range(0, result.Length).Where(i => result[i] != 0)];
            result.Distinct().ShouldBeSubsetOf([(byte)0, (byte)127]);
            if (painted.Length == 0)
                continue;
            var (h, w) = ((painted.Max() / 32) - (painted.Min() / 32) + 1, painted.Max(i => i % 32) - painted.Min(i => i % 32) + 1);
            painted.Length.ShouldBe(h * w);
            largest = Math.Max(largest, Math.Max(h, w));
            whole += h == w ? 1 : 0;
        }

        largest.ShouldBe(16);
        whole.ShouldBeInRange(100, 299); // others are cut off at an edge
    }

    [Theory]
    [InlineData(PictureOperation.Identity, 0.9)]
    [InlineData(PictureOperation.Rotate, 0.5)]
    [InlineData(PictureOperation.ShearX, 0.5)]
    [InlineData(PictureOperation.ShearY, 0.5)]
    [InlineData(PictureOperation.TranslateX, 0.5)]
    [InlineData(PictureOperation.TranslateY, 0.5)]
    [InlineData(PictureOperation.Solarize, 1.0)]
    [InlineData(PictureOperation.Posterize, 0.99)]
    public void Each_has_a_magnitude_that_leaves_a_picture_as_it_is(PictureOperation operation, double magnitude) =>
        Do(operation, magnitude, Picture).ShouldBe(Picture);

    [Fact]
    public void Values_are_changed_as_by_hand()
    {
        byte[] four = [10, 100, 200, 255];
        Pixels(PictureOperation.Brightness, 0.5, four).ShouldBe([5, 50, 100, 127]);
        Pixels(PictureOperation.Brightness, 0, four).ShouldBe([0, 5, 10, 12]); // 0.05 is kept
        Pixels(PictureOperation.Brightness, 1, four).ShouldBe([9, 95, 190, 242]); // 0.95
        Pixels(PictureOperation.Contrast, 0.5, four).ShouldBe([75, 120, 170, 198]); // about the mean 141.25, rounded
        Pixels(PictureOperation.Solarize, 0.5, four).ShouldBe([10, 100, 55, 0]); // from 128 on
        Pixels(PictureOperation.Solarize, 0, four).ShouldBe([245, 155, 55, 0]);
        Pixels(PictureOperation.Posterize, 0, four).ShouldBe([0, 96, 192, 240]); // the upper four bits
        Pixels(PictureOperation.AutoContrast, 0.5, [10, 20, 30, 60]).ShouldBe([0, 51, 102, 255]);
        Pixels(PictureOperation.AutoContrast, 0.5, [7, 7, 7, 7]).ShouldBe([7, 7, 7, 7]);
        Pixels(PictureOperation.Equalize, 0.5, four).ShouldBe(four); // too few pixels for a step, as in Pillow
    }

    [Fact]
    public void Equalizing_flattens_a_histogram_as_pillow_defines_it()
    {
        // 64 x 64: 1024 of each of four values; step = (4096 - 1024) / 255 = 12; a value's place is (6 + those below) / 12.
        byte[] picture = [.. Enumerable.Range(0, 4096).Select(i => (byte)(40 + (i % 4)))];
        var result = new byte[4096];
        PictureOperations.Apply(PictureOperation.Equalize, 0, new ImageShape(1, 64, 64), picture, result);
        result[..4].ShouldBe([0, 85, 171, 255]); // 6/12, 1030/12, 2054/12, 3078/12 cut off at 255
    }

    [Fact]
    public void Geometry_moves_pixels_the_right_way()
    {
        var spot = new byte[81];
        spot[(4 * 9) + 6] = 200; // two to the right of the middle
        Place(PictureOperation.TranslateX, 0).ShouldBe((4, 3)); // 0.3 of 9 is 3 whole pixels
        Place(PictureOperation.TranslateY, 1).ShouldBe((7, 6));
        Place(PictureOperation.TranslateY, 0).ShouldBe((1, 6));
        Place(PictureOperation.Rotate, 1).ShouldBe((5, 6)); // 30 degrees clockwise: (2, 0) goes to (1.7, 1)
        Place(PictureOperation.Rotate, 0).ShouldBe((3, 6));
        Place(PictureOperation.ShearX, 1).ShouldBe((4, 6)); // the middle row stays
        spot = new byte[81];
        spot[(1 * 9) + 4] = 200; // three above the middle
        Place(PictureOperation.ShearX, 1).ShouldBe((1, 5)); // 0.9 aside
        Place(PictureOperation.ShearX, 0).ShouldBe((1, 3));
        Place(PictureOperation.ShearY, 1).ShouldBe((1, 4)); // the middle column stays

        (int Y, int X) Place(PictureOperation operation, double magnitude)
        {
            var result = new byte[81];
            PictureOperations.Apply(operation, magnitude, new ImageShape(1, 9, 9), spot, result);
            var at = Array.IndexOf(result, result.Max());
            result.Max().ShouldBeGreaterThan((byte)50);
            return (at / 9, at % 9);
        }
    }

    [Fact]
    public void Colour_is_taken_out_towards_grey_and_softening_leaves_flat_places_and_edges()
    {
        byte[] red = [200, 0, 0];
        var result = new byte[3];
        PictureOperations.Apply(PictureOperation.Color, 0, new ImageShape(3, 1, 1), red, result);
        result.ShouldBe([67, 57, 57]); // grey is 60: 60 + 0.05 * 140, 60 - 0.05 * 60
        var flat = Enumerable.Repeat((byte)99, 64).ToArray();
        Do(PictureOperation.Sharpness, 0, flat).ShouldBe(flat);
        var spot = new byte[64];
        spot[(3 * 8) + 3] = 130;
        var soft = Do(PictureOperation.Sharpness, 0, spot);
        soft[(3 * 8) + 3].ShouldBe((byte)54); // 5/13 of it is 50; 50 + 0.05 * 80
        soft[(2 * 8) + 3].ShouldBe((byte)9); // 1/13 of it is 10; 10 - 0.05 * 10 = 9.5
        soft[(5 * 8) + 3].ShouldBe((byte)0);
        Do(PictureOperation.Sharpness, 0, Picture)[..8].ShouldBe(Picture[..8]);
    }

    [Theory]
    [InlineData("mu")]
    [InlineData("threshold")]
    [InlineData("lambda_u")]
    [InlineData("max_shift")]
    [InlineData("operations")]
    [InlineData("cutout")]
    [InlineData("fill")]
    public void What_is_out_of_range_is_refused_by_name(string name)
    {
        FixMatchOptions options = name switch
        {
            "mu" => new() { Mu = 0 },
            "threshold" => new() { Threshold = 1.1 },
            "lambda_u" => new() { LambdaU = double.NaN },
            "max_shift" => new() { MaxShift = 0.6 },
            "operations" => new() { Operations = -1 },
            "cutout" => new() { Cutout = 2 },
            _ => new() { Fill = 256 },
        };
        Should.Throw<InputException>(options.Validate).Message.ShouldContain($"fixmatch.{name} must be");
    }

    private static byte[] Weak(long item, bool flip, double maxShift = 0.25, string purpose = "test")
    {
        var result = new byte[64];
        new WeakAugmentation(Shape, flip, maxShift, 1, purpose).Apply(Picture, item, result);
        return result;
    }

    private static StrongAugmentation Strong(FixMatchOptions options, long seed = 1) => new(Shape, false, options, seed, "test");

    private static byte[] Apply(StrongAugmentation strong, long item)
    {
        var result = new byte[64];
        strong.Apply(Picture, item, result);
        return result;
    }

    private static byte[] Do(PictureOperation operation, double magnitude, byte[] picture)
    {
        var result = new byte[picture.Length];
        PictureOperations.Apply(operation, magnitude, Shape, picture, result);
        return result;
    }

    private static byte[] Pixels(PictureOperation operation, double magnitude, byte[] values)
    {
        var result = new byte[values.Length];
        PictureOperations.Apply(operation, magnitude, new ImageShape(1, 1, values.Length), values, result);
        return result;
    }
}
