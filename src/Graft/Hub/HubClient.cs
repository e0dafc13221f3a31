using System.Diagnostics;
using Graft.Formats;

namespace Graft.Hub;

/// <summary>What is to be pulled from the hub.</summary>
/// <param name="Model">The model and its revision.</param>
public sealed record HubRequest(HubModelId Model)
{
    /// <summary>Patterns of files that are taken; empty: what Graft can read (<see cref="FileSelection"/>).</summary>
    public IReadOnlyList<string> Include { get; init; } = [];

    /// <summary>Patterns of files that are left out.</summary>
    public IReadOnlyList<string> Exclude { get; init; } = [];

    /// <summary>SHA-256 that the one weight file must have; null: what the hub says is right.</summary>
    public string? Sha256 { get; init; }

    /// <summary>Whether files that are there are fetched again.</summary>
    public bool Force { get; init; }
}

/// <summary>What a pull would do.</summary>
/// <param name="Folder">Where the files are, or will be.</param>
/// <param name="Commit">The commit that the revision is now.</param>
/// <param name="Files">What is taken.</param>
/// <param name="Missing">The part of it that is not there yet.</param>
/// <param name="LeftOut">What is not taken.</param>
public sealed record HubPlan(string Folder, string Commit, IReadOnlyList<HubFile> Files, IReadOnlyList<HubFile> Missing, IReadOnlyList<LeftOut> LeftOut);

/// <summary>Pulls models from the hub into the cache that huggingface_hub uses too.</summary>
public sealed class HubClient : IDisposable
{
    private readonly HubSettings _settings;
    private readonly DownloadOptions _options;
    private readonly Web _web;
    private readonly RetryPolicy _retry;
    private readonly HubApi _api;

    /// <summary>Prepares; nothing is asked of the hub yet.</summary>
    public HubClient(HubSettings settings, DownloadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _settings = settings;
        _options = options ?? new DownloadOptions();
        _web = new Web(settings, _options);
        _retry = new RetryPolicy(_options);
        _api = new HubApi(settings, _web, _retry, _options);
    }

    /// <summary>Makes links; tests replace it by a file system without them.</summary>
    internal Func<string, string, bool>? TryLink { get; init; }

    /// <summary>Asks the hub what a pull would do. Nothing is written.</summary>
    /// <exception cref="InputException">The model cannot be had, or no file of it is wanted.</exception>
    /// <exception cref="GraftException">The hub cannot be reached.</exception>
    public async Task<HubPlan> PlanAsync(HubRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        var model = request.Model;
        if (_settings.Offline)
            throw new InputException($"Offline (--offline or HF_HUB_OFFLINE): {_settings.Endpoint.Host} is not asked about {model}.");
        Web.RequireSafe(_settings.Endpoint, plainAllowed: false);
        var cache = CacheOf(model);
        var listing = await _api.ListAsync(model, cancellationToken).ConfigureAwait(false);
        var (taken, leftOut) = FileSelection.Of(listing.Files.Select(f => f.Path), request.Include, request.Exclude);
        if (taken.Count == 0)
        {
            throw new InputException(listing.Files.Count == 0
                ? $"{model} is empty."
                : $"Of the {listing.Files.Count} files of {model} none is wanted (as {FileFault.Quote(leftOut[0].Path)}: {leftOut[0].Why}): say which with --include.");
        }

        var byPath = listing.Files.DistinctBy(f => f.Path).ToDictionary(f => f.Path);
        var files = new List<HubFile>();
        foreach (var path in taken)
        {
            var file = byPath[SafeName.RepositoryPath(path)];
            files.Add(file.Etag is null || file.Size is null ? await _api.DescribeAsync(model, listing.Commit, file, cancellationToken).ConfigureAwait(false) : file);
        }

        RefuseFilesAsFolders(files);
        CheckHash(request, files);
        return new HubPlan(
            cache.SnapshotPath(listing.Commit),
            listing.Commit,
            files,
            request.Force ? files : [.. files.Where(f => !cache.Has(listing.Commit, f) && !cache.HasBlob(f))],
            leftOut);
    }

    /// <summary>Pulls what a plan says, and then notes which commit the revision is.</summary>
    /// <returns>The folder of the files.</returns>
    /// <exception cref="InputException">The hub refuses, or the cache cannot be written to.</exception>
    /// <exception cref="GraftException">The hub cannot be reached, what came is wrong, or the disk is full.</exception>
    /// <exception cref="DownloadStoppedException">It was stopped; what came is kept.</exception>
    public async Task<string> PullAsync(HubRequest request, HubPlan plan, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(plan);
        var cache = CacheOf(request.Model);
        var kept = request.Force ? 0 : plan.Missing.DistinctBy(f => f.Etag).Sum(f => new FileInfo(cache.PartialPath(f.Etag!)) is { Exists: true } part ? part.Length : 0);
        DiskSpace.Check(_options, cache.Root, Math.Max(0, Total(plan.Missing.DistinctBy(f => f.Etag)) - kept));
        var meter = new Meter(_options, plan.Files.Any(f => f.Size is null) ? null : Total(plan.Files));
        foreach (var file in plan.Files)
        {
            await PullFileAsync(cache, request, plan.Commit, file, meter, cancellationToken).ConfigureAwait(false);
            meter.Finished(file);
        }

        cache.WriteRef(plan.Commit);
        return plan.Folder;
    }

