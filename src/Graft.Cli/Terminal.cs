using Microsoft.Extensions.Logging;
using Spectre.Console;

namespace Graft.Cli;

/// <summary>What people read: results go to standard output, notes and errors to standard error.</summary>
internal static class Terminal
{
    /// <summary>Standard error, with colours where it is a terminal.</summary>
    internal static IAnsiConsole Notes { get; } = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });

    /// <summary>Standard output.</summary>
    internal static IAnsiConsole Results { get; } = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });

    internal static void Error(string message) => Notes.MarkupLineInterpolated($"[red]error:[/] {message}");

    internal static void Warning(string message) => Notes.MarkupLineInterpolated($"[yellow]warning:[/] {message}");

    internal static void Note(string message) => Notes.MarkupLineInterpolated($"{message}");

    /// <summary>A line of the result, unwrapped and unstyled.</summary>
    internal static void Result(string line) => Console.Out.WriteLine(line);

    /// <summary>A logger that writes notes.</summary>
    internal static ILogger Logger { get; } = new NoteLogger();

    private sealed class NoteLogger : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var message = formatter(state, exception);
            if (logLevel >= LogLevel.Warning)
                Warning(message);
            else
                Note(message);
        }
    }
}
