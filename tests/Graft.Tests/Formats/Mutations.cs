namespace Graft.Tests.Formats;

/// <summary>Damages valid files in keyed ways and sees how a reader takes it.</summary>
internal static class Mutations
{
    private const int Count = 2000;

    /// <summary>How many inputs were tried, and how many ended in anything but success or an <see cref="InputException"/>.</summary>
    public static (int Tried, int Broken) Run(string[] seeds, string scratch, Action<string> read, int count = Count)
    {
        var originals = seeds.Select(File.ReadAllBytes).ToArray();
        var broken = 0;
        for (var i = 0; i < count; i++)
        {
            var random = new SplitMix((ulong)i);
            File.WriteAllBytes(scratch, Mutate(originals[i % originals.Length], ref random));
            try
            {
                read(scratch);
            }
            catch (InputException)
            {
                // The other outcome that is allowed.
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                broken++;
                Console.Error.WriteLine($"mutation {i} of {seeds[i % seeds.Length]}: {e}");
            }
        }

        return (count, broken);
    }

    private static byte[] Mutate(byte[] original, ref SplitMix random)
    {
        var bytes = new List<byte>(original);
        for (var edits = 1 + random.Next(4); edits > 0 && bytes.Count > 0; edits--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(7))
            {
                case 0: bytes[at] = (byte)random.Next(256); break;
                case 1: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 2: bytes.RemoveRange(at, Math.Min(1 + random.Next(8), bytes.Count - at)); break;
                case 3: bytes.InsertRange(at, bytes.GetRange(0, Math.Min(1 + random.Next(16), bytes.Count))); break;
                case 4: bytes.RemoveRange(at, bytes.Count - at); break;
                case 5: bytes[at] = bytes[at] is >= (byte)'0' and <= (byte)'9' ? (byte)'9' : (byte)0xFF; break;
                default:
                    var from = random.Next(bytes.Count);
                    var length = Math.Min(random.Next(16), bytes.Count - Math.Max(at, from));
                    for (var i = 0; i < length; i++)
                        bytes[at + i] = bytes[from + i];
                    break;
            }
        }

        return [.. bytes];
    }
}
