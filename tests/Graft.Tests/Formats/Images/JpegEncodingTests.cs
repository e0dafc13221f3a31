using Graft.Formats.Images;

namespace Graft.Tests.Formats.Images;

public sealed class JpegEncodingTests
{
    /// <summary>A smooth picture of waves, different in each channel.</summary>
    private static Picture Waves(int width, int height, int channels)
    {
        var pixels = new byte[width * height * channels];
        for (var i = 0; i < pixels.Length; i++)
        {
            var (c, x, y) = (i % channels, i / channels % width, i / channels / width);
            pixels[i] = (byte)(127.5 + (120 * Math.Sin(((x * (c + 1)) + (2 * y)) / 9.0)));
        }

        return new Picture(width, height, channels, pixels);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Better_quality_is_closer_and_larger(int channels)
    {
        var picture = Waves(67, 45, channels);
        var (before, size) = (0.0, 0);
        foreach (var (quality, bound) in new[] { (1, 10.0), (50, 29.0), (75, 32.0), (95, 40.0), (100, 45.0) })
        {
            var data = ImageCodec.EncodeJpeg(picture, quality);
            var again = ImageCodec.Decode(data, "memory");
            (again.Width, again.Height, again.Channels).ShouldBe((67, 45, channels));
            var psnr = Psnr(again, picture);
            psnr.ShouldBeGreaterThan(bound, $"quality {quality}");
            psnr.ShouldBeGreaterThan(before);
            data.Length.ShouldBeGreaterThan(size);
            (before, size) = (psnr, data.Length);
        }
    }

    [Fact]
    public void Colour_keeps_its_resolution_unless_asked_otherwise()
    {
        var picture = Waves(20, 20, 3);
        Sampling(ImageCodec.EncodeJpeg(picture)).ShouldBe([0x11, 0x11, 0x11]);
        Sampling(ImageCodec.EncodeJpeg(picture, quality: 20)).ShouldBe([0x11, 0x11, 0x11]);
        Sampling(ImageCodec.EncodeJpeg(picture, subsample: true)).ShouldBe([0x22, 0x11, 0x11]);
        Sampling(ImageCodec.EncodeJpeg(Waves(20, 20, 1))).Length.ShouldBe(1);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Alpha_is_laid_over_a_background(int channels)
    {
        var picture = Waves(19, 23, channels);
        ImageCodec.EncodeJpeg(picture).ShouldBe(ImageCodec.EncodeJpeg(picture.OverColour(Rgb.White)));
        var red = new Rgb(255, 0, 0);
        ImageCodec.EncodeJpeg(picture, background: red).ShouldBe(ImageCodec.EncodeJpeg(picture.OverColour(red)));
    }

    [Fact]
    public void Saving_replaces_and_leaves_nothing_else()
    {
        using var folder = new TemporaryFolder();
        var path = folder["a/b.jpg"];
        ImageCodec.SaveJpeg(path, Waves(5, 4, 1));
        var second = Waves(40, 30, 3);
        ImageCodec.SaveJpeg(path, second, quality: 100);
        Psnr(ImageCodec.Load(path), second).ShouldBeGreaterThan(45);
        Directory.GetFileSystemEntries(Path.GetDirectoryName(path)!).ShouldBe([path]);
    }

    [Fact]
    public void What_cannot_be_written_is_told()
    {
        Should.Throw<ArgumentOutOfRangeException>(() => ImageCodec.EncodeJpeg(Waves(2, 2, 1), 0));
        Should.Throw<ArgumentOutOfRangeException>(() => ImageCodec.EncodeJpeg(Waves(2, 2, 1), 101));
        Should.Throw<GraftException>(() => ImageCodec.EncodeJpeg(new Picture(65_536, 1, 1, new byte[65_536]))).Message.ShouldContain("65535");
        ImageCodec.Decode(ImageCodec.EncodeJpeg(new Picture(65_500, 1, 1, new byte[65_500])), "wide").Width.ShouldBe(65_500);
    }

    private static double Psnr(Picture a, Picture b)
    {
        var error = a.Pixels.Zip(b.Pixels, (x, y) => (double)(x - y) * (x - y)).Average();
        return 10 * Math.Log10(255.0 * 255 / error);
    }

    /// <summary>The sampling factors of the components in the baseline frame header, horizontal in the high nibble.</summary>
    private static byte[] Sampling(byte[] jpeg)
    {
        var at = 2;
        while (jpeg[at + 1] != 0xc0)
            at += 2 + (jpeg[at + 2] << 8) + jpeg[at + 3];
        return [.. Enumerable.Range(0, jpeg[at + 9]).Select(i => jpeg[at + 11 + (3 * i)])];
    }
}
