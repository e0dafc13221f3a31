namespace Graft.Formats.Ecg;

/// <summary>The header of a WFDB record (<c>.hea</c>): what the signals are and where their samples lie.</summary>
/// <remarks>
/// Source: header(5) of the WFDB Applications Guide. Lines are ended by LF or CRLF, fields parted by blanks or tabs. Records of several
/// segments, and signals with several samples a frame or a skew, are refused in words.
/// </remarks>
public sealed record WfdbHeader
{
    /// <summary>The header's file.</summary>
    public required string Path { get; init; }

    /// <summary>The record's name, as its first line has it.</summary>
    public required string Name { get; init; }

    /// <summary>Samples a second, above 0; 250 where the header says nothing.</summary>
    public required double SamplingRate { get; init; }

    /// <summary>Samples of each signal; null where the header says nothing (or 0), and the files' sizes tell.</summary>
    public long? SampleCount { get; init; }

    /// <summary>Time and date of the beginning as they stand; empty where the header says nothing.</summary>
    public string Start { get; init; } = "";

    /// <summary>The signals in their order, at least one.</summary>
    public required IReadOnlyList<WfdbSignal> Signals { get; init; }

    /// <summary>All lines that begin with <c>#</c>, without it, blanks around them taken off.</summary>
    public IReadOnlyList<string> Comments { get; init; } = [];

    /// <summary>Reads a header.</summary>
    /// <param name="path">The file; the ending <c>.hea</c> may be left out.</param>
    /// <exception cref="InputException">There is no such file, or it is no header that can be read; the message says which line.</exception>
    public static WfdbHeader Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!path.EndsWith(".hea", StringComparison.OrdinalIgnoreCase) && !File.Exists(path))
            path += ".hea";
        using var file = MappedFile.Open(path);
        if (file.Length > WfdbHeaderParser.LargestHeader)
            throw file.Fault.Read($"a header of {file.Length} bytes is beyond the {WfdbHeaderParser.LargestHeader} that are read", "give the .hea file of a WFDB record");
        return WfdbHeaderParser.Parse(file.Head((int)file.Length), path);
    }

    /// <summary>What the comments say under a key, as <c>Dx</c> in <c># Dx: 426783006</c>; null where they say nothing.</summary>
    /// <param name="key">Without the colon; upper and lower case are the same, and angle brackets around it do not count.</param>
    public string? Comment(string key)
    {
        foreach (var comment in Comments)
        {
            var colon = comment.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0 && comment[..colon].Trim().Trim('<', '>').Equals(key, StringComparison.OrdinalIgnoreCase))
                return comment[(colon + 1)..].Trim();
        }

        return null;
    }
}
