using Graft.Formats.Images;

namespace Graft.Tests.Formats.Images;

public sealed class PictureTests
{
    [Fact]
    public void Grey_is_Pillows()
    {
        var picture = ImageCodec.Load(PictureFixtures.Path("resize", "RGB.png"));
        picture.ToGrey().ShouldEqual(ImageCodec.Load(PictureFixtures.Path("resize", "RGB.grey.png")), "mode L");
    }

    [Theory]
    [InlineData("LA")]
    [InlineData("RGBA")]
    public void Alpha_over_a_colour_is_Pillows(string mode)
    {
        var picture = ImageCodec.Load(PictureFixtures.Path("resize", $"{mode}.png"));
        picture.OverColour(new Rgb(200, 30, 77)).ShouldEqual(ImageCodec.Load(PictureFixtures.Path("resize", $"{mode}.over.png")), mode);
    }

    [Fact]
    public void Transparent_pixels_show_the_background()
    {
        var picture = new Picture(2, 1, 4, [10, 20, 30, 0, 10, 20, 30, 255]);
        picture.OverColour(Rgb.White).Pixels.ShouldBe([255, 255, 255, 10, 20, 30]);
        new Picture(2, 1, 2, [10, 0, 10, 255]).OverColour(Rgb.White).Pixels.ShouldBe([255, 10]);
    }

    [Fact]
    public void Channels_convert()
    {
        var grey = new Picture(2, 1, 1, [5, 9]);
        grey.ToGrey().ShouldBeSameAs(grey);
        grey.OverColour(Rgb.Black).ShouldBeSameAs(grey);
        grey.ToRgb().Pixels.ShouldBe([5, 5, 5, 9, 9, 9]);
        new Picture(1, 1, 2, [5, 0]).ToRgb().Pixels.ShouldBe([5, 5, 5]);
        new Picture(1, 1, 4, [5, 6, 7, 0]).ToRgb().Pixels.ShouldBe([5, 6, 7]);
    }

    [Fact]
    public void Planes_round_trip()
    {
        var picture = PictureFixtures.Noise(5, 3, 3);
        var planes = picture.ToPlanes();
        planes[0].ShouldBe(picture.Pixels[0]);
        planes[15].ShouldBe(picture.Pixels[1]);
        Picture.FromPlanes(planes, 3, 3, 5).ShouldEqual(picture, "back");
    }

    [Fact]
    public void Crops_and_mirrors()
    {
        var picture = new Picture(3, 2, 1, [1, 2, 3, 4, 5, 6]);
        picture.Crop(1, 0, 2, 2).Pixels.ShouldBe([2, 3, 5, 6]);
        picture.FlipHorizontal().Pixels.ShouldBe([3, 2, 1, 6, 5, 4]);
        Should.Throw<ArgumentOutOfRangeException>(() => picture.Crop(2, 0, 2, 1));
        Should.Throw<ArgumentOutOfRangeException>(() => picture.Crop(0, -1, 2, 1));
        Should.Throw<ArgumentOutOfRangeException>(() => picture.Crop(0, 0, int.MaxValue, 1));
    }

    [Theory]
    [InlineData(1, new byte[] { 1, 2, 3, 4, 5, 6 })]
    [InlineData(2, new byte[] { 3, 2, 1, 6, 5, 4 })]
    [InlineData(3, new byte[] { 6, 5, 4, 3, 2, 1 })]
    [InlineData(4, new byte[] { 4, 5, 6, 1, 2, 3 })]
    [InlineData(5, new byte[] { 1, 4, 2, 5, 3, 6 })]
    [InlineData(6, new byte[] { 4, 1, 5, 2, 6, 3 })]
    [InlineData(7, new byte[] { 6, 3, 5, 2, 4, 1 })]
    [InlineData(8, new byte[] { 3, 6, 2, 5, 1, 4 })]
    public void Orientations_are_undone(int orientation, byte[] expected)
    {
        var upright = new Picture(3, 2, 1, [1, 2, 3, 4, 5, 6]).Upright(orientation);
        upright.Pixels.ShouldBe(expected);
        upright.Width.ShouldBe(orientation > 4 ? 2 : 3);
    }

    [Fact]
    public void Impossible_pictures_are_refused()
    {
        Should.Throw<ArgumentException>(() => new Picture(2, 2, 3, new byte[11]));
        Should.Throw<ArgumentOutOfRangeException>(() => new Picture(0, 2, 3, []));
        Should.Throw<ArgumentOutOfRangeException>(() => new Picture(1, 1, 5, new byte[5]));
        Should.Throw<ArgumentException>(() => new Picture(65536, 65536, 1, []));
    }
}
