namespace Graft.Fuzz;

/// <summary>Splitmix64 (Steele, Lea and Flood 2014): the same numbers on every run and machine.</summary>
internal struct SplitMix
{
    private ulong _state;

    public SplitMix(ulong seed) => _state = seed;

    /// <summary>The numbers of one input: of another seed, parser or index they are others.</summary>
    public static SplitMix Of(ulong seed, string parser, long index)
    {
        var random = new SplitMix(seed);
        foreach (var c in parser)
            random = new SplitMix(random.Next() ^ c);
        return new SplitMix(random.Next() ^ (ulong)index);
    }

    public ulong Next()
    {
        var z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    public int Next(int below) => (int)(Next() % (ulong)below);
}
