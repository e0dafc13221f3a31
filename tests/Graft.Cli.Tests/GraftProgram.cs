using System.Diagnostics;

namespace Graft.Tests.Cli;

/// <summary>Runs the command line as a process, as a user does.</summary>
internal sealed class GraftProgram : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private readonly Process _process;
    private readonly List<string> _errors = [];
    private readonly Task<string> _output;
    private readonly Task _reader;

    private GraftProgram(string program, string[] arguments, IEnumerable<KeyValuePair<string, string?>>? environment = null)
    {
        var start = new ProcessStartInfo("dotnet") { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = true, WorkingDirectory = SharedFiles.Repository };
        foreach (var argument in (string[])["exec", program, .. arguments])
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment ?? [])
            start.Environment[name] = value;
        _process = Process.Start(start)!;
        _output = _process.StandardOutput.ReadToEndAsync();
        _reader = Task.Run(async () =>
        {
            while (await _process.StandardError.ReadLineAsync() is { } line)
            {
                lock (_errors)
                    _errors.Add(line);
            }
        });
    }

    public static string Folder => AppContext.BaseDirectory;

    public string[] Errors
    {
        get
        {
            lock (_errors)
                return [.. _errors];
        }
    }

    public bool HasExited => _process.HasExited;

    public int Id => _process.Id;

    public static GraftProgram Start(params string[] arguments) => new(Path.Combine(Folder, "Graft.Cli.dll"), arguments);

    /// <summary>Starts with variables of the environment set, or with null removed.</summary>
    public static GraftProgram Start(IEnumerable<KeyValuePair<string, string?>> environment, params string[] arguments) =>
        new(Path.Combine(Folder, "Graft.Cli.dll"), arguments, environment);

    /// <summary>Runs to the end.</summary>
    public static (int Code, string Output, string[] Errors) Run(params string[] arguments) => RunIn(Folder, arguments);

    public static (int Code, string Output, string[] Errors) RunIn(string folder, params string[] arguments)
    {
        using var program = new GraftProgram(Path.Combine(folder, "Graft.Cli.dll"), arguments);
        return program.Finish();
    }

    public (int Code, string Output, string[] Errors) Finish()
    {
        if (!_process.WaitForExit(Patience))
            throw new TimeoutException($"graft did not end: {string.Join('\n', Errors)}");
        _reader.Wait();
        return (_process.ExitCode, _output.Result, Errors);
    }

    /// <summary>Waits until something holds, as long as the program runs.</summary>
    public void WaitUntil(Func<bool> holds)
    {
        var clock = Stopwatch.StartNew();
        while (!holds() && !HasExited && clock.Elapsed < Patience)
            Thread.Sleep(5);
        holds().ShouldBeTrue(string.Join('\n', Errors));
    }

    public void Kill() => _process.Kill();

    /// <summary>Sends a signal: INT, TERM.</summary>
    public void Signal(string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", $"{_process.Id}"]);
        kill.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }
}
