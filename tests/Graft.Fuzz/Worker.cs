using System.Diagnostics;
using System.Globalization;

namespace Graft.Fuzz;

/// <summary>
/// A block of inputs in a process of its own. Where that dies or hangs, the input is a fault, and another process goes on behind it.
/// </summary>
internal static class Worker
{
    internal const string Verb = "worker";

    /// <summary>Milliseconds for which one input may keep a process from going on.</summary>
    private const int Patience = 3 * Fuzzer.MostSeconds * 1000;

    /// <summary>What the process does: one line on standard output for each fault.</summary>
    public static int Run(FuzzedParser parser, ulong seed, long from, long count, string progressFile)
    {
        using var progress = new Progress(progressFile);
        using var fuzzer = new Fuzzer(parser, seed);
        for (var index = from; index < from + count; index++)
        {
            var input = fuzzer.Input(index);
            progress.Index = index;
            var (read, fault) = fuzzer.Judge(input);
            progress.Index = -1; // what goes wrong from here on is the fuzzer's own fault
            if (fault is not null)
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{index}\t{fault.ReplaceLineEndings(" | ")}"));
            else if (read)
                progress.Read++;
            else
                progress.Refused++;
        }

        return 0;
    }

    /// <summary>Has a block tried.</summary>
    public static FuzzResult Start(FuzzedParser parser, ulong seed, long from, long count)
    {
        long read = 0, refused = 0;
        var faults = new List<FuzzFault>();
        for (var next = from; next < from + count;)
        {
            var file = Path.GetTempFileName();
            try
            {
                var (finished, index) = Once(parser, seed, next, from + count - next, file, faults);
                using (var progress = new Progress(file))
                    (read, refused) = (read + progress.Read, refused + progress.Refused);
                if (finished)
                    break;
                next = index + 1;
            }
            finally
            {
                File.Delete(file);
            }
        }

        return new FuzzResult(count, read, refused, faults);
    }

    private static (bool Finished, long Index) Once(FuzzedParser parser, ulong seed, long from, long count, string file, List<FuzzFault> faults)
    {
        var itself = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == typeof(Worker).Assembly.GetName().Name;
        var start = new ProcessStartInfo(itself ? Environment.ProcessPath! : "dotnet") { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        if (!itself)
            start.ArgumentList.Add(typeof(Worker).Assembly.Location);
        foreach (var argument in (ReadOnlySpan<string>)[Verb, parser.Name, Text(seed), Text(from), Text(count), file])
            start.ArgumentList.Add(argument);
        start.Environment["GRAFT_THREADS"] = "1";
        using var process = Process.Start(start)!;
        var found = new List<FuzzFault>();
        var errors = new System.Text.StringBuilder();
        process.OutputDataReceived += (_, e) =>
        {
            if (e.Data?.IndexOf('\t', StringComparison.Ordinal) is > 0 and var tab && long.TryParse(e.Data.AsSpan(0, tab), CultureInfo.InvariantCulture, out var index))
                found.Add(new FuzzFault(index, e.Data[(tab + 1)..]));
        };
        process.ErrorDataReceived += (_, e) => errors.Append(e.Data).Append(" | ");
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var hung = false;
        using var progress = new Progress(file);
        for (var (last, since) = (-1L, Stopwatch.StartNew()); !process.WaitForExit(250);)
        {
            if (progress.Index != last)
                (last, since) = (progress.Index, Stopwatch.StartNew());
            else if (hung = since.ElapsedMilliseconds > Patience)
                process.Kill();
        }

        process.WaitForExit(); // for the lines that are still under way
        faults.AddRange(found);
        if (process.ExitCode == 0)
            return (true, from + count);
        var at = progress.Index;
        if (at < 0)
            throw new GraftException($"The worker for {parser.Name} ended with {process.ExitCode} outside of the parser: {errors}");
        faults.Add(new FuzzFault(at, hung ? $"it hung for more than {Patience / 1000} s" : $"the process died with exit code {process.ExitCode}: {errors}"));
        return (false, at);
    }

    private static string Text<T>(T number)
        where T : IFormattable => number.ToString(null, CultureInfo.InvariantCulture);
}
