using Graft.Torch.Native;

namespace Graft.Torch;

/// <summary>A collective under way: its tensor is not to be touched before <see cref="Wait"/>.</summary>
public sealed class CollectiveWork
{
    private readonly ProcessGroup _group;
    private nint _handle;

    internal CollectiveWork(ProcessGroup group, nint handle) => (_group, _handle) = (group, handle);

    /// <summary>Waits for the end. On a GPU, what is computed afterwards waits instead.</summary>
    /// <exception cref="ProcessLostException">Another process ended, or did not answer in time.</exception>
    public void Wait()
    {
        TorchRuntime.VerifyThread();
        var handle = _handle;
        _handle = 0;
        if (handle != 0)
            _group.Check(NativeDistributed.graft_work_wait(handle));
    }
}
