using Microsoft.Extensions.Logging;

namespace Graft.Tests;

/// <summary>Keeps what it is told.</summary>
internal sealed class Notes : ILogger
{
    public List<string> Lines { get; } = [];

    public List<string> Warnings { get; } = [];

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        (logLevel >= LogLevel.Warning ? Warnings : Lines).Add(formatter(state, exception));
}
