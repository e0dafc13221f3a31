namespace Graft.Formats;

/// <summary>Where a conversion writes to: what is refused, and how a folder appears whole.</summary>
internal static class ConversionOutput
{
    private static readonly string[] OwnEntries = ["model_index.json", "scheduler", "unet"];
    private static readonly string[] OtherWeightFiles = [".pt", ".pth", ".ckpt", ".bin", ".pkl"];

    /// <exception cref="InputException">The output is there already, is the input, or does not fit the options.</exception>
    internal static void Check(string input, string output, ConversionOptions options)
    {
        var bare = output.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase);
        if (OtherWeightFiles.Contains(Path.GetExtension(output), StringComparer.OrdinalIgnoreCase))
            throw new InputException($"The output {output} would be a pickle, which is not written: end it in .safetensors for bare weights.");
        if (options.Names == WeightNames.GuidedDiffusion && !bare)
            throw new InputException($"The output {output} would be a diffusers folder: for --names guided-diffusion give a file that ends in .safetensors.");
        if (options.AttentionOrder is not null && options.Names != WeightNames.GuidedDiffusion)
            throw new InputException("--attention-order says how guided-diffusion weights are written: it needs --names guided-diffusion (the order of an input is said by --use_new_attention_order among its model flags).");
        if (Inside(input, output) || Inside(output, input))
            throw new InputException($"The output {output} and the input {input} are one, or one is inside the other: give another place.");
        if (bare ? Directory.Exists(output) : File.Exists(output))
            throw new InputException($"The output {output} is a {(bare ? "folder" : "file")}: give another name.");
        if (!Path.Exists(output) || IsEmptyFolder(output))
            return;
        if (!options.Force)
            throw new InputException($"The output {output} is there already: give another name, or --force to replace it.");
        if (!bare)
            Foreign(output);
    }

    /// <summary>Writes a folder beside its place and moves it there. What was there is gone only when the new one is in its place.</summary>
    internal static void WriteFolder(string output, bool force, Action<string> write)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(output));
        var beside = Path.Combine(Path.GetDirectoryName(full) ?? ".", $".{Path.GetFileName(full)}.{Guid.NewGuid():N}");
        var (temporary, old) = (beside + ".tmp", beside + ".old");
        try
        {
            try
            {
                Directory.CreateDirectory(temporary);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new InputException($"Cannot write '{output}' ({e.Message.TrimEnd('.')}): give a path that can be written to.", e);
            }

            write(temporary);
            var replaces = Directory.Exists(full);
            if (replaces)
            {
                // What came there meanwhile is not thrown away either.
                if (!IsEmptyFolder(full) && !force)
                    throw new InputException($"The output {output} has come into being meanwhile: give another name, or --force to replace it.");
                if (!IsEmptyFolder(full))
                    Foreign(full);
                Directory.Move(full, old);
            }

            try
            {
                Directory.Move(temporary, full);
            }
            catch when (replaces)
            {
                Directory.Move(old, full);
                throw;
            }

            if (replaces)
                Directory.Delete(old, recursive: true);
        }
        finally
        {
            if (Directory.Exists(temporary))
                Directory.Delete(temporary, recursive: true);
        }
    }

    /// <summary>A folder that holds more than a model (checkpoints, pictures) is not deleted for the sake of one.</summary>
    private static void Foreign(string folder)
    {
        var other = Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName).Where(n => !OwnEntries.Contains(n, StringComparer.Ordinal)).Order(StringComparer.Ordinal).FirstOrDefault();
        if (other is not null)
            throw new InputException($"The output {folder} holds more than a model, as {FileFault.Quote(other)}, and is not replaced even with --force: give another name.");
    }

    private static bool IsEmptyFolder(string path) => Directory.Exists(path) && !Directory.EnumerateFileSystemEntries(path).Any();

    private static bool Inside(string inner, string outer)
    {
        var (a, b) = (Whole(inner), Whole(outer));
        return a == b || (Directory.Exists(b) && a.StartsWith(b + Path.DirectorySeparatorChar, StringComparison.Ordinal));

        static string Whole(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
    }
}
