using Graft.Data;
using Graft.Torch;
using Graft.Training;

namespace Graft.Tests.Training;

public class AugmentationTests
{
    private static readonly ImageShape Shape = new(1, 8, 8);

    private static AugmentationOptions Everything { get; } = new()
    {
        MaxShift = 2,
        MaxRotation = 10,
        MaxScale = 0.1,
        EraseProbability = 0.5,
    };

    [Fact]
    public void A_picture_depends_on_seed_and_draw_only() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var pictures = TinyClassifier.Pictures();
        var all = Read([0, 1, 2, 3, 4, 5, 6, 7]);
        Read([5]).ShouldBe(all[(5 * 64)..(6 * 64)]); // another batch, another reader, another step
        Read([7, 0]).ShouldBe([.. all[(7 * 64)..], .. all[..64]]);
        Read([0, 1, 2, 3, 4, 5, 6, 7], seed: 6).ShouldNotBe(all);
        all[..(6 * 64)].Chunk(64).Select(p => string.Join(' ', p)).Distinct().Count().ShouldBe(6);

        float[] Read(long[] items, long seed = 5) =>
            new ClassificationBatches(pictures, Everything, seed, flip: true).Read(items.Length, items).X0.ToArray<float>();
    });

    [Fact]
    public void Labels_go_with_their_pictures_and_an_epoch_holds_each_picture_once() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var pictures = TinyClassifier.Pictures();
        var batches = new ClassificationBatches(pictures, new AugmentationOptions(), seed: 1, flip: false);
        var (first, second) = (Epoch(0), Epoch(6));
        first.Order().ShouldBe([0, 1, 2, 3, 4, 5]);
        second.Order().ShouldBe([0, 1, 2, 3, 4, 5]);
        first.ShouldNotBe(second);

        int[] Epoch(long from)
        {
            var batch = batches.Read(0, [.. Enumerable.Range(0, 6).Select(i => from + i)]);
            var (values, labels) = (batch.X0.ToArray<float>(), batch.ClassLabels!.ToArray<long>());
            return [.. Enumerable.Range(0, 6).Select(k =>
            {
                var bytes = values[(k * 64)..((k + 1) * 64)].Select(v => (byte)Math.Round((v + 1) * 127.5)).ToArray();
                var index = Enumerable.Range(0, 6).Single(i => pictures[i].SequenceEqual(bytes));
                labels[k].ShouldBe(pictures.Label(index)!.Value);
                return index;
            })];
        }
    });

    [Fact]
    public void Without_options_a_picture_stays()
    {
        var picture = TinyClassifier.Pictures()[0].ToArray();
        for (var item = 0; item < 20; item++)
            Apply(new AugmentationOptions(), picture, item).ShouldBe(picture);
    }

    [Fact]
    public void Mirroring_happens_half_of_the_time()
    {
        var picture = TinyClassifier.Pictures()[0].ToArray();
        var mirrored = picture.Chunk(8).SelectMany(row => row.Reverse()).ToArray();
        var results = Enumerable.Range(0, 200).Select(item => Apply(new AugmentationOptions(), picture, item, flip: true)).ToArray();
        results.ShouldAllBe(r => r.SequenceEqual(picture) || r.SequenceEqual(mirrored));
        results.Count(r => r.SequenceEqual(mirrored)).ShouldBeInRange(70, 130);
    }

    [Fact]
    public void A_shift_moves_whole_pixels_and_fills_what_comes_in()
    {
        var picture = TinyClassifier.Pictures()[0].ToArray();
        var seen = new HashSet<(int, int)>();
        for (var item = 0; item < 400; item++)
        {
            var result = Apply(new AugmentationOptions { MaxShift = 3, Fill = 9 }, picture, item);
            var shift = (from dy in Enumerable.Range(-3, 7)
                         from dx in Enumerable.Range(-3, 7)
                         where result.SequenceEqual(Shifted(dx, dy))
                         select (dx, dy)).ShouldHaveSingleItem();
            seen.Add(shift);
        }

        seen.Count.ShouldBe(49);

        byte[] Shifted(int dx, int dy) => [.. from y in Enumerable.Range(0, 8)
                                              from x in Enumerable.Range(0, 8)
                                              select x - dx is >= 0 and < 8 && y - dy is >= 0 and < 8 ? picture[((y - dy) * 8) + x - dx] : (byte)9];
    }

    [Fact]
    public void Turning_and_scaling_keep_the_middle_and_a_flat_picture()
    {
        var flat = Enumerable.Repeat((byte)77, 64).ToArray();
        var spot = new byte[9 * 9];
        spot[(4 * 9) + 4] = 200;
        var options = new AugmentationOptions { MaxRotation = 180, MaxScale = 0.5, Fill = 77 };
        for (var item = 0; item < 50; item++)
        {
            Apply(options, flat, item).ShouldBe(flat);
            var result = new byte[81];
            new Augmentation(options with { Fill = 0 }, new ImageShape(1, 9, 9), flip: false, seed: 5).Apply(spot, item, result);
            result[(4 * 9) + 4].ShouldBe((byte)200);
        }
    }

    [Fact]
    public void Turning_keeps_the_slope_of_a_ramp_and_goes_both_ways()
    {
        var ramp = Enumerable.Range(0, 64).Select(i => (byte)(i % 8 * 30)).ToArray();
        var options = new AugmentationOptions { MaxRotation = 60 };
        var angles = new List<double>();
        for (var item = 0; item < 200; item++)
        {
            // The middle four pixels never come from outside.
            var result = Apply(options, ramp, item);
            double a = result[(3 * 8) + 3], b = result[(3 * 8) + 4], c = result[(4 * 8) + 3], d = result[(4 * 8) + 4];
            double across = (b - a + d - c) / 2, down = (c - a + d - b) / 2;
            Math.Sqrt((across * across) + (down * down)).ShouldBe(30, 1.5);
            angles.Add(Math.Atan2(down, across) * 180 / Math.PI);
        }

        angles.Max().ShouldBeInRange(50, 62);
        angles.Min().ShouldBeInRange(-62, -50);
        angles.Average().ShouldBe(0, 10);
    }

    [Fact]
    public void Erasing_paints_one_rectangle_of_one_colour_as_often_as_asked()
    {
        var options = new AugmentationOptions { EraseProbability = 0.5, EraseMaxArea = 0.25 };
        var picture = Enumerable.Range(0, 32 * 32).Select(i => (byte)(i * 37)).ToArray();
        var augmentation = new Augmentation(options, new ImageShape(1, 32, 32), flip: false, seed: 5);
        var erased = 0;
        for (var item = 0; item < 300; item++)
        {
            var result = new byte[picture.Length];
            augmentation.Apply(picture, item, result);
            var changed = Enumerable.Range(0, picture.Length).Where(i => result[i] != picture[i]).ToArray();
            if (changed.Length == 0)
                continue;
            erased++;
            result.Where((_, i) => changed.Contains(i)).Distinct().ShouldHaveSingleItem();
            int top = changed.Min(i => i / 32), bottom = changed.Max(i => i / 32), left = changed.Min(i => i % 32), right = changed.Max(i => i % 32);
            var area = (bottom - top + 1) * (right - left + 1);
            area.ShouldBeInRange(12, 280);
            changed.Length.ShouldBeGreaterThan(area * 9 / 10); // a few pixels had the colour before
        }

        erased.ShouldBeInRange(115, 185);
    }

    [Theory]
    [InlineData("max_shift")]
    [InlineData("max_rotation")]
    [InlineData("max_scale")]
    [InlineData("fill")]
    [InlineData("erase_probability")]
    [InlineData("erase_max_area")]
    public void What_is_out_of_range_is_refused_by_name(string name)
    {
        foreach (var value in (double[])[-1, 2000])
        {
            var options = name switch
            {
                "max_shift" => new AugmentationOptions { MaxShift = (int)value },
                "max_rotation" => new AugmentationOptions { MaxRotation = value },
                "max_scale" => new AugmentationOptions { MaxScale = value },
                "fill" => new AugmentationOptions { Fill = (int)value },
                "erase_probability" => new AugmentationOptions { EraseProbability = value },
                _ => new AugmentationOptions { EraseMaxArea = value },
            };
            Should.Throw<InputException>(options.Validate).Message.ShouldContain($"augmentation.{name} must be from");
        }
    }

    private static byte[] Apply(AugmentationOptions options, byte[] picture, long item, bool flip = false)
    {
        var result = new byte[picture.Length];
        new Augmentation(options, Shape, flip, seed: 5).Apply(picture, item, result);
        return result;
    }
}
