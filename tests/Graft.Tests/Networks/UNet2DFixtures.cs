namespace Graft.Tests.Networks;

/// <summary>Model folders that diffusers wrote.</summary>
internal static class UNet2DFixtures
{
    public static string InRepository(string name) => Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "unet2d", name);

    /// <summary>All that this machine has: those of the kit where it is there, else the two of the repository.</summary>
    public static IReadOnlyList<string> Folders()
    {
        var kit = SharedFiles.Reference("unet2d");
        return [.. Directory.EnumerateDirectories(Directory.Exists(kit) ? kit : InRepository("")).Order(StringComparer.Ordinal)];
    }

    /// <summary>Copies the model of a fixture, without its numbers.</summary>
    public static string CopyTo(string folder, string name)
    {
        var source = InRepository(name);
        foreach (var file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            var relative = Path.GetRelativePath(source, file);
            if (relative is "io.safetensors" or "fixture.json")
                continue;
            var copy = Path.Combine(folder, relative);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        return folder;
    }
}
