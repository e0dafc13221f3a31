using Graft.Hub;

namespace Graft.Tests.Hub;

/// <summary>Caches in a temporary folder, and short waits.</summary>
internal sealed class PullFolder : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public TestTime Time { get; } = new();

    public List<string> Notes { get; } = [];

    public DownloadOptions Options => new() { Time = Time, StallTimeout = TimeSpan.FromSeconds(1500), Retries = 3, Logger = new ListLogger(Notes) };

    public string Path => _temporary.Path;

    public string HubCache => _temporary["hub"];

    public string Model => System.IO.Path.Combine(HubCache, "models--owner--name");

    public string Snapshot => System.IO.Path.Combine(Model, "snapshots", FakeHub.Commit);

    public string this[string name] => _temporary[name];

    public HubSettings Settings(Uri? endpoint = null) => new()
    {
        Endpoint = endpoint ?? new Uri("http://127.0.0.1:1"),
        HubCache = HubCache,
        GraftCache = _temporary["graft"],
    };

    public async Task<UrlFile> PullAsync(Uri url, DownloadOptions? options = null, Func<UrlRequest, UrlRequest>? change = null, CancellationToken token = default)
    {
        using var client = new UrlClient(Settings(), options ?? Options);
        return await client.PullAsync((change ?? (r => r))(new UrlRequest(url)), token);
    }

    public async Task<string> PullAsync(FakeHub hub, Func<HubRequest, HubRequest>? change = null, DownloadOptions? options = null, string? token = null, CancellationToken stop = default)
    {
        using var client = new HubClient(Settings(hub.Server.Address) with { Token = token }, options ?? Options);
        var request = (change ?? (r => r))(new HubRequest(new HubModelId("owner", "name")));
        return await client.PullAsync(request, await client.PlanAsync(request, stop), stop);
    }

    /// <summary>Files below the folder that are no locks, by name.</summary>
    public string[] Files(string endsWith) => [.. Directory.GetFiles(Path, "*", SearchOption.AllDirectories).Where(f => f.EndsWith(endsWith, StringComparison.Ordinal)).Order()];

    public void Dispose() => _temporary.Dispose();

    private sealed class ListLogger(List<string> notes) : Microsoft.Extensions.Logging.ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(Microsoft.Extensions.Logging.LogLevel logLevel) => true;

        public void Log<TState>(
            Microsoft.Extensions.Logging.LogLevel logLevel, Microsoft.Extensions.Logging.EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (notes)
                notes.Add(formatter(state, exception));
        }
    }
}
