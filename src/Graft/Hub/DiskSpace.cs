namespace Graft.Hub;

/// <summary>Free space, asked before a download begins.</summary>
internal static class DiskSpace
{
    /// <summary>Free bytes on the disk of a folder, which need not exist yet; a very large number where that cannot be told.</summary>
    internal static long Free(string folder)
    {
        for (var at = Path.GetFullPath(folder); at is not null; at = Path.GetDirectoryName(at))
        {
            if (!Directory.Exists(at))
                continue;
            try
            {
                return new DriveInfo(at).AvailableFreeSpace;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
            {
                return long.MaxValue;
            }
        }

        return long.MaxValue;
    }

    /// <summary>Refuses a download that cannot fit.</summary>
    /// <exception cref="GraftException">It cannot.</exception>
    internal static void Check(DownloadOptions options, string folder, long needed)
    {
        var free = options.FreeSpace(folder);
        if (needed > free)
            throw new GraftException($"The download needs {DownloadFaults.Size(needed)}, but {folder} has {DownloadFaults.Size(free)} free: make room, or set HF_HOME or GRAFT_CACHE to another disk.");
    }
}
