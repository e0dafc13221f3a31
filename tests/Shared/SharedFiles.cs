using System.Runtime.CompilerServices;

namespace Graft.Tests;

/// <summary>Where tests find files: in the repository, and in the kit of reference numbers beside it.</summary>
internal static class SharedFiles
{
    public static string Repository { get; } = FindRepository();

    public static string Shared { get; } = Path.GetFullPath(Path.Combine(Repository, "..", "shared"));

    public static string Reference(params string[] parts) => Path.Combine([Shared, "reference", .. parts]);

    public static string Data(params string[] parts) => Path.Combine([Shared, "data", .. parts]);

    private static string FindRepository([CallerFilePath] string here = "")
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Graft.slnx")))
                return folder.FullName;
        }

        return Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", ".."));
    }
}

/// <summary>A test that reads files of <c>../shared</c> and says so when they are absent.</summary>
internal sealed class SharedFactAttribute : FactAttribute
{
    public SharedFactAttribute(string path)
    {
        if (!Path.Exists(Path.Combine(SharedFiles.Shared, path)))
            Skip = $"needs ../shared/{path}, which is not on this machine";
    }
}

/// <summary>A theory whose cases read files of <c>../shared</c> and that says so when they are absent.</summary>
internal sealed class SharedTheoryAttribute : TheoryAttribute
{
    public SharedTheoryAttribute(string path)
    {
        if (!Path.Exists(Path.Combine(SharedFiles.Shared, path)))
            Skip = $"needs ../shared/{path}, which is not on this machine";
    }
}

/// <summary>A folder that disappears with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("graft-test-").FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
