using Graft.Torch.Native;

namespace Graft.Torch;

/// <summary>
/// Counts the bytes of tensors that are made on this thread, and by the backward passes it begins, from now on: exact, by libtorch's own
/// allocators. One at a time; inside <see cref="TorchRuntime.Run{T}"/>.
/// </summary>
public sealed class AllocationMeter : IDisposable
{
    private bool _ended;

    /// <summary>Begins to count.</summary>
    /// <exception cref="TorchException">Another one counts.</exception>
    public AllocationMeter()
    {
        TorchRuntime.VerifyThread();
        if (NativeMethods.graft_memory_begin() < 0)
            throw TorchException.Last();
    }

    /// <summary>Bytes now, and the most since the beginning or the last <paramref name="restart"/>. What was there before does not count.</summary>
    /// <param name="restart">Whether the most is counted anew from here.</param>
    public unsafe (long Current, long Peak) Read(bool restart = false)
    {
        ObjectDisposedException.ThrowIf(_ended, this);
        long current, peak;
        return NativeMethods.graft_memory_read(&current, &peak, restart ? 1 : 0) < 0 ? throw TorchException.Last() : (current, peak);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ended)
            return;
        _ended = true;
        if (NativeMethods.graft_memory_end() < 0)
            throw TorchException.Last();
    }
}
