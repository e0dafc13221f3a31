using Graft.Torch.Native;

namespace Graft.Torch;

/// <summary>
/// Sums gradients over the processes of a group in buckets, each as soon as a backward pass has made its last gradient, while the pass goes
/// on (Li et al. 2020, "PyTorch Distributed", section 3.2).
/// </summary>
public sealed unsafe class GradientReducer : IDisposable
{
    /// <summary>The first bucket's size, PyTorch's: the first sum begins early.</summary>
    public const long FirstBucketBytes = 1 << 20;

    /// <summary>The others' size, PyTorch's: few sums carry much.</summary>
    public const long BucketBytes = 25 << 20;
    private readonly ProcessGroup _group;
    private nint _handle;

    /// <summary>Watches parameters.</summary>
    /// <param name="group">The processes.</param>
    /// <param name="parameters">The same everywhere, in the order of a forward pass; all require gradients.</param>
    public GradientReducer(ProcessGroup group, IReadOnlyList<Tensor> parameters)
        : this(group, parameters, FirstBucketBytes, BucketBytes)
    {
    }

    internal GradientReducer(ProcessGroup group, IReadOnlyList<Tensor> parameters, long firstBytes, long bytes)
    {
        ArgumentNullException.ThrowIfNull(group);
        ArgumentNullException.ThrowIfNull(parameters);
        TorchRuntime.VerifyThread();
        _group = group;
        fixed (nint* handles = parameters.Select(p => p.Handle).ToArray())
        fixed (int* buckets = Buckets(parameters, firstBytes, bytes))
            _handle = NativeDistributed.graft_reducer_create(group.Handle, handles, buckets, parameters.Count);
        if (_handle == 0)
            throw new TorchException(ProcessGroup.LastError());
    }

    /// <summary>Says that the next backward pass makes the gradients final. Buckets that it completes are summed while it goes on.</summary>
    public void Begin() => _group.Check(NativeDistributed.graft_reducer_begin(_handle));

    /// <summary>Waits for the sums, which then are the gradients; of a parameter that no process reached, zeros.</summary>
    /// <exception cref="ProcessLostException">Another process ended, or did not answer in time.</exception>
    public void Finish() => _group.Check(NativeDistributed.graft_reducer_finish(_handle));

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_handle != 0)
            NativeDistributed.graft_reducer_destroy(_handle);
        _handle = 0;
    }

    /// <summary>The bucket of each parameter: a backward pass begins with the last ones, and those of a bucket are of one type.</summary>
    private static int[] Buckets(IReadOnlyList<Tensor> parameters, long first, long others)
    {
        var buckets = new int[parameters.Count];
        var (bucket, bytes) = (0, 0L);
        for (var i = parameters.Count - 1; i >= 0; i--)
        {
            if (i < parameters.Count - 1 && (bytes >= (bucket == 0 ? first : others) || parameters[i].Type != parameters[i + 1].Type))
                (bucket, bytes) = (bucket + 1, 0);
            buckets[i] = bucket;
            bytes += parameters[i].Count * parameters[i].Type.Size();
        }

        return buckets;
    }
}
