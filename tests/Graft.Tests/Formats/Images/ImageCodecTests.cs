using System.Text.Json;
using Graft.Formats.Images;

namespace Graft.Tests.Formats.Images;

public sealed class ImageCodecTests
{
    public static TheoryData<string> Decodable()
    {
        using var json = JsonDocument.Parse(PictureFixtures.Bytes("decode", "modes.json"));
        return [.. json.RootElement.GetProperty("modes").EnumerateObject().Select(file => file.Name)];
    }

    [Theory]
    [MemberData(nameof(Decodable))]
    public void Pixels_are_those_of_Pillow(string file)
    {
        var actual = ImageCodec.Load(PictureFixtures.Path("decode", file));
        var expected = ImageCodec.Load(PictureFixtures.Path("decode", file + ".expected.png"));
        actual.ShouldEqual(expected, file);
    }

    [Theory]
    [InlineData("grey1.png", ImageFormat.Png, 1, 1, false)]
    [InlineData("palette4.png", ImageFormat.Png, 3, 4, true)]
    [InlineData("palette8_transparent.png", ImageFormat.Png, 4, 8, true)]
    [InlineData("rgba16.png", ImageFormat.Png, 4, 16, false)]
    [InlineData("grey8_transparent.png", ImageFormat.Png, 2, 8, false)]
    [InlineData("jpeg_grey.jpg", ImageFormat.Jpeg, 1, 8, false)]
    [InlineData("jpeg_progressive.jpg", ImageFormat.Jpeg, 3, 8, false)]
    public void Headers_are_told(string file, ImageFormat format, int channels, int depth, bool palette)
    {
        var info = ImageCodec.Probe(PictureFixtures.Bytes("decode", file), file);
        (info.Format, info.Channels, info.BitDepth, info.Palette, info.Orientation).ShouldBe((format, channels, depth, palette, 1));
    }

    [Fact]
    public void Orientation_is_told_and_not_applied()
    {
        var data = PictureFixtures.Bytes("decode", "jpeg_orientation6.jpg");
        var info = ImageCodec.Probe(data, "photo");
        info.Orientation.ShouldBe(6);
        (info.Width, info.Height).ShouldBe((45, 61));
        ImageCodec.Decode(data, "photo").Width.ShouldBe(45);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Png_round_trips(int channels)
    {
        for (var compression = 0; compression <= 9; compression += 3)
        {
            foreach (var (width, height) in new[] { (1, 1), (7, 3), (64, 33), (1, 300) })
            {
                var picture = PictureFixtures.Noise(width, height, channels, (ulong)(width + compression));
                ImageCodec.Decode(ImageCodec.EncodePng(picture, compression), "memory").ShouldEqual(picture, $"{picture}");
            }
        }
    }

    [Fact]
    public void Saving_makes_folders_replaces_and_leaves_nothing_else()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "a", "b.png");
        ImageCodec.SavePng(path, PictureFixtures.Noise(5, 4, 3));
        var second = PictureFixtures.Noise(6, 7, 1);
        ImageCodec.SavePng(path, second);
        ImageCodec.Load(path).ShouldEqual(second, "the second one");
        Directory.GetFileSystemEntries(Path.GetDirectoryName(path)!).ShouldBe([path]);
    }

    [Fact]
    public void Saving_over_a_folder_is_refused_and_leaves_nothing()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["x.png"]);
        Should.Throw<InputException>(() => ImageCodec.SavePng(folder["x.png"], PictureFixtures.Noise(2, 2, 1)))
            .Message.ShouldContain("x.png");
        Directory.GetFiles(folder.Path).ShouldBeEmpty();
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        using var folder = new TemporaryFolder();
        Should.Throw<InputException>(() => ImageCodec.Load(folder["none.png"])).Message.ShouldContain("none.png");
        Should.Throw<InputException>(() => ImageCodec.Load(folder.Path)).Message.ShouldContain(folder.Path);
    }

    [Theory]
    [InlineData("GIF89a\u0001\0\u0001\0", "GIF")]
    [InlineData("RIFF\u0001\0\0\0WEBPVP8 ", "WebP with a damaged header")]
    [InlineData("RIFF\u0001\0\0\0WAVEfmt ", "neither")]
    [InlineData("<!DOCTYPE html>", "neither")]
    [InlineData("", "empty")]
    public void Other_files_are_told_by_name(string content, string word)
    {
        var data = System.Text.Encoding.Latin1.GetBytes(content);
        var message = Should.Throw<InputException>(() => ImageCodec.Decode(data, "thing.png")).Message;
        message.ShouldContain("thing.png");
        message.ShouldContain(word);
    }

    [Fact]
    public void Bytes_after_the_end_do_no_harm()
    {
        foreach (var file in new[] { "rgb8.png", "jpeg_420.jpg" })
        {
            var data = PictureFixtures.Bytes("decode", file);
            byte[] longer = [.. data, .. "trailing rubbish"u8];
            ImageCodec.Decode(longer, file).ShouldEqual(ImageCodec.Decode(data, file), file);
        }
    }

    [Theory]
    [InlineData("rgb8.png")]
    [InlineData("rgb8_interlaced.png")]
    [InlineData("jpeg_420.jpg")]
    [InlineData("jpeg_progressive.jpg")]
    public void A_file_cut_anywhere_is_an_error(string file)
    {
        var data = PictureFixtures.Bytes("decode", file);
        for (var length = 0; length < data.Length; length++)
        {
            // Without its end marker a JPEG is whole but for two bytes, and libjpeg puts it back; it warns, so this is an error too.
            var cut = data[..length];
            Should.Throw<InputException>(() => ImageCodec.Decode(cut, file), $"{file} cut to {length} of {data.Length} bytes");
        }
    }
}
