namespace Graft.Data.Ecg;

/// <summary>Opens any folder of ECGs that is known: PTB-XL or its subset, LUDB, CPSC-2018, CinC-2021.</summary>
public static class EcgFolder
{
    private static readonly (string Kind, Func<string, bool> Is, Func<string, EcgOpenOptions?, EcgSet> Open)[] Kinds =
    [
        ("PTB-XL", PtbXl.Is, PtbXl.Open),
        ("PTB-XL subset", PtbXl.IsSubset, PtbXl.OpenSubset),
        ("LUDB", Ludb.Is, Ludb.Open),
        ("CPSC-2018", Cpsc2018.Is, Cpsc2018.Open),
        ("CinC-2021", Cinc2021.Is, Cinc2021.Open),
    ];

    /// <summary>What a folder is, told by the files in it; null where it holds no ECGs that are known.</summary>
    /// <param name="folder">Any folder.</param>
    public static string? KindOf(string folder) => Directory.Exists(folder) ? Array.Find(Kinds, k => k.Is(folder)).Kind : null;

    /// <summary>Opens a folder by what it is.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="options">Which records, and what is done to them.</param>
    /// <exception cref="InputException">It is none that is known, or is broken.</exception>
    public static EcgSet Open(string folder, EcgOpenOptions? options = null)
    {
        var kind = KindOf(folder);
        return kind is not null
            ? Array.Find(Kinds, k => k.Kind == kind).Open(folder, options)
            : throw new InputException($"The folder '{folder}' holds no ECGs that are known ({string.Join(", ", Kinds.Select(k => k.Kind))}); check the path.");
    }
}
