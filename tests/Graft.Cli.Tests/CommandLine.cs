using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Graft.Cli.Tests;

/// <summary>Runs the command line as a process, as users do.</summary>
internal static partial class CommandLine
{
    public static string Folder { get; } = AppContext.BaseDirectory;

    public static (int Code, string Output, string Error) Run(params string[] arguments) => RunIn(Folder, arguments);

    /// <summary>Runs a copy of the program.</summary>
    public static (int Code, string Output, string Error) RunIn(string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(folder, "Graft.Cli.dll"));
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();

        // Messages are wrapped at the terminal's width.
        return (process.ExitCode, output, Space().Replace(error.Result, " "));
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();
}
