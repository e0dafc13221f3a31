using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Graft.Hub;

/// <summary>Where a pull stands.</summary>
/// <param name="File">The file that is being fetched.</param>
/// <param name="Done">Bytes of all files that are there.</param>
/// <param name="Of">Bytes of all files; null where the server does not tell.</param>
/// <param name="BytesPerSecond">Rate since the pull began, without what was there before.</param>
public sealed record PullProgress(string File, long Done, long? Of, double BytesPerSecond)
{
    /// <summary>Time to the last byte at this rate; null where the size or the rate is unknown.</summary>
    public TimeSpan? Remaining => Of is { } of && BytesPerSecond > 0 ? TimeSpan.FromSeconds(Math.Min((of - Done) / BytesPerSecond, 1e7)) : null;
}

/// <summary>How downloads behave.</summary>
public sealed record DownloadOptions
{
    /// <summary>A connection on which no byte comes for so long is given up and tried again.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Attempts after the first one without at least <see cref="ProgressThatCounts"/> new bytes between them.</summary>
    public int Retries { get; init; } = 5;

    /// <summary>An attempt that brought so many new bytes begins the count of <see cref="Retries"/> anew.</summary>
    public long ProgressThatCounts { get; init; } = 1 << 20;

    /// <summary>The wait before the first retry; it doubles with each, with jitter.</summary>
    public TimeSpan FirstDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest wait.</summary>
    public TimeSpan LongestDelay { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A server that asks (Retry-After) for a longer wait than this is not waited for.</summary>
    public TimeSpan LongestRetryAfter { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>The clock of waits and time-outs.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Told where the pull stands.</summary>
    public IProgress<PullProgress>? Progress { get; init; }

    /// <summary>Told of retries and the like.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Free bytes on a folder's disk.</summary>
    internal Func<string, long> FreeSpace { get; init; } = DiskSpace.Free;

    /// <summary>Opens a partial file for reading and writing.</summary>
    internal Func<string, Stream> OpenPartial { get; init; } =
        path => new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, 1 << 16);
}
