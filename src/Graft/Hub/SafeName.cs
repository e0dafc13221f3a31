using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;
using Graft.Formats;

namespace Graft.Hub;

/// <summary>
/// The one place that decides which names from outside (typed, from a hub's listing, from a header, from a URL) may become part of a
/// path. Names are checked, never repaired, except for <see cref="FromUrl"/>.
/// </summary>
internal static partial class SafeName
{
    private const int LongestSegment = 200; // bytes; file systems allow 255, and ".incomplete" and the like are appended
    private const int LongestPath = 1024;
    private static readonly string[] Own = [".incomplete", ".lock", ".tmp", ".etag", UrlRecord.Extension];

    private static readonly SearchValues<char> Reserved = SearchValues.Create("/\\:*?\"<>|");

    private static readonly HashSet<string> Devices = new(StringComparer.OrdinalIgnoreCase)
    {
        "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$",
        "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9",
        "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
    };

    /// <summary>Whether a text is one half of a hub id: letters, digits, <c>-</c>, <c>_</c> and <c>.</c>, as the hub allows.</summary>
    internal static bool IsIdPart(string text) =>
        IdPart().IsMatch(text) && !text.Contains("--", StringComparison.Ordinal) && !text.Contains("..", StringComparison.Ordinal) && IsSegment(text);

    /// <summary>Whether a text is a commit: 40 lower-case hexadecimal digits.</summary>
    internal static bool IsCommit(string? text) => text is not null && CommitPattern().IsMatch(text);

    /// <summary>Whether a text is a SHA-256: 64 lower-case hexadecimal digits.</summary>
    internal static bool IsSha256(string? text) => text is not null && Sha256Pattern().IsMatch(text);

    /// <summary>Whether a text can name a branch, tag or commit: segments between slashes.</summary>
    internal static bool IsRevision(string text) => IsPath(text) && !text.Contains('@', StringComparison.Ordinal);

    /// <summary>Whether a text is a relative path of plain names between slashes.</summary>
    internal static bool IsPath(string text) => text.Length is > 0 and <= LongestPath && text.Split('/').All(IsSegment);

    /// <summary>Whether a text is one plain name: no separator, no drive, no device, nothing that a file system reads as something else.</summary>
    internal static bool IsSegment(string text)
    {
        if (text.Length == 0 || text is "." or ".." || text[0] == ' ' || text[^1] is '.' or ' ' || text[0] == '~')
            return false;
        if (text.AsSpan().ContainsAny(Reserved) || !text.EnumerateRunes().All(IsPrintable) || HasLoneSurrogate(text))
            return false;
        return Encoding.UTF8.GetByteCount(text) <= LongestSegment && !Devices.Contains(text.Split('.')[0].TrimEnd());
    }

    /// <summary>An entity tag as the name of a blob: without <c>W/</c> and quotes.</summary>
    /// <exception cref="InputException">It cannot be a file's name.</exception>
    internal static string Etag(string text)
    {
        var name = (text.StartsWith("W/", StringComparison.Ordinal) ? text[2..] : text).Trim('"');
        return EtagPattern().IsMatch(name) && IsSegment(name) && !IsOwn(name)
            ? name
            : throw new InputException($"The server names a file's content {FileFault.Quote(text)}, which cannot be a file's name: nothing was written; check the endpoint.");
    }

    /// <summary>A file's path inside a repository, as a listing gives it.</summary>
    /// <exception cref="InputException">It could lead out of the snapshot's folder.</exception>
    internal static string RepositoryPath(string text) => IsPath(text)
        ? text
        : throw new InputException($"The listing names a file {FileFault.Quote(text)}, which is no path inside a repository: nothing was written; check the endpoint.");

    /// <summary>A file's name for a URL: its last segment, with everything unusual replaced.</summary>
    internal static string FromUrl(Uri url)
    {
        const int Longest = 120;
        var last = Uri.UnescapeDataString(url.AbsolutePath.Split('/')[^1]);
        var name = Unusual().Replace(last, "_").TrimStart('.', '_', ' ').TrimEnd('.', ' ');
        if (name.Length > Longest)
        {
            var extension = Path.GetExtension(name) is { Length: <= 16 } e ? e : "";
            name = name[..(Longest - extension.Length)].TrimEnd('.', ' ') + extension;
        }

        if (name.Length == 0)
            return "download";
        if (Devices.Contains(name.Split('.')[0].TrimEnd()))
            name = "_" + name;
        return IsOwn(name) ? name + "_" : name;
    }

    /// <summary>A file's name as the user gave it.</summary>
    /// <exception cref="InputException">It is no plain name.</exception>
    internal static string FromUser(string name, string option) => IsSegment(name) && !IsOwn(name) && name[0] != '.'
        ? name
        : throw new InputException($"{option} {FileFault.Quote(name)} is no plain file name: give one without folders; the file goes to the cache and its path is printed.");

    private static bool IsOwn(string name) => Own.Any(e => name.EndsWith(e, StringComparison.OrdinalIgnoreCase));

    private static bool IsPrintable(Rune rune) => !Rune.IsControl(rune);

    // EnumerateRunes shows a lone surrogate as U+FFFD, which could also stand there itself.
    private static bool HasLoneSurrogate(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;
            if (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
                return true;
            i++;
        }

        return false;
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,95}\z")]
    private static partial Regex IdPart();

    [GeneratedRegex(@"\A[0-9a-f]{40}\z")]
    private static partial Regex CommitPattern();

    [GeneratedRegex(@"\A[0-9a-f]{64}\z")]
    private static partial Regex Sha256Pattern();

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]{0,127}\z")]
    private static partial Regex EtagPattern();

    [GeneratedRegex(@"[^A-Za-z0-9._+@=() -]")]
    private static partial Regex Unusual();
}
