using Graft.Formats.Images;

namespace Graft.Tests.Formats.Images;

public sealed class PictureGridTests
{
    [Fact]
    public void Pictures_lie_in_rows_with_padding_between()
    {
        Picture[] pictures = [.. Enumerable.Range(1, 3).Select(i => new Picture(2, 1, 1, [(byte)i, (byte)(i + 10)]))];
        var sheet = PictureGrid.Compose(pictures, columns: 2, padding: 1);
        (sheet.Width, sheet.Height, sheet.Channels).ShouldBe((7, 5, 1));
        sheet.Pixels.ShouldBe(
        [
            255, 255, 255, 255, 255, 255, 255,
            255, 1, 11, 255, 2, 12, 255,
            255, 255, 255, 255, 255, 255, 255,
            255, 3, 13, 255, 255, 255, 255,
            255, 255, 255, 255, 255, 255, 255,
        ]);
    }

    [Fact]
    public void Colour_anywhere_makes_the_sheet_colour()
    {
        var grey = PictureFixtures.Noise(4, 4, 1);
        PictureGrid.Compose([grey, PictureFixtures.Noise(4, 4, 4)], 2).Channels.ShouldBe(3);
        PictureGrid.Compose([grey], 2, background: new Rgb(1, 2, 3)).Channels.ShouldBe(3);
    }

    [Fact]
    public void Smaller_pictures_are_centred()
    {
        var sheet = PictureGrid.Compose([Picture.Filled(3, 3, 1, Rgb.White), Picture.Filled(1, 1, 1, Rgb.White)], 2, 0, Rgb.Black);
        sheet.Pixels.ShouldBe([255, 255, 255, 0, 0, 0, 255, 255, 255, 0, 255, 0, 255, 255, 255, 0, 0, 0]);
    }

    [Fact]
    public void Enlarging_repeats_pixels()
    {
        var sheet = PictureGrid.Compose([new Picture(2, 1, 1, [1, 2])], 1, padding: 0, scale: 2);
        sheet.Pixels.ShouldBe([1, 1, 2, 2, 1, 1, 2, 2]);
    }

    [Fact]
    public void A_title_stands_above()
    {
        var picture = Picture.Filled(20, 4, 1, new Rgb(9, 9, 9));
        var titled = PictureGrid.WithTitle(picture, "I");
        (titled.Width, titled.Height).ShouldBe((20, 15));
        titled.Crop(0, 11, 20, 4).ShouldEqual(picture, "below the title");

        // The letter I: a bar on top and below, a stem between.
        string[] rows = [.. Enumerable.Range(2, 7).Select(y => string.Concat(
            Enumerable.Range(2, 5).Select(x => titled.Pixels[(y * 20) + x] == 0 ? '#' : '.')))];
        rows.ShouldBe([".###.", "..#..", "..#..", "..#..", "..#..", "..#..", ".###."]);
    }

    [Fact]
    public void A_long_title_widens_and_scales()
    {
        var titled = PictureGrid.WithTitle(Picture.Filled(8, 8, 3, Rgb.White), "PDP-11 é", scale: 2);
        (titled.Width, titled.Height, titled.Channels).ShouldBe(((6 * 8 + 3) * 2, 8 + 22, 3));
    }

    [Fact]
    public void Stacks_are_flush_left()
    {
        var stack = PictureGrid.Stack([new Picture(1, 1, 1, [1]), new Picture(2, 1, 1, [2, 3])]);
        stack.Pixels.ShouldBe([1, 255, 2, 3]);
    }
}
