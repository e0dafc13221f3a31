using System.Runtime.InteropServices;
using Graft.Torch.Native;

namespace Graft.Torch;

/// <summary>
/// Several processes that sum and share tensors, by libtorch's c10d: Gloo on the CPU, NCCL on GPUs. Every process calls the same
/// collectives in the same order with tensors of the same type and shape, contiguous and on the group's kind of device; all use is on the
/// thread that owns libtorch.
/// </summary>
public sealed unsafe class ProcessGroup : IDisposable
{
    private nint _handle;

    /// <summary>Meets the other processes.</summary>
    /// <param name="place">This process's place among them.</param>
    /// <param name="device">Where the tensors will be.</param>
    /// <exception cref="InputException">The optional native library is not there.</exception>
    /// <exception cref="ProcessLostException">The others did not come within the timeout.</exception>
    public ProcessGroup(ProcessPlace place, Device device = default)
    {
        ArgumentNullException.ThrowIfNull(place);
        (Rank, Size, Device) = (place.Rank, place.Size, device);
        _handle = TorchRuntime.Run(() =>
        {
            var handle = NativeDistributed.graft_group_create(
                device.Type == DeviceType.Cuda ? "nccl" : "gloo", place.Host, place.Port, place.Rank == 0 && place.Serves ? 1 : 0, place.Prefix, Rank, Size,
                (long)place.Timeout.TotalMilliseconds);
            return handle != 0 ? handle : throw new ProcessLostException(
                $"Process {Rank} did not meet the other {Size - 1} at {place.Host}:{place.Port} within {place.Timeout.TotalSeconds} s ({LastError()}): start all of them at the same time, with the same MASTER_ADDR and a MASTER_PORT that is free and reachable.");
        });
    }

    /// <summary>Number of this process, from 0.</summary>
    public int Rank { get; }

    /// <summary>Number of processes.</summary>
    public int Size { get; }

    /// <summary>Where the tensors are.</summary>
    public Device Device { get; }

    /// <summary>Begins to replace a tensor by its sum over the processes; the same bits everywhere.</summary>
    /// <exception cref="TorchException">The tensor cannot be summed.</exception>
    public CollectiveWork AllReduce(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        var work = NativeDistributed.graft_group_all_reduce(Handle, tensor.Handle);
        return work == 0 ? throw new TorchException(LastError()) : new CollectiveWork(this, work);
    }

    /// <summary>Replaces a tensor by that of one process.</summary>
    /// <param name="tensor">Of the same type and shape everywhere.</param>
    /// <param name="root">Whose.</param>
    /// <exception cref="ProcessLostException">Another process ended, or did not answer in time.</exception>
    public void Broadcast(Tensor tensor, int root = 0)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        Check(NativeDistributed.graft_group_broadcast(Handle, tensor.Handle, root));
    }

    /// <summary>Everybody's tensor, in the order of ranks.</summary>
    /// <exception cref="ProcessLostException">Another process ended, or did not answer in time.</exception>
    public Tensor[] AllGather(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        var all = new Tensor[Size];
        for (var i = 0; i < Size; i++)
            all[i] = Tensor.Zeros(tensor.Shape.ToArray(), tensor.Type, tensor.Device);
        fixed (nint* results = Array.ConvertAll(all, t => t.Handle))
            Check(NativeDistributed.graft_group_all_gather(Handle, tensor.Handle, results, Size));
        return all;
    }

    /// <summary>Waits until every process is here.</summary>
    /// <exception cref="ProcessLostException">Another process ended, or did not answer in time.</exception>
    public void Barrier() => Check(NativeDistributed.graft_group_barrier(Handle));

    /// <summary>Watches parameters, whose gradients it then sums over the processes.</summary>
    /// <inheritdoc cref="GradientReducer(ProcessGroup, IReadOnlyList{Tensor})"/>
    public GradientReducer Watch(IReadOnlyList<Tensor> parameters) => new(this, parameters);

    /// <summary>Leaves the group. After a process was lost nothing is released: what waits for it cannot be taken back, and the program ends.</summary>
    public void Dispose()
    {
        if (_handle != 0)
            TorchRuntime.Run(() => NativeDistributed.graft_group_destroy(_handle));
        _handle = 0;
    }

    internal void Check(int code)
    {
        if (code >= 0)
            return;
        var reason = LastError();
        if (code != NativeDistributed.Lost)
            throw new TorchException(reason);
        _handle = 0;
        throw new ProcessLostException($"Another of the {Size} processes ended or does not answer ({reason}).");
    }

    internal nint Handle
    {
        get
        {
            TorchRuntime.VerifyThread();
            return _handle != 0 ? _handle : throw new ObjectDisposedException(nameof(ProcessGroup));
        }
    }

    /// <summary>The first line of c10d's own words: the rest are addresses in its code.</summary>
    internal static string LastError()
    {
        var text = Marshal.PtrToStringUTF8((nint)NativeDistributed.graft_distributed_last_error()) ?? "an unknown native error";
        return text.Split('\n')[0].Trim().TrimEnd('.');
    }
}
