using System.Runtime.InteropServices;

namespace Graft.Torch.Native;

/// <summary>The C ABI of <c>native/distributed/graft_distributed.h</c>; loaded on first use, and optional.</summary>
internal static unsafe partial class NativeDistributed
{
    internal const string Library = "graft_distributed";
    internal const int Lost = -2;

    [LibraryImport(Library)]
    internal static partial byte* graft_distributed_last_error();

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint graft_group_create(
        string backend, string host, int port, int serve, string prefix, int rank, int size, long timeoutMilliseconds);

    [LibraryImport(Library)]
    internal static partial void graft_group_destroy(nint group);

    [LibraryImport(Library)]
    internal static partial nint graft_group_all_reduce(nint group, nint tensor);

    [LibraryImport(Library)]
    internal static partial int graft_work_wait(nint work);

    [LibraryImport(Library)]
    internal static partial int graft_group_broadcast(nint group, nint tensor, int root);

    [LibraryImport(Library)]
    internal static partial int graft_group_all_gather(nint group, nint tensor, nint* results, int count);

    [LibraryImport(Library)]
    internal static partial int graft_group_barrier(nint group);

    [LibraryImport(Library)]
    internal static partial nint graft_reducer_create(nint group, nint* parameters, int* bucketOf, int count);

    [LibraryImport(Library)]
    internal static partial void graft_reducer_destroy(nint reducer);

    [LibraryImport(Library)]
    internal static partial int graft_reducer_begin(nint reducer);

    [LibraryImport(Library)]
    internal static partial int graft_reducer_finish(nint reducer);
}
