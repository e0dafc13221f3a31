using Graft.Formats.Images;

namespace Graft.Tests.Formats.Images;

/// <summary>Fixture files, and pictures and damage made from a key.</summary>
internal static class PictureFixtures
{
    public static string Path(params string[] parts) =>
        System.IO.Path.Combine([SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", .. parts]);

    public static byte[] Bytes(params string[] parts) => File.ReadAllBytes(Path(parts));

    /// <summary>Noise that compresses badly, the same for the same key.</summary>
    public static Picture Noise(int width, int height, int channels, ulong key = 1)
    {
        var random = new SplitMix64(key);
        var pixels = new byte[width * height * channels];
        foreach (ref var value in pixels.AsSpan())
            value = (byte)random.Next(256);
        return new Picture(width, height, channels, pixels);
    }

    /// <summary>One to eight changes: bytes overwritten, bits turned, a cut, a piece repeated or taken out.</summary>
    public static byte[] Mutate(byte[] original, ulong key)
    {
        var random = new SplitMix64(key);
        var bytes = original.ToList();
        for (var changes = 1 + random.Next(8); changes > 0 && bytes.Count > 0; changes--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes[at] = random.Next(2) == 0 ? (byte)0xff : (byte)0;
                    break;
                case 3 when random.Next(4) == 0:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                case 4:
                    bytes.RemoveRange(at, Math.Min(bytes.Count - at, 1 + random.Next(16)));
                    break;
                default:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(bytes.Count - at, 1 + random.Next(16))));
                    break;
            }
        }

        return [.. bytes];
    }

    public static void ShouldEqual(this Picture actual, Picture expected, string because)
    {
        (actual.Width, actual.Height, actual.Channels).ShouldBe((expected.Width, expected.Height, expected.Channels), because);
        if (actual.Pixels.AsSpan().SequenceEqual(expected.Pixels))
            return;
        var different = Enumerable.Range(0, actual.Pixels.Length).Where(i => actual.Pixels[i] != expected.Pixels[i]).ToArray();
        var largest = different.Max(i => Math.Abs(actual.Pixels[i] - expected.Pixels[i]));
        throw new ShouldAssertException(
            $"{because}: {different.Length} of {actual.Pixels.Length} bytes differ, by up to {largest}, the first at {different[0]}");
    }
}

/// <summary>Steele, Lea and Flood's splitmix64: a keyed source of numbers for tests.</summary>
internal struct SplitMix64(ulong key)
{
    private ulong _state = key * 0xD1342543DE82EF95;

    public int Next(int below)
    {
        _state += 0x9E3779B97F4A7C15;
        var z = _state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return (int)((z ^ (z >> 31)) % (ulong)below);
    }
}
