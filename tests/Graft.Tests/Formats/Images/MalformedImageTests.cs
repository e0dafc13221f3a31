using System.Text.Json;
using Graft.Formats.Images;

namespace Graft.Tests.Formats.Images;

public sealed class MalformedImageTests
{
    public static TheoryData<string, string> Cases()
    {
        using var json = JsonDocument.Parse(PictureFixtures.Bytes("malformed", "image", "fixture.json"));
        var data = new TheoryData<string, string>();
        foreach (var entry in json.RootElement.GetProperty("cases").EnumerateArray())
            data.Add(entry.GetProperty("file").GetString()!, entry.GetProperty("expected").GetString()!);
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Behaves_as_the_fixture_says(string file, string expected)
    {
        // Once before, so that what is loaded on first use does not count.
        _ = ImageCodec.EncodePng(PictureFixtures.Noise(2, 2, 1));
        var path = PictureFixtures.Path("malformed", "image", file);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Picture? picture = null;
        string? message = null;
        try
        {
            picture = ImageCodec.Load(path);
        }
        catch (InputException e)
        {
            message = e.Message;
        }

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1 << 20);
        message?.ShouldContain(path);
        switch (expected)
        {
            case "clear error":
                message.ShouldNotBeNull();
                break;
            case "either a clear error or a 4 x 4 image":
                (message is not null || picture is { Width: 4, Height: 4 }).ShouldBeTrue();
                break;
            case "either a clear error or the 40 x 30 image":
            case "either the 40 x 30 image or a clear error":
                picture.ShouldNotBeNull(message);
                (picture.Width, picture.Height).ShouldBe((40, 30));
                break;
            default:
                expected.ShouldStartWith("either the 16 x 16 black image or a clear error");
                (message is not null || picture!.Pixels.All(v => v == 0)).ShouldBeTrue();
                break;
        }
    }

    [SharedFact("reference/malformed/image")]
    public void The_copies_here_are_those_of_the_kit()
    {
        foreach (var path in Directory.GetFiles(SharedFiles.Reference("malformed", "image")))
            PictureFixtures.Bytes("malformed", "image", Path.GetFileName(path)).ShouldBe(File.ReadAllBytes(path), path);
    }

    [Theory]
    [InlineData("decode", "rgb8.png")]
    [InlineData("decode", "palette8_transparent.png")]
    [InlineData("decode", "rgb8_interlaced.png")]
    [InlineData("decode", "jpeg_420.jpg")]
    [InlineData("decode", "jpeg_progressive.jpg")]
    public void Two_thousand_damaged_files_are_read_or_refused(string folder, string file)
    {
        var original = PictureFixtures.Bytes(folder, file);
        var read = 0;
        for (var key = 1ul; key <= 2000; key++)
        {
            try
            {
                ImageCodec.Decode(PictureFixtures.Mutate(original, key), $"{file} {key}");
                read++;
            }
            catch (InputException e)
            {
                e.Message.ShouldStartWith($"The picture '{file} {key}' cannot be read: ");
            }
        }

        read.ShouldBeInRange(0, 1999);
    }

    [Fact]
    public void Damage_with_right_checksums_is_read_or_refused()
    {
        // libpng would stop at the checksum before it came to what lies behind it.
        var original = PictureFixtures.Bytes("decode", "palette8_transparent.png");
        for (var key = 1ul; key <= 2000; key++)
        {
            var data = PictureFixtures.Mutate(original, key);
            MendChecksums(data);
            try
            {
                ImageCodec.Decode(data, "damaged");
            }
            catch (InputException)
            {
            }
        }
    }

    private static void MendChecksums(byte[] png)
    {
        long at = 8;
        while (at + 12 <= png.Length)
        {
            var length = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan((int)at));
            if (at + 12 + length > png.Length)
                return;
            var crc = uint.MaxValue;
            foreach (var value in png.AsSpan((int)at + 4, (int)length + 4))
            {
                crc ^= value;
                for (var bit = 0; bit < 8; bit++)
                    crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
            }

            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(png.AsSpan((int)(at + 8 + length)), ~crc);
            at += 12 + length;
        }
    }
}
