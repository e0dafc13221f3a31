using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Graft.Diagnostics;

/// <summary>Versions, the processor, the temporary folder and the environment: what can be told without any native library.</summary>
internal static class SystemChecks
{
    private const long Comfortable = 1L << 30;
    private const long Least = 50L << 20;

    internal static IEnumerable<Finding> All()
    {
        var version = typeof(SystemChecks).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        yield return Finding.Ok("Graft", version ?? "an unknown version");
        yield return Finding.Ok(".NET", RuntimeInformation.FrameworkDescription);
        yield return Finding.Ok("system", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.OSArchitecture}");
        yield return Processor();
        yield return TemporaryFolder();
        yield return ThreadVariable();
        yield return TensorFloatVariable();
        yield return CudnnVariable();
        yield return LibtorchVariable();
    }

    private static Finding Processor()
    {
        (string Name, bool Supported)[] features =
        [
            ("SSE4.2", Sse42.IsSupported), ("AVX", Avx.IsSupported), ("AVX2", Avx2.IsSupported), ("FMA", Fma.IsSupported),
            ("AVX-512F", Avx512F.IsSupported), ("AdvSIMD", AdvSimd.IsSupported),
        ];
        var supported = string.Join(", ", features.Where(f => f.Supported).Select(f => f.Name));
        var detail = $"{Environment.ProcessorCount} processors; {(supported.Length == 0 ? "no vector instructions" : supported)}";
        return RuntimeInformation.ProcessArchitecture == Architecture.X64 && !Avx2.IsSupported
            ? Finding.Warn("processor", detail, "AVX2 is missing: training will be slow; use another machine if there is one.")
            : Finding.Ok("processor", detail);
    }

    private static Finding TemporaryFolder()
    {
        const string Name = "temp folder";
        var folder = Path.GetTempPath();
        try
        {
            var free = new DriveInfo(folder).AvailableFreeSpace;
            var detail = $"{folder}, {free / (double)(1L << 30):0.0} GiB free";
            const string Remedy = "Free some space, or set TMPDIR to a folder with more.";
            return free < Least ? Finding.Fail(Name, detail, Remedy)
                : free < Comfortable ? Finding.Warn(Name, detail, Remedy)
                : Finding.Ok(Name, detail);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return Finding.Fail(Name, $"{folder}: {e.Message}", "Set TMPDIR to a folder that can be written to.");
        }
    }

    private static Finding ThreadVariable() => Environment.GetEnvironmentVariable("GRAFT_THREADS") switch
    {
        null => Finding.Ok("GRAFT_THREADS", "not set: all processors are used"),
        var text when int.TryParse(text, out var threads) && threads > 0 => Finding.Ok("GRAFT_THREADS", text),
        var text => Finding.Warn("GRAFT_THREADS", $"'{text}', which is ignored", "Set it to a whole number above 0, or unset it."),
    };

    private static Finding TensorFloatVariable() => Environment.GetEnvironmentVariable("GRAFT_TF32") switch
    {
        null or "" or "0" => Finding.Ok("GRAFT_TF32", "not set: GPUs compute in float32"),
        "1" => Finding.Ok("GRAFT_TF32", "1: GPUs may round factors to TensorFloat-32"),
        var text => Finding.Warn("GRAFT_TF32", $"'{text}', which is ignored", "Set it to 1 to allow TensorFloat-32 on GPUs, or unset it."),
    };

    private static Finding CudnnVariable() => Environment.GetEnvironmentVariable("GRAFT_CUDNN_BENCHMARK") switch
    {
        null or "" or "0" => Finding.Ok("GRAFT_CUDNN_BENCHMARK", "not set: cuDNN chooses its convolutions by their shapes"),
        "1" => Finding.Ok("GRAFT_CUDNN_BENCHMARK", "1: cuDNN times its convolutions and takes the fastest"),
        var text => Finding.Warn("GRAFT_CUDNN_BENCHMARK", $"'{text}', which is ignored", "Set it to 1 to let cuDNN time its convolutions, or unset it."),
    };

    private static Finding LibtorchVariable() => Environment.GetEnvironmentVariable("LIBTORCH") switch
    {
        null or "" => Finding.Ok("LIBTORCH", "not set: the installed libtorch is used"),
        var folder when Directory.Exists(folder) => Finding.Ok("LIBTORCH", $"{folder} (read when the native libraries are built)"),
        var folder => Finding.Warn("LIBTORCH", $"{folder}, which is no folder", "Set it to the folder of a libtorch, or unset it."),
    };
}
