using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Graft.Cli.Commands;

namespace Graft.Cli;

/// <summary>
/// Starts this program several times on this machine and lets the processes meet. The first one's output is this program's; of another,
/// what it said is shown where it fails. When one ends badly, the others end by themselves or are killed after <see cref="Grace"/>.
/// </summary>
internal sealed partial class Launcher : IDisposable
{
    internal const int MostProcesses = 1024;
    private const int Terminate = 15;
    private const int FirstSignalCode = 128;
    private const int StoppedCode = 130;
    private const int KeptLines = 20;

    /// <summary>How long others may take to notice that a process is gone, and to save.</summary>
    internal static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    private readonly Process[] _workers;
    private readonly Queue<string>[] _errors;

    internal Launcher(int count, string[] command)
    {
        var port = FreePort();
        _errors = [.. Enumerable.Range(0, count).Select(_ => new Queue<string>())];
        _workers = new Process[count];
        try
        {
            for (var rank = 0; rank < count; rank++)
                _workers[rank] = Start(rank, count, port, command);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Waits until all have ended.</summary>
    /// <param name="token">Asks all of them to stop, which they do after the same step.</param>
    /// <returns>0; 130 where they were stopped; else the code of the process that failed, or 1 where a signal ended it.</returns>
    internal async Task<int> Run(CancellationToken token)
    {
        using var stop = token.Register(() => Signal(Terminate));
        var running = _workers.ToDictionary(w => w.WaitForExitAsync(CancellationToken.None));
        var ended = new List<Process>();
        var patience = Task.Delay(Timeout.InfiniteTimeSpan, CancellationToken.None);
        var failing = false;
        Process[] hanging = [];
        while (running.Count > 0)
        {
            var first = await Task.WhenAny([.. running.Keys, patience]).ConfigureAwait(false);
            if (!running.Remove(first, out var worker))
            {
                hanging = [.. running.Values];
                foreach (var left in hanging)
                    left.Kill();
                patience = Task.Delay(Timeout.InfiniteTimeSpan, CancellationToken.None);
                continue;
            }

            ended.Add(worker);
            if (failing || worker.ExitCode is 0 or StoppedCode)
                continue;
            failing = true;
            patience = Task.Delay(Grace, CancellationToken.None);
        }

        // Of several that ended badly, those that only lost another are not to blame; what all of them refuse, the first one has said.
        var blamed = ended.Except(hanging).OrderBy(w => w == _workers[0] ? 0 : 1).FirstOrDefault(w => w.ExitCode is not (0 or StoppedCode or Processes.LostCode))
            ?? ended.FirstOrDefault(w => w.ExitCode != 0);
        return blamed is null ? 0
            : blamed.ExitCode == StoppedCode || (blamed.ExitCode == Processes.LostCode && token.IsCancellationRequested) ? StoppedCode
            : Explain(blamed, hanging);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var worker in _workers.OfType<Process>())
        {
            if (!worker.HasExited)
                worker.Kill();
            worker.Dispose();
        }
    }

    /// <summary>Says why the processes ended, in one message; the first process says it itself.</summary>
    private int Explain(Process blamed, Process[] hanging)
    {
        var (rank, code) = (Array.IndexOf(_workers, blamed), blamed.ExitCode);
        const string GoOn = "the same command with --resume goes on from the newest checkpoint";
        if (code > FirstSignalCode)
            Terminal.Error($"Process {rank} of {_workers.Length} was ended by signal {code - FirstSignalCode}, and the others with it: {GoOn}.");
        else if (code == Processes.LostCode && hanging.Length > 0)
            Terminal.Error($"Process {string.Join(", ", hanging.Select(w => Array.IndexOf(_workers, w)))} of {_workers.Length} did not answer the others and was killed: {GoOn}.");
        else if (code == Processes.LostCode)
            Terminal.Error($"The {_workers.Length} processes lost each other: {GoOn}.");
        else if (rank > 0)
            Terminal.Error($"Process {rank} of {_workers.Length} failed: {LastError(rank)}");
        return code > FirstSignalCode ? 1 : code;
    }

    private string LastError(int rank)
    {
        const string Mark = "error: ";
        lock (_errors[rank])
        {
            var line = _errors[rank].LastOrDefault(l => l.StartsWith(Mark, StringComparison.Ordinal));
            return line is not null ? line[Mark.Length..] : string.Join(' ', _errors[rank]);
        }
    }

    private Process Start(int rank, int count, int port, string[] command)
    {
        // Their numbers of threads together are those of the machine.
        var threads = Environment.GetEnvironmentVariable("GRAFT_THREADS") ?? $"{Math.Max(1, Environment.ProcessorCount / count)}";
        var program = Environment.ProcessPath!;
        var start = new ProcessStartInfo(program) { UseShellExecute = false, RedirectStandardOutput = rank > 0, RedirectStandardError = rank > 0 };
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
        {
            start.ArgumentList.Add("exec");
            start.ArgumentList.Add(typeof(Launcher).Assembly.Location);
        }

        foreach (var word in command)
            start.ArgumentList.Add(word);
        foreach (var (name, value) in ((string, string)[])
            [("RANK", Text(rank)), ("LOCAL_RANK", Text(rank)), ("WORLD_SIZE", Text(count)), ("MASTER_ADDR", $"{IPAddress.Loopback}"), ("MASTER_PORT", Text(port)),
             ("GRAFT_THREADS", threads), (Processes.LaunchedVariable, "1")])
        {
            start.Environment[name] = value;
        }

        start.Environment.TryAdd("GLOO_SOCKET_IFNAME", "lo"); // all are on this machine, whatever its name leads to
        var worker = Process.Start(start) ?? throw new GraftException($"Process {rank} could not be started.");
        if (rank > 0)
        {
            worker.ErrorDataReceived += (_, e) => Keep(_errors[rank], e.Data);
            worker.BeginErrorReadLine();
            worker.BeginOutputReadLine();
        }

        return worker;

        static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
    }

    private static void Keep(Queue<string> lines, string? line)
    {
        if (line is null)
            return;
        lock (lines)
        {
            lines.Enqueue(line);
            if (lines.Count > KeptLines)
                lines.Dequeue();
        }
    }

    private void Signal(int signal)
    {
        foreach (var worker in _workers)
        {
            if (!worker.HasExited)
                _ = kill(worker.Id, signal);
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    [LibraryImport("libc")]
    private static partial int kill(int process, int signal);
}
