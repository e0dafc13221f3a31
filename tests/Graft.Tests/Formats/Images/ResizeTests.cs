using System.Runtime.InteropServices;
using Graft.Formats.Images;

namespace Graft.Tests.Formats.Images;

public sealed class ResizeTests
{
    public static TheoryData<string> Pictures() =>
        [.. Directory.GetFiles(PictureFixtures.Path("resize"), "*x*.png").Select(path => Path.GetFileName(path)!).Order()];

    public static TheoryData<string> Planes() =>
        [.. Directory.GetFiles(PictureFixtures.Path("resize"), "plane.*x*.bin").Select(path => Path.GetFileName(path)!).Order()];

    [Theory]
    [MemberData(nameof(Pictures))]
    public void Bytes_are_those_of_Pillow(string file)
    {
        var (mode, filter, width, height) = Parse(file);
        var source = ImageCodec.Load(PictureFixtures.Path("resize", $"{mode}.png"));
        var expected = ImageCodec.Load(PictureFixtures.Path("resize", file));
        Resize.To(source, width, height, filter).ShouldEqual(expected, file);
    }

    [Theory]
    [MemberData(nameof(Planes))]
    public void Real_numbers_are_those_of_Pillow(string file)
    {
        var (_, filter, width, height) = Parse(file);
        var source = MemoryMarshal.Cast<byte, float>(PictureFixtures.Bytes("resize", "plane.bin")).ToArray();
        var expected = MemoryMarshal.Cast<byte, float>(PictureFixtures.Bytes("resize", file)).ToArray();
        Resize.To(source, 37, 23, width, height, filter).ShouldBe(expected);
    }

    [Theory]
    [InlineData("gray_51x80.png")]
    [InlineData("rgb_97x61.jpg")]
    [InlineData("rgb_tiny_20x15.png")]
    [InlineData("rgba_130x75.png")]
    public void Clip_preprocessing_gives_the_bytes_of_its_authors(string file)
    {
        var picture = ImageCodec.Load(PictureFixtures.Path("preprocess", file));
        foreach (var size in new[] { 32, 64 })
        {
            var key = $"{file.Replace('.', '_')}.crop_uint8_{size}";
            Preprocess(picture, size).ToRgb().ShouldEqual(Expected(key), key);
            if (picture.HasAlpha)
                Preprocess(picture.ToRgb(), size).ShouldEqual(Expected(key + "_rgb_first"), key + "_rgb_first");
        }

        static Picture Expected(string key) => ImageCodec.Load(PictureFixtures.Path("preprocess", key + ".png"));
    }

    [SharedTheory("reference/clip/preprocess")]
    [InlineData("gray_51x80.png")]
    [InlineData("rgb_97x61.jpg")]
    [InlineData("rgb_tiny_20x15.png")]
    [InlineData("rgba_130x75.png")]
    public void The_whole_kit_is_matched_to_the_byte(string file)
    {
        var folder = SharedFiles.Reference("clip", "preprocess");
        var picture = ImageCodec.Load(Path.Combine(folder, file));
        var all = SmallSafetensors.ReadBytes(Path.Combine(folder, "expected.safetensors"));
        var key = file.Replace('.', '_');
        picture.Pixels.ShouldBe(all[$"{key}/decoded"]);
        foreach (var size in new[] { 32, 64, 224 })
        {
            Preprocess(picture, size).ToRgb().Pixels.ShouldBe(all[$"{key}/crop_uint8_{size}"], $"{key} {size}");
            if (all.TryGetValue($"{key}/crop_uint8_{size}_rgb_first", out var converted))
                Preprocess(picture.ToRgb(), size).Pixels.ShouldBe(converted, $"{key} {size}, RGB first");
        }
    }

    [Fact]
    public void The_same_size_is_the_same_picture()
    {
        var picture = PictureFixtures.Noise(9, 5, 4);
        Resize.Bicubic(picture, 9, 5).ShouldBeSameAs(picture);
    }

    [Fact]
    public void A_constant_stays_constant()
    {
        foreach (var filter in Enum.GetValues<ResizeFilter>())
        {
            var picture = Picture.Filled(41, 29, 3, new Rgb(7, 200, 255));
            Resize.To(picture, 13, 50, filter).ShouldEqual(Picture.Filled(13, 50, 3, new Rgb(7, 200, 255)), $"{filter}");
        }
    }

    [Fact]
    public void Impossible_sizes_are_refused()
    {
        var picture = PictureFixtures.Noise(3, 3, 1);
        Should.Throw<ArgumentOutOfRangeException>(() => Resize.Bicubic(picture, 0, 3));
        Should.Throw<ArgumentOutOfRangeException>(() => Resize.Bicubic(picture, 3, -1));
        Should.Throw<ArgumentException>(() => Resize.Bicubic(new float[5], 2, 3, 4, 4));
    }

    private static Picture Preprocess(Picture picture, int size) => Resize.ShortestEdge(picture, size).CentreCrop(size, size);

    private static (string Mode, ResizeFilter Filter, int Width, int Height) Parse(string file)
    {
        var parts = file.Split('.');
        var size = parts[2].Split('x');
        return (parts[0], Enum.Parse<ResizeFilter>(parts[1], ignoreCase: true), int.Parse(size[0]), int.Parse(size[1]));
    }
}
