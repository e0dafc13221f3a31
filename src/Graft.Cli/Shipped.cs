namespace Graft.Cli;

/// <summary>What ships with the project: models and target sets.</summary>
internal static class Shipped
{
    /// <summary>The path of a shipped file or folder: under <c>GRAFT_HOME</c>, the current folder, or a folder above the program.</summary>
    /// <exception cref="InputException">It is nowhere.</exception>
    internal static string Path(params ReadOnlySpan<string> parts)
    {
        var relative = System.IO.Path.Combine(parts.ToArray());
        foreach (var root in Roots())
        {
            var path = System.IO.Path.Combine(root, relative);
            if (System.IO.Path.Exists(path))
                return System.IO.Path.GetRelativePath(Environment.CurrentDirectory, path);
        }

        throw new InputException($"{relative} is missing: run graft from the project's folder, or set GRAFT_HOME to it.");
    }

    private static IEnumerable<string> Roots()
    {
        if (Environment.GetEnvironmentVariable("GRAFT_HOME") is { Length: > 0 } home)
            yield return home;
        yield return Environment.CurrentDirectory;
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            yield return folder.FullName;
    }
}
