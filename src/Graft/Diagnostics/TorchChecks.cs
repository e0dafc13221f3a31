using System.Diagnostics;
using System.Text.RegularExpressions;
using Graft.Torch;

namespace Graft.Diagnostics;

/// <summary>libtorch, its BLAS, threads and devices.</summary>
internal static partial class TorchChecks
{
    private const double LowestRate = 10;
    private const string FastBlas = "Install libopenblas0-pthread (or set LIBTORCH to a libtorch that brings MKL).";

    internal static Finding Version()
    {
        var version = TorchRuntime.Version;
        using var process = Process.GetCurrentProcess();
        var files = process.Modules.Cast<ProcessModule>().Select(m => m.FileName).ToList();
        var path = files.Find(f => Path.GetFileName(f).StartsWith("libtorch_cpu.", StringComparison.Ordinal))
            ?? files.Find(f => Path.GetFileName(f).StartsWith("libtorch.", StringComparison.Ordinal))
            ?? "an unknown place";
        var wanted = Environment.GetEnvironmentVariable("LIBTORCH");
        return wanted is { Length: > 0 } && Directory.Exists(wanted) && !path.StartsWith(Path.GetFullPath(wanted), StringComparison.Ordinal)
            ? Finding.Warn("libtorch", $"{version} at {path}, not the one of LIBTORCH", "Run ./graft once, which builds against LIBTORCH.")
            : Finding.Ok("libtorch", $"{version} at {path}");
    }

    internal static Finding Blas()
    {
        var path = TorchRuntime.BlasPath;
        if (path.Length == 0 || Path.GetFileName(path).StartsWith("libtorch", StringComparison.Ordinal))
        {
            var built = BlasInfo().Match(TorchRuntime.BuildInformation);
            return Finding.Ok("BLAS", $"inside libtorch ({(built.Success ? built.Groups[1].Value : "of unknown make")})");
        }

        return IsReference(path)
            ? Finding.Warn("BLAS", $"{path}, the reference BLAS, which is many times slower than others", FastBlas)
            : Finding.Ok("BLAS", path);
    }

    /// <summary>Debian calls every BLAS libblas.so.3 and keeps each in a folder of its own, so the whole path counts.</summary>
    internal static bool IsReference(string path) =>
        Path.GetFileName(path).StartsWith("libblas.so", StringComparison.Ordinal) && !FastNames().IsMatch(path);

    internal static Finding MatrixProduct()
    {
        var threads = Math.Min(TorchRuntime.Threads, Environment.ProcessorCount);
        var rate = MeasureMatrixProduct();
        var detail = $"{rate:0.0} GFLOP/s in single precision with {TorchRuntime.Threads} threads ({rate / threads:0.0} for each)";
        return rate / threads < LowestRate
            ? Finding.Warn("matrix product", $"{detail}, which is slow", IsReference(TorchRuntime.BlasPath) ? FastBlas : "Check that nothing else keeps the processors busy.")
            : Finding.Ok("matrix product", detail);
    }

    internal static Finding Threads()
    {
        var threads = TorchRuntime.Threads;
        return threads > Environment.ProcessorCount
            ? Finding.Warn("threads", $"{threads} on {Environment.ProcessorCount} processors", "Set GRAFT_THREADS to the number of processors, or unset it.")
            : Finding.Ok("threads", $"{threads} on {Environment.ProcessorCount} processors");
    }

    internal static Finding Devices() => TorchRuntime.DeviceCount(DeviceType.Cuda) switch
    {
        < 0 => Finding.Warn("devices", "the processor; asking for GPUs failed", "Check the NVIDIA driver (nvidia-smi)."),
        0 => Finding.Ok("devices", "the processor; this libtorch sees no CUDA device"),
        var count => Finding.Ok("devices", $"the processor and {count} CUDA devices"),
    };

    /// <summary>The best of several products of 1024 x 1024 matrices, in 10⁹ operations a second: the best, since other programs only slow it.</summary>
    internal static double MeasureMatrixProduct() => TorchRuntime.Run(() =>
    {
        const int Edge = 1024;
        const int Most = 10;
        var patience = TimeSpan.FromSeconds(2);
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        long[] rows = [.. Enumerable.Range(0, Edge).Select(i => (long)i)];
        var random = new KeyedRandom(0, "doctor.matrix");
        var (a, b) = (random.Uniform(0, rows, [Edge]), random.Uniform(1, rows, [Edge]));
        var best = TimeSpan.MaxValue;
        var all = Stopwatch.StartNew();
        for (var i = 0; i < Most && (i == 0 || all.Elapsed < patience); i++)
        {
            using var step = new TensorScope();
            var watch = Stopwatch.StartNew();
            _ = a.MatMul(b);
            if (watch.Elapsed < best)
                best = watch.Elapsed;
        }

        return 2.0 * Edge * Edge * Edge / best.TotalSeconds / 1e9;
    });

    [GeneratedRegex("openblas|mkl|blis|atlas|accelerate|armpl", RegexOptions.IgnoreCase)]
    private static partial Regex FastNames();

    [GeneratedRegex("BLAS_INFO=(\\w+)")]
    private static partial Regex BlasInfo();
}
