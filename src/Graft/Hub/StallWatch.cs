namespace Graft.Hub;

/// <summary>Cancels what waits for a byte for too long; every byte winds it up again.</summary>
internal sealed class StallWatch : IDisposable
{
    private readonly CancellationTokenSource _stall;
    private readonly CancellationTokenSource _both;
    private readonly CancellationToken _user;
    private readonly TimeSpan _timeout;
    private readonly string _host;

    internal StallWatch(DownloadOptions options, string host, CancellationToken user)
    {
        _user = user;
        _host = host;
        _timeout = options.StallTimeout;
        _stall = new CancellationTokenSource(_timeout, options.Time);
        _both = CancellationTokenSource.CreateLinkedTokenSource(user, _stall.Token);
    }

    /// <summary>Cancelled by the user, or by a stall.</summary>
    internal CancellationToken Token => _both.Token;

    /// <summary>A byte came.</summary>
    internal void Reset() => _stall.CancelAfter(_timeout);

    /// <summary>What a cancellation was: the user's, or a stall or a failed connection, which another attempt may mend.</summary>
    internal Exception Fault(OperationCanceledException cancelled) => _user.IsCancellationRequested
        ? new OperationCanceledException(cancelled.Message, cancelled, _user)
        : new TransientFault($"{_host} sent nothing for {_timeout.TotalSeconds:0.##} s", cancelled);

    public void Dispose()
    {
        _both.Dispose();
        _stall.Dispose();
    }
}
