using System.Reflection;
using System.Runtime.InteropServices;

namespace Graft.Torch.Native;

/// <summary>Loads <c>libgraft_torch</c> and, with it, libtorch: on first use, never before.</summary>
internal static partial class NativeLoader
{
    private static readonly Lock Gate = new();
    private static bool _prepared;

    /// <summary>Where the native library lies: beside the program.</summary>
    internal static string Folder { get; set; } = AppContext.BaseDirectory;

    /// <summary>Whether libtorch has been loaded into this process.</summary>
    internal static bool Loaded { get; private set; }

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
            NativeLibrary.SetDllImportResolver(typeof(NativeMethods).Assembly, Resolve);
        }
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
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

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);
}
