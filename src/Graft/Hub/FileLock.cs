using Microsoft.Extensions.Logging;

namespace Graft.Hub;

/// <summary>
/// A lock between processes: an exclusive <c>flock</c> on a file, which is also what huggingface_hub takes. The file stays; the
/// system frees the lock when a process ends, however it ends.
/// </summary>
internal static class FileLock
{
    private const int LinuxHeld = 11; // EWOULDBLOCK
    private const int MacHeld = 35;
    private const int WindowsHeld = unchecked((int)0x80070020);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    /// <summary>Waits for the lock.</summary>
    internal static async Task<IDisposable> TakeAsync(string path, DownloadOptions options, CancellationToken cancellationToken)
    {
        for (var told = false; ; told = true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (UnauthorizedAccessException e)
            {
                throw DownloadFaults.OfDisk(path, e);
            }
            catch (IOException e)
            {
                if (e.HResult is not (LinuxHeld or MacHeld or WindowsHeld))
                    throw DownloadFaults.OfDisk(path, e);
                if (!told)
                    options.Logger.LogInformation("Another pull fetches the same file: waiting for it ({Lock}).", path);
            }

            await Task.Delay(Interval, options.Time, cancellationToken).ConfigureAwait(false);
        }
    }
}
