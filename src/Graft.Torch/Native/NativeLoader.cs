using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Graft.Torch.Native;

/// <summary>Loads <c>libgraft_torch</c> and, with it, libtorch: on first use, never before. So too <c>libgraft_distributed</c>, which is optional.</summary>
internal static partial class NativeLoader
{
    private const string CoreVariable = "OPENBLAS_CORETYPE";
    private const int GenuineIntel = 0x756e6547; // "Genu"
    private static readonly Lock Gate = new();
    private static bool _prepared;

    /// <summary>Where the native library lies: beside the program.</summary>
    internal static string Folder { get; set; } = AppContext.BaseDirectory;

    /// <summary>Whether libtorch has been loaded into this process.</summary>
    internal static bool Loaded { get; private set; }

    /// <summary>
    /// The kernels that OpenBLAS is asked for, unless the environment asks for others; null: it chooses itself. A processor newer
    /// than OpenBLAS is unknown to it, and some releases (Debian's 0.3.21 among them) then take Prescott's of 2004, several times
    /// slower than what the processor can do.
    /// </summary>
    internal static string? BlasCore { get; } =
        Environment.GetEnvironmentVariable(CoreVariable) is { Length: > 0 } chosen ? chosen : CoreOfProcessor();

    /// <summary>Sets what the native libraries read when they are loaded, and how they are found.</summary>
    internal static void Prepare(int threads)
    {
        lock (Gate)
        {
            if (_prepared)
                return;
            _prepared = true;
            // .NET keeps its own copy of the environment, which native code does not see: hence libc's setenv.
            foreach (var name in (string[])["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"])
                _ = setenv(name, threads.ToString(), 1);
            if (BlasCore is { } core)
                _ = setenv(CoreVariable, core, 0);
            if (Environment.GetEnvironmentVariable("WORLD_SIZE") is not null)
                _ = setenv("GLOG_minloglevel", "3", 0); // c10d also throws what it logs, and a message is one line
            // Debian's libtorch 2.x brings UCX along, which takes SIGSEGV for itself, and with it .NET's null references.
            _ = setenv("UCX_ERROR_SIGNALS", "", 0);
            NativeLibrary.SetDllImportResolver(typeof(NativeMethods).Assembly, Resolve);
        }
    }

    /// <summary>By what the processor can do instead of by its model; of Intel's alone, since OpenBLAS takes AMD's new ones for Zen.</summary>
    private static string? CoreOfProcessor()
    {
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Ebx != GenuineIntel)
            return null;
        if (Avx512F.VL.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported)
            return "SKYLAKEX";
        return Avx2.IsSupported && Fma.IsSupported ? "HASWELL" : null;
    }

    /// <summary>
    /// Lets the C library keep what is freed for the next step instead of giving it back and fetching it anew, page by page and
    /// zeroed: a step frees and takes the same hundreds of megabytes. Threads that start afterwards share the arena that can hold
    /// tensors of any size. The environment's own settings win. Does nothing where the C library is not glibc.
    /// </summary>
    internal static void KeepFreedMemory()
    {
        const int TrimThreshold = -1, MapThreshold = -3, ArenaMax = -8;
        const int Gigabyte = 1 << 30;
        if (!RuntimeInformation.RuntimeIdentifier.StartsWith("linux-", StringComparison.Ordinal)
            || RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal)
            || Environment.GetEnvironmentVariables().Keys.Cast<string>().Any(k => k.StartsWith("MALLOC_", StringComparison.Ordinal) || k == "GLIBC_TUNABLES"))
        {
            return;
        }

        _ = mallopt(ArenaMax, 1);
        _ = mallopt(MapThreshold, Gigabyte);
        _ = mallopt(TrimThreshold, int.MaxValue);
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name == NativeDistributed.Library)
            return ResolveDistributed();
        if (name != NativeMethods.Library)
            return 0;
        var file = Path.Combine(Folder, "libgraft_torch.so");
        if (!File.Exists(file))
        {
            throw new GraftException(
                $"The native library {file} is missing: run ./graft once, which builds it, or build native/ with CMake and copy it there.");
        }

        try
        {
            var handle = NativeLibrary.Load(file);
            Loaded = true;
            return handle;
        }
        catch (DllNotFoundException e)
        {
            // The runtime puts general advice before the loader's own words, which are the last line.
            var reason = e.Message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)[^1];
            throw new GraftException(
                $"libtorch could not be loaded ({reason}): install libtorch-dev with libopenblas0-pthread, or set LIBTORCH to a libtorch and run ./graft again.",
                e);
        }
    }

    /// <summary>The library of several processes, which is there only where Gloo's headers were when native/ was built.</summary>
    private static nint ResolveDistributed()
    {
        var file = Path.Combine(Folder, "libgraft_distributed.so");
        if (File.Exists(file) && NativeLibrary.TryLoad(file, out var handle))
            return handle;
        throw new InputException(
            $"Several processes need {file}, which {(File.Exists(file) ? "cannot be loaded" : "was not built")}: install libgloo-dev, delete artifacts/native.stamp and run ./graft again, which builds it; one process needs none of it.");
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);

    [LibraryImport("libc")]
    private static partial int mallopt(int parameter, int value);
}
