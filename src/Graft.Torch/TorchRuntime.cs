using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Graft.Torch.Native;

namespace Graft.Torch;

/// <summary>
/// The one thread that owns libtorch, and facts about libtorch.
/// Gradient mode and thread counts are thread-local in libtorch, so all tensor work runs on one dedicated thread.
/// High-level calls marshal to it by themselves; code that works with <see cref="Tensor"/>s runs inside <see cref="Run{T}"/>.
/// </summary>
public static class TorchRuntime
{
    private const int StackSize = 64 << 20;
    private static readonly BlockingCollection<Action> Queue = [];
    private static readonly Lazy<Thread> Worker = new(StartWorker);
    private static int _threads = DefaultThreads();
    private static int _workerId;
    private static long _leaked;

    /// <summary>
    /// CPU threads that operators use; the number of processors unless the environment variable <c>GRAFT_THREADS</c> says otherwise.
    /// Can be set at any time; results are bit-equal only between runs with the same number.
    /// </summary>
    public static int Threads
    {
        get => _threads;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            _threads = value;
            if (_workerId != 0)
                Run(() => NativeMethods.graft_set_threads(value));
        }
    }

    /// <summary>
    /// Whether GPUs may round the factors of products and convolutions to TensorFloat-32 (10 bits of mantissa in place of 23): the environment
    /// variable <c>GRAFT_TF32</c> is 1. Without it they compute in float32, convolutions too, for which libtorch's own default is TensorFloat-32.
    /// </summary>
    public static bool TensorFloat32 { get; } = Environment.GetEnvironmentVariable("GRAFT_TF32") == "1";

    /// <summary>
    /// Whether cuDNN times its convolutions for each new shape and takes the fastest: the environment variable <c>GRAFT_CUDNN_BENCHMARK</c> is 1. It
    /// may choose otherwise in the next run, whose last bits then differ.
    /// </summary>
    public static bool CudnnBenchmark { get; } = Environment.GetEnvironmentVariable("GRAFT_CUDNN_BENCHMARK") == "1";

    /// <summary>
    /// Whether the process, once it has ended for .NET, ends without libtorch taking its tables apart, which takes a twentieth of a second and frees only
    /// what goes with the process. For programs of their own, before libtorch is loaded; exit handlers of native libraries that were loaded before it are skipped too. Does
    /// nothing where the C library is not glibc.
    /// </summary>
    public static bool LeavesAtOnce { get; set; }

    /// <summary>For loops outside of libtorch: as many threads as operators use, and no more.</summary>
    /// <param name="cancellationToken">Stops the loop.</param>
    public static ParallelOptions Parallelism(CancellationToken cancellationToken = default) =>
        new() { MaxDegreeOfParallelism = Threads, CancellationToken = cancellationToken };

    /// <summary>Whether libtorch has been loaded: it is on first use.</summary>
    public static bool IsLoaded => NativeLoader.Loaded;

    /// <summary>Tensor handles that are alive.</summary>
    public static long LiveTensors => IsLoaded ? NativeMethods.graft_live_tensors() : 0;

    /// <summary>Tensors that the garbage collector found undisposed: each is a leak.</summary>
    public static long LeakedTensors => Interlocked.Read(ref _leaked);

    /// <summary>libtorch's version.</summary>
    public static unsafe string Version => Run(() => Text(NativeMethods.graft_version()));

    /// <summary>How libtorch was built and how it runs in parallel, in its own words.</summary>
    public static unsafe string BuildInformation => Run(() => Text(NativeMethods.graft_build_info()));

    /// <summary>The file of the BLAS that is loaded, links resolved.</summary>
    public static unsafe string BlasPath => Run(() =>
    {
        var path = Text(NativeMethods.graft_blas_path());
        return path.Length == 0 ? "" : File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
    });

    /// <summary>
    /// The kernels that OpenBLAS is asked for (its <c>OPENBLAS_CORETYPE</c>): what the environment says, else what the processor
    /// can do, where OpenBLAS may not know it; null where OpenBLAS chooses. Another BLAS takes no notice.
    /// </summary>
    public static string? BlasCore => NativeLoader.BlasCore;

    /// <summary>Devices of a kind that libtorch can use.</summary>
    public static int DeviceCount(DeviceType type) => Run(() => NativeMethods.graft_device_count((int)type));

    /// <summary>
    /// Runs tensor work on the thread that owns libtorch and waits for it; runs at once if already there.
    /// Scopes and gradient modes that the work opens end with it.
    /// </summary>
    /// <exception cref="InvalidOperationException">The work left a scope or a gradient mode open.</exception>
    public static T Run<T>(Func<T> work)
    {
        if (Environment.CurrentManagedThreadId == _workerId)
            return work();
        _ = Worker.Value;
        T result = default!;
        ExceptionDispatchInfo? error = null;
        using var done = new ManualResetEventSlim();
        Queue.Add(() =>
        {
            try
            {
                result = work();
            }
            catch (Exception e)
            {
                error = ExceptionDispatchInfo.Capture(e);
            }

            // The next work may be somebody else's: it must find the thread as this one did.
            var open = TensorScope.CloseAll();
            if ((!Autograd.Reset() || open) && error is null)
            {
                error = ExceptionDispatchInfo.Capture(new InvalidOperationException(
                    "The work left a TensorScope or a gradient mode open: dispose them inside the call of TorchRuntime.Run that made them."));
            }

            done.Set();
        });
        done.Wait();
        error?.Throw();
        return result;
    }

    /// <inheritdoc cref="Run{T}"/>
    public static void Run(Action work) => Run(() =>
    {
        work();
        return 0;
    });

    internal static void CountLeak() => Interlocked.Increment(ref _leaked);

    internal static void VerifyThread()
    {
        if (Environment.CurrentManagedThreadId != _workerId)
            throw new InvalidOperationException("Tensor work runs on one thread: wrap it in TorchRuntime.Run(() => ...).");
    }

    private static Thread StartWorker()
    {
        NativeLoader.KeepFreedMemory(); // before the thread starts, which then takes the common arena
        using var ready = new ManualResetEventSlim();
        ExceptionDispatchInfo? error = null;
        var thread = new Thread(
            () =>
            {
                try
                {
                    NativeLoader.Prepare(_threads);
                    _ = NativeMethods.graft_set_threads(_threads);
                    _ = NativeMethods.graft_allow_tf32(TensorFloat32 ? 1 : 0);
                    _ = NativeMethods.graft_benchmark_cudnn(CudnnBenchmark ? 1 : 0);
                    if (LeavesAtOnce)
                        NativeMethods.graft_leave_at_once();
                    _workerId = Environment.CurrentManagedThreadId;
                }
                catch (Exception e)
                {
                    error = ExceptionDispatchInfo.Capture(e);
                }

                ready.Set();
                if (error is not null)
                    return;
                foreach (var work in Queue.GetConsumingEnumerable())
                    work();
            },
            StackSize)
        {
            IsBackground = true,
            Name = "libtorch",
        };
        thread.Start();
        ready.Wait();
        error?.Throw();
        return thread;
    }

    private static int DefaultThreads() =>
        int.TryParse(Environment.GetEnvironmentVariable("GRAFT_THREADS"), out var threads) && threads > 0
            ? threads
            : Environment.ProcessorCount;

    private static unsafe string Text(byte* utf8) => Marshal.PtrToStringUTF8((nint)utf8) ?? "";
}
