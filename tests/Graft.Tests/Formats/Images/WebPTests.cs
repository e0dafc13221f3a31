using System.Buffers.Binary;
using System.Text.Json;
using Graft.Data;
using Graft.Formats.Images;

namespace Graft.Tests.Formats.Images;

/// <summary>WebP against Pillow's pixels, and against damage. The files are made by <c>Fixtures/make_webp_fixtures.py</c>.</summary>
public sealed class WebPTests
{
    public static TheoryData<string, string> Decodable()
    {
        using var json = JsonDocument.Parse(PictureFixtures.Bytes("webp", "modes.json"));
        var data = new TheoryData<string, string>();
        foreach (var file in json.RootElement.GetProperty("modes").EnumerateObject())
            data.Add(file.Name, file.Value.GetString()!);
        return data;
    }

    public static TheoryData<string> Bad() =>
        [.. Directory.GetFiles(PictureFixtures.Path("webp"), "bad_*.webp").Select(path => Path.GetFileName(path)!)];

    [Theory]
    [MemberData(nameof(Decodable))]
    public void Pixels_are_those_of_Pillow(string file, string mode)
    {
        var actual = ImageCodec.Load(PictureFixtures.Path("webp", file));
        actual.Channels.ShouldBe(mode.Length);
        actual.ShouldEqual(ImageCodec.Load(PictureFixtures.Path("webp", file + ".expected.png")), file);
    }

    [Theory]
    [InlineData("lossy.webp", 45, 31, 3, 1)]
    [InlineData("lossless_alpha.webp", 37, 23, 4, 1)]
    [InlineData("orientation6.webp", 45, 31, 3, 6)]
    [InlineData("orientation6_other_prefix.webp", 45, 31, 3, 6)]
    [InlineData("orientation8_alpha.webp", 37, 23, 4, 8)]
    [InlineData("animated.webp", 24, 17, 3, 1)]
    public void Headers_are_told(string file, int width, int height, int channels, int orientation)
    {
        var info = ImageCodec.Probe(PictureFixtures.Bytes("webp", file), file);
        info.ShouldBe(new ImageInfo(ImageFormat.WebP, width, height, channels, 8, Palette: false, orientation));
    }

    [Fact]
    public void Of_an_animation_the_first_frame_lies_on_a_transparent_canvas()
    {
        var picture = ImageCodec.Load(PictureFixtures.Path("webp", "animated_part.webp"));
        (picture.Width, picture.Height, picture.Channels).ShouldBe((24, 17, 4));
        Enumerable.Range(0, picture.Height * picture.Width)
            .Where(i => i % 24 is < 4 or > 13 || i / 24 is < 6 or > 12)
            .ShouldAllBe(i => picture.Pixels[(4 * i) + 3] == 0);
        picture.Crop(4, 6, 10, 7).Pixels.ShouldContain(v => v != 0);
    }

    [Theory]
    [MemberData(nameof(Bad))]
    public void Damage_is_one_sentence_and_takes_no_memory(string file)
    {
        _ = ImageCodec.Load(PictureFixtures.Path("webp", "lossy.webp"));
        var path = PictureFixtures.Path("webp", file);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var message = Should.Throw<InputException>(() => ImageCodec.Load(path)).Message;
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1 << 20);
        message.ShouldStartWith($"The picture '{path}' cannot be read: ");
        message.ShouldEndWith("; replace it with a whole PNG, JPEG or WebP.");
        message.ShouldNotContain("\n");
    }

    [Theory]
    [InlineData("bad_truncated_lossy.webp", "ends too early: its header says 1068 bytes and 530 are there")]
    [InlineData("bad_short_lossy.webp", "picture data end too early")]
    [InlineData("bad_huge_lossy.webp", "12000 x 12000 pixels, which 320 bytes cannot hold")]
    [InlineData("bad_huge_lossless_13000.webp", "13000 x 13000 pixels, which 66 bytes would hold only if all were alike")]
    [InlineData("bad_huge_lossless_16384.webp", "16384 x 16384 pixels, more than the limit")]
    [InlineData("bad_huge_animated.webp", "10000 x 10000 pixels")]
    [InlineData("bad_garbage.webp", "damaged header")]
    public void Reasons_are_told(string file, string reason) =>
        Should.Throw<InputException>(() => ImageCodec.Load(PictureFixtures.Path("webp", file))).Message.ShouldContain(reason);

    [Theory]
    [InlineData("lossy.webp")]
    [InlineData("lossless_alpha.webp")]
    [InlineData("lossy_alpha.webp")]
    [InlineData("animated.webp")]
    public void A_file_cut_anywhere_is_an_error(string file)
    {
        var data = PictureFixtures.Bytes("webp", file);
        for (var length = 0; length < data.Length; length++)
        {
            var cut = data[..length];
            Should.Throw<InputException>(() => ImageCodec.Decode(cut, file), $"{file} cut to {length} of {data.Length} bytes");
        }
    }

    [Fact]
    public void Bytes_after_the_end_do_no_harm()
    {
        foreach (var file in new[] { "lossy.webp", "lossless_alpha.webp", "animated.webp" })
        {
            var data = PictureFixtures.Bytes("webp", file);
            byte[] longer = [.. data, .. "trailing rubbish"u8];
            ImageCodec.Decode(longer, file).ShouldEqual(ImageCodec.Decode(data, file), file);
        }
    }

    [Theory]
    [InlineData("lossy.webp")]
    [InlineData("lossy_alpha.webp")]
    [InlineData("lossless_alpha.webp")]
    [InlineData("orientation6.webp")]
    [InlineData("animated_part.webp")]
    public void Two_thousand_damaged_files_are_read_or_refused(string file)
    {
        var original = PictureFixtures.Bytes("webp", file);
        var read = 0;
        for (var key = 1ul; key <= 2000; key++)
        {
            var data = PictureFixtures.Mutate(original, key);
            // Half of them with the container's size put right, without which a changed length ends at the first check.
            if (key % 2 == 0 && data.Length >= 8)
                BinaryPrimitives.WriteInt32LittleEndian(data.AsSpan(4), data.Length - 8);
            try
            {
                ImageCodec.Decode(data, $"{file} {key}");
                read++;
            }
            catch (InputException e)
            {
                e.Message.ShouldStartWith($"The picture '{file} {key}' cannot be read: ");
            }
        }

        read.ShouldBeInRange(1, 1999);
    }

    [Fact]
    public void Folders_read_them_upright()
    {
        using var folder = new TemporaryFolder();
        File.Copy(PictureFixtures.Path("webp", "orientation6.webp"), folder["a.WebP"]);
        File.Copy(PictureFixtures.Path("webp", "bad_truncated_lossy.webp"), folder["b.webp"]);
        var images = ImageFolder.Open(folder.Path, new ImageShape(3, 45, 31));
        images.Count.ShouldBe(1);
        images.Unreadable.ShouldHaveSingleItem().Path.ShouldBe("b.webp");
        images.ToPicture(0).ShouldEqual(ImageCodec.Load(PictureFixtures.Path("webp", "orientation6.webp.expected.png")).Upright(6), "turned");
    }
}
