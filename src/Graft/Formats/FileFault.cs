using System.Text;

namespace Graft.Formats;

/// <summary>Words the faults of one file: what is wrong, in which file, what to do.</summary>
internal readonly record struct FileFault(string Path)
{
    private const string SaveAgain = "download or save the file again";

    /// <summary>The exception that says why the file cannot be read.</summary>
    public InputException Read(string what, string remedy = SaveAgain, Exception? cause = null) =>
        new($"Cannot read '{Path}': {what}; {remedy}.", cause);

    /// <summary>Text taken from a file, made fit for a message: short and printable.</summary>
    public static string Quote(string? text)
    {
        text ??= "";
        const int Longest = 80;
        var builder = new StringBuilder("'");
        foreach (var c in text.Length > Longest ? text.AsSpan(0, Longest) : text)
            builder.Append(char.IsControl(c) || char.IsSurrogate(c) ? '?' : c);
        return builder.Append(text.Length > Longest ? "…'" : "'").ToString();
    }

    /// <summary>Text of any length, cut to what a sentence can hold.</summary>
    public static string Shorten(string text, int longest = 160) =>
        text.Length <= longest ? text : $"{text.AsSpan(0, char.IsHighSurrogate(text[longest - 1]) ? longest - 1 : longest)}…";

    /// <summary>The fault of a file that is of another, well-known kind, or null when the first bytes tell nothing.</summary>
    public InputException? OtherKind(ReadOnlySpan<byte> head)
    {
        if (head.StartsWith("version https://git-lfs"u8))
            return Read("it is a git-LFS pointer, not the file itself", "fetch the file with 'git lfs pull' or download it");
        if (head.StartsWith("PK\u0003\u0004"u8) || head.StartsWith("PK\u0005\u0006"u8))
            return Read("it is a zip archive (PyTorch saves .pt files so)", "open it as a checkpoint, or unpack it first");
        if (IsMarkup(head))
            return Read("it is an HTML or XML page, most likely an error page", "download the file itself");
        if (head.Length > 262 && head.Slice(257, 5).SequenceEqual("ustar"u8))
            return Read("it is a tar archive", "save it again with a newer PyTorch, or unpack it first");
        return head.StartsWith((ReadOnlySpan<byte>)[0x1f, 0x8b])
            ? Read("it is compressed with gzip", "unpack it first")
            : null;
    }

    private static bool IsMarkup(ReadOnlySpan<byte> head)
    {
        var text = head.TrimStart(" \t\r\n"u8);
        return text.Length >= 5 && text[0] == (byte)'<'
            && (Begins(text, "<!doctype") || Begins(text, "<html") || Begins(text, "<head") || Begins(text, "<?xml"));
    }

    private static bool Begins(ReadOnlySpan<byte> text, string word) =>
        text.Length >= word.Length && Ascii.EqualsIgnoreCase(text[..word.Length], word);
}
