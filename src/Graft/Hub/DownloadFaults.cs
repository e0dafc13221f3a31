namespace Graft.Hub;

/// <summary>Something that another attempt may mend: a lost connection, a stall, a busy server.</summary>
internal sealed class TransientFault(string message, Exception? cause = null, TimeSpan? retryAfter = null) : Exception(message, cause)
{
    /// <summary>How long the server asks to wait.</summary>
    internal TimeSpan? RetryAfter { get; } = retryAfter;
}

/// <summary>A download was stopped on request; what had come is kept, and the message says so.</summary>
public sealed class DownloadStoppedException : OperationCanceledException
{
    /// <summary>Creates the exception.</summary>
    public DownloadStoppedException(string message, CancellationToken token)
        : base(message, token)
    {
    }
}

/// <summary>Words the faults of downloads.</summary>
internal static class DownloadFaults
{
    private const int LinuxNoSpace = 28;
    private const int LinuxQuota = 122;
    private const int WindowsDiskFull = unchecked((int)0x80070070);

    /// <summary>The exception for a file that could not be written.</summary>
    internal static GraftException OfDisk(string path, Exception fault)
    {
        if (fault is IOException && fault.HResult is LinuxNoSpace or LinuxQuota or WindowsDiskFull)
            return new GraftException($"The disk is full: {path} could not be written; make room, or set HF_HOME or GRAFT_CACHE to another disk.", fault);
        return fault is UnauthorizedAccessException
            ? new InputException($"{path} may not be written to: give yourself the right, or set HF_HOME or GRAFT_CACHE to another folder.", fault)
            : new GraftException($"{path} could not be written ({fault.Message.TrimEnd('.')}).", fault);
    }

    /// <summary>A number of bytes, for people.</summary>
    internal static string Size(long bytes) => bytes switch
    {
        < 1000 => $"{bytes} bytes",
        < 1_000_000 => $"{bytes / 1e3:0.0} kB",
        < 1_000_000_000 => $"{bytes / 1e6:0.0} MB",
        _ => $"{bytes / 1e9:0.00} GB",
    };

    /// <summary>A URL without what may be secret in it.</summary>
    internal static string Shown(Uri url) => url.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);
}
