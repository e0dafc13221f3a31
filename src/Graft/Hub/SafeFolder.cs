namespace Graft.Hub;

/// <summary>
/// A folder that is written to only inside: every step below it must be a real folder, not a link, so that neither a name nor a link
/// that lies there can lead out. (Links above it are the user's own arrangement, and are followed.)
/// </summary>
internal sealed class SafeFolder
{
    private readonly string _root;

    /// <summary>Names the folder; it need not exist.</summary>
    internal SafeFolder(string root) => _root = Path.GetFullPath(root);

    /// <summary>The folder.</summary>
    internal string Root => _root;

    /// <summary>The path of a file or folder inside, from plain names.</summary>
    /// <exception cref="InputException">A name is not plain.</exception>
    internal string PathOf(params IEnumerable<string> names)
    {
        var parts = names.SelectMany(n => n.Split('/')).ToList();
        if (parts.Count == 0 || !parts.TrueForAll(p => SafeName.IsSegment(p)))
            throw new InputException($"'{string.Join('/', parts)}' is no path inside {_root}: nothing was written.");
        var path = Path.GetFullPath(Path.Combine([_root, .. parts]));
        return path.StartsWith(_root.TrimEnd(Path.DirectorySeparatorChar) + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? path
            : throw new InputException($"'{string.Join('/', parts)}' leads out of {_root}: nothing was written.");
    }

    /// <summary>As <see cref="PathOf"/>, and makes the folders that the file is to lie in.</summary>
    /// <exception cref="InputException">A name is not plain, a link or a file stands where a folder is due, or it cannot be made.</exception>
    internal string FileIn(params IEnumerable<string> names)
    {
        var path = PathOf(names);
        Make(_root);
        var folder = _root;
        foreach (var part in Path.GetRelativePath(_root, path).Split(Path.DirectorySeparatorChar)[..^1])
        {
            folder = Path.Combine(folder, part);
            RefuseLink(folder);
            Make(folder);
        }

        return path;
    }

    /// <summary>Refuses a link where a file is about to be opened for writing.</summary>
    /// <exception cref="InputException">There is a link.</exception>
    internal static void RefuseLink(string path)
    {
        if (new FileInfo(path).LinkTarget is { } target)
            throw new InputException($"{path} is a link (to {target}), which a download would follow out of the cache: remove it and pull again.");
    }

    private static void Make(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DownloadFaults.OfDisk(folder, e);
        }
    }
}