    /// <summary>The folder of a model that was pulled before. Nothing is asked of the hub.</summary>
    /// <exception cref="InputException">It never was.</exception>
    public string Cached(HubModelId model) => CacheOf(model).Snapshot()
        ?? throw new InputException($"Offline: {model} is not in the cache {_settings.HubCache}; pull it once with a connection (without --offline, and without HF_HUB_OFFLINE).");

    /// <inheritdoc/>
    public void Dispose() => _web.Dispose();

    private static long Total(IEnumerable<HubFile> files)
    {
        try
        {
            return files.Sum(f => f.Size ?? 0);
        }
        catch (OverflowException)
        {
            return long.MaxValue;
        }
    }

    private static void RefuseFilesAsFolders(List<HubFile> files)
    {
        var names = files.Select(f => f.Path).ToHashSet(StringComparer.Ordinal);
        foreach (var name in names)
        {
            for (var slash = name.IndexOf('/', StringComparison.Ordinal); slash > 0; slash = name.IndexOf('/', slash + 1))
            {
                if (names.Contains(name[..slash]))
                    throw new InputException($"The listing names {FileFault.Quote(name[..slash])} both as a file and as a folder: nothing was written; check the endpoint.");
            }
        }
    }

    private static void CheckHash(HubRequest request, List<HubFile> files)
    {
        if (request.Sha256 is not { } due)
            return;
        var weights = files.Where(f => !f.Path.EndsWith(".json", StringComparison.Ordinal)).ToList();
        if (weights is not [var one])
            throw new InputException($"--sha256 is the hash of one weight file, and {weights.Count} would be pulled: choose one with --include.");
        if (one.Sha256 is { } named && named != due)
            throw new InputException($"The hub's {one.Path} has the SHA-256 {named}, not the given {due}: check --sha256 and --revision.");
    }

    private HubCache CacheOf(HubModelId model) => TryLink is null ? new(_settings, model) : new(_settings, model) { TryLink = TryLink };

    private async Task PullFileAsync(HubCache cache, HubRequest request, string commit, HubFile file, Meter meter, CancellationToken cancellationToken)
    {
        if (!request.Force && cache.Has(commit, file))
            return;
        using var held = await cache.LockAsync(file.Etag!, _options, cancellationToken).ConfigureAwait(false);
        if (!request.Force && cache.Has(commit, file))
            return; // somebody else brought it
        var fresh = request.Force || !cache.HasBlob(file);
        if (fresh)
        {
            var partial = cache.OpenPartialPath(file.Etag!);
            var mustMatch = file.Sha256 ?? (file.Path.EndsWith(".json", StringComparison.Ordinal) ? null : request.Sha256);
            var download = new DownloadRequest(_api.ContentUrl(request.Model, commit, file.Path), partial, cache.BlobPath(file.Etag!), file.Path)
            {
                Size = file.Size,
                Sha256 = mustMatch,
                GitSha1 = file.GitSha1,
                Resume = !request.Force,
                Check = answer => _api.Check(answer, commit, file),
                Progress = (done, _) => meter.At(file, done),
            };
            _ = await new Downloader(_web, _retry, _options).FetchAsync(download, cancellationToken).ConfigureAwait(false);
        }

        cache.Point(commit, file, fresh);
    }

    /// <summary>Adds up what is there, over all files.</summary>
    private sealed class Meter(DownloadOptions options, long? total)
    {
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private long _finished;
        private long _transferred;
        private (HubFile? File, long Done) _last;

        internal void At(HubFile file, long done)
        {
            if (_last.File == file && done > _last.Done)
                _transferred += done - _last.Done;
            _last = (file, done);
            Report(file, done);
        }

        internal void Finished(HubFile file)
        {
            _finished += file.Size ?? (_last.File == file ? _last.Done : 0);
            if (_last.File != file)
                Report(file, 0); // it was there, so nothing was reported while it came
        }

        private void Report(HubFile file, long done) =>
            options.Progress?.Report(new PullProgress(file.Path, _finished + done, total, _transferred / Math.Max(_clock.Elapsed.TotalSeconds, 1e-3)));
    }
}
