using System.Collections.Concurrent;

namespace Graft.Tests.Hub;

/// <summary>A clock on which waits take a hundredth of their time, and which remembers them.</summary>
internal sealed class TestTime : TimeProvider
{
    private const int Faster = 100;
    private readonly ConcurrentQueue<TimeSpan> _waits = new();

    public TimeSpan[] Waits => [.. _waits];

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        _waits.Enqueue(dueTime);
        return new Scaled(System.CreateTimer(callback, state, Scale(dueTime), Scale(period)));
    }

    private static TimeSpan Scale(TimeSpan time) => time <= TimeSpan.Zero ? time : time / Faster;

    private sealed class Scaled(ITimer timer) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(Scale(dueTime), Scale(period));

        public void Dispose() => timer.Dispose();

        public ValueTask DisposeAsync() => timer.DisposeAsync();
    }
}
