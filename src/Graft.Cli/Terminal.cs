using Microsoft.Extensions.Logging;
using Spectre.Console;

namespace Graft.Cli;

/// <summary>What people read: results go to standard output, notes and errors to standard error; a message is one line.</summary>
internal static class Terminal
{
    /// <summary>Standard error, for progress bars.</summary>
    internal static IAnsiConsole Notes { get; } = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });

    /// <summary>Standard output, for tables.</summary>
    internal static IAnsiConsole Results { get; } = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });

    /// <summary>A logger that writes notes and warnings.</summary>
    internal static ILogger Logger { get; } = new NoteLogger();

    internal static void Error(string message) => Write("error:", 31, message);

    internal static void Warning(string message) => Write("warning:", 33, message);

    internal static void Note(string message) => Console.Error.WriteLine(message);

    /// <summary>A line of the result.</summary>
    internal static void Result(string line) => Console.Out.WriteLine(line);

    private static void Write(string kind, int colour, string message)
    {
        var line = message.ReplaceLineEndings(" "); // file names and native messages may hold line breaks
        Console.Error.WriteLine(Console.IsErrorRedirected ? $"{kind} {line}" : $"\e[{colour}m{kind}\e[0m {line}");
    }

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
