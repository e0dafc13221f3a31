using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Graft.Torch;

namespace Graft.Benchmarks;

/// <summary>How a contestant is started: a name for tables, and its command line.</summary>
/// <param name="Name">As it stands in tables.</param>
/// <param name="Program">The program.</param>
/// <param name="Arguments">Before MODEL, BATCH, THREADS and DEVICE.</param>
/// <param name="Variant">Behind them; null for Graft.</param>
internal sealed record Entry(string Name, string Program, string[] Arguments, string? Variant);

/// <summary>What a timed command took.</summary>
/// <param name="Seconds">Wall time of one step.</param>
/// <param name="Cpu">User and system time of one step, over all threads.</param>
internal readonly record struct Measured(double Seconds, double Cpu);

/// <summary>A process that does steps when it is told to, over pipes.</summary>
internal sealed class Contestant : IDisposable
{
    /// <summary>Behind a variant's name: PyTorch is told the same OpenBLAS kernels as Graft takes by itself.</summary>
    private const string SameKernels = "+kernels";

    private readonly Process _process;

    internal Contestant(Entry entry, string model, int batch, int threads, string device, bool tensorFloat)
    {
        Entry = entry;
        var variant = entry.Variant ?? "";
        var start = new ProcessStartInfo(entry.Program) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true };
        var count = threads.ToString(CultureInfo.InvariantCulture);
        string[] own = [model, batch.ToString(CultureInfo.InvariantCulture), count, device];
        foreach (var word in (string[])[.. entry.Arguments, .. own, .. entry.Variant is null ? [] : (string[])[entry.Variant]])
            start.ArgumentList.Add(word);
        foreach (var name in (string[])["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GRAFT_THREADS"])
            start.Environment[name] = count;
        // PyTorch lets OpenBLAS choose its kernels, unless a variant gives it those that Graft asks for.
        if (variant.EndsWith(SameKernels, StringComparison.Ordinal) && TorchRuntime.BlasCore is { } core)
            start.Environment["OPENBLAS_CORETYPE"] = core;
        // TensorFloat-32 is switched where both sides see it: by the environment that NVIDIA's libraries and libtorch read.
        start.Environment[tensorFloat ? "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE" : "NVIDIA_TF32_OVERRIDE"] = tensorFloat ? "1" : "0";
        start.Environment["GRAFT_TF32"] = tensorFloat ? "1" : "0";
        _process = Process.Start(start) ?? throw new InputException($"{entry.Program} could not be started.");
        Version = Read().GetProperty("version").GetString()!;
    }

    internal Entry Entry { get; }

    /// <summary>Of its libtorch.</summary>
    internal string Version { get; }

    public void Dispose()
    {
        try
        {
            _process.StandardInput.WriteLine("quit");
            _process.StandardInput.Close();
            if (!_process.WaitForExit(TimeSpan.FromSeconds(20)))
                _process.Kill();
        }
        catch (IOException)
        {
            // It has ended already.
        }

        _process.Dispose();
    }

    internal Measured Time(string kind, int steps)
    {
        var answer = Ask($"{kind} {steps}");
        return new Measured(answer.GetProperty("seconds").GetDouble() / steps, answer.GetProperty("cpu").GetDouble() / steps);
    }

    internal double MatrixProduct() => Ask("sgemm").GetProperty("gflops").GetDouble();

    internal long Memory() => Ask("memory").GetProperty("bytes").GetInt64();

    internal JsonElement Parity(string folder) => Ask($"parity {folder}");

    private JsonElement Ask(string command)
    {
        _process.StandardInput.WriteLine(command);
        _process.StandardInput.Flush();
        return Read();
    }

    private JsonElement Read()
    {
        var line = _process.StandardOutput.ReadLine()
            ?? throw new InputException($"{Entry.Name} ended before it answered; what it said is above ({Entry.Program} {string.Join(' ', Entry.Arguments)}).");
        return JsonElement.Parse(line);
    }
}
