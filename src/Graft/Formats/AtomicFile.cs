using System.Text;

namespace Graft.Formats;

/// <summary>
/// Writes files so that a reader sees either the old content or the new, never a part: the bytes go to a temporary file in the same
/// folder, are flushed to disk, and the file is renamed over the old one.
/// </summary>
public static class AtomicFile
{
    /// <summary>Writes a file. If <paramref name="write"/> throws, the old file stays as it was and nothing is left behind.</summary>
    /// <param name="path">The file to create or replace; missing folders are made.</param>
    /// <param name="write">Writes the content to the stream it is given.</param>
    /// <exception cref="InputException">The folder cannot be made or written to.</exception>
    /// <exception cref="IOException">The disk is full or failed.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        var full = Path.GetFullPath(path);
        if (Directory.Exists(full))
            throw new InputException($"Cannot write '{path}': it is a folder; give the name of a file.");
        var temporary = Path.Combine(Path.GetDirectoryName(full) ?? ".", $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp");
        var stream = Create(path, temporary);
        try
        {
            using (stream)
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, full, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Writes a text file in UTF-8 without a byte order mark.</summary>
    /// <param name="path">The file to create or replace; missing folders are made.</param>
    /// <param name="text">The whole content.</param>
    /// <exception cref="InputException">The folder cannot be made or written to.</exception>
    /// <exception cref="IOException">The disk is full or failed.</exception>
    public static void WriteText(string path, string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
    }

    private static FileStream Create(string path, string temporary)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(temporary)!);
            return new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"Cannot write '{path}' ({e.Message.TrimEnd('.')}): give a path that can be written to.", e);
        }
    }
}
