namespace Graft.Fuzz;

/// <summary>Something that reads files from outside, and what is given to it.</summary>
internal sealed record FuzzedParser
{
    /// <summary>What it is called on the command line.</summary>
    public required string Name { get; init; }

    /// <summary>The file that is damaged, relative to a scratch folder.</summary>
    public required string File { get; init; }

    /// <summary>The contents that are damaged.</summary>
    public required Func<IReadOnlyList<byte[]>> Seeds { get; init; }

    /// <summary>Kinds of damage, each as likely.</summary>
    public required IReadOnlyList<Mutator> Mutators { get; init; }

    /// <summary>Puts what lies beside the file into a scratch folder, and gives what reads the file there.</summary>
    public required Func<string, Action<string>> Open { get; init; }

    /// <summary>Whether every sentence names the file or its folder; else it names a key or a flag.</summary>
    public bool NamesFile { get; init; } = true;

    /// <summary>Characters that a sentence may have beside the path.</summary>
    public int LongestSentence { get; init; } = 600;

    /// <summary>Bytes that may be allocated for any file.</summary>
    public long Allowance { get; init; } = 16 << 20;

    /// <summary>Bytes that may be allocated for each byte of the file beyond that.</summary>
    public long AllowancePerByte { get; init; } = 1024;

    /// <summary>Seconds that a file may take.</summary>
    public double MostSeconds { get; init; } = Fuzzer.MostSeconds;

    /// <summary>Whether native code does the work, so that the peak of resident memory is measured as well (twice the bound, and 64 MiB).</summary>
    public bool IsNative { get; init; }

    /// <summary>The input of an index.</summary>
    public byte[] Input(IReadOnlyList<byte[]> seeds, ulong seed, long index)
    {
        var random = SplitMix.Of(seed, Name, index);
        var original = seeds[random.Next(seeds.Count)];
        var donor = seeds[random.Next(seeds.Count)];
        return Mutators[random.Next(Mutators.Count)](original, donor, ref random);
    }
}
