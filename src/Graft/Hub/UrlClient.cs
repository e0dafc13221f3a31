using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Graft.Formats;
using Microsoft.Extensions.Logging;

namespace Graft.Hub;

/// <summary>What is to be pulled from a URL.</summary>
/// <param name="Url">The URL: https, or http to this machine or with <see cref="Sha256"/>.</param>
public sealed record UrlRequest(Uri Url)
{
    /// <summary>SHA-256 that the file must have, in lower-case hexadecimal.</summary>
    public string? Sha256 { get; init; }

    /// <summary>The file's name in the cache; null: as in the URL.</summary>
    public string? Name { get; init; }

    /// <summary>Whether a file that is there is fetched again.</summary>
    public bool Force { get; init; }
}

/// <summary>A file that was pulled from a URL.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Sha256">Its SHA-256.</param>
/// <param name="Size">Its bytes.</param>
/// <param name="WasThere">Whether it was there already.</param>
public sealed record UrlFile(string Path, string Sha256, long Size, bool WasThere);

/// <summary>
/// Pulls single files into <c>downloads/</c> of the cache, each in a folder named after its URL, with a record of what is known
/// about it beside it.
/// </summary>
public sealed class UrlClient : IDisposable
{
    private const string ValidatorExtension = ".etag";
    private readonly HubSettings _settings;
    private readonly DownloadOptions _options;
    private readonly Web _web;

    /// <summary>Prepares; nothing is asked of anybody yet.</summary>
    public UrlClient(HubSettings settings, DownloadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _settings = settings;
        _options = options ?? new DownloadOptions();
        _web = new Web(settings, _options);
    }

    /// <summary>Reads a URL and refuses what is none, or what is a page rather than a file.</summary>
    /// <exception cref="InputException">It cannot be fetched.</exception>
    public static Uri Parse(string text, HubSettings settings, string? sha256 = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Host.Length == 0)
            throw new InputException($"{FileFault.Quote(text)} is no URL: give one that begins with https://.");
        Web.RequireSafe(url, plainAllowed: sha256 is not null);
        if (url.Host == settings.Endpoint.Host && url.AbsolutePath.Trim('/').Split('/') is [var owner, var name, ..] parts && HubModelId.TryParse($"{owner}/{name}") is { } model)
        {
            if (parts.Length == 2 || parts[2] == "tree")
                throw new InputException($"{DownloadFaults.Shown(url)} is the page of a model: `graft pull {model.Id}` pulls the model.");
            if (parts[2] == "blob")
                throw new InputException($"{DownloadFaults.Shown(url)} is the page of a file: with /resolve/ in place of /blob/ it is the file.");
        }

        return url;
    }

    /// <summary>Where a URL's file is, or will be.</summary>
    /// <exception cref="InputException">The name is none.</exception>
    public string PathOf(UrlRequest request) => Folder().PathOf(KeyOf(request.Url), NameOf(request));

    /// <summary>Pulls.</summary>
    /// <exception cref="InputException">The server refuses, the request is not safe, or the cache cannot be written to.</exception>
    /// <exception cref="GraftException">The server cannot be reached, what came is wrong, or the disk is full.</exception>
    /// <exception cref="DownloadStoppedException">It was stopped; what came is kept.</exception>
    public async Task<UrlFile> PullAsync(UrlRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        Web.RequireSafe(request.Url, plainAllowed: request.Sha256 is not null);
        var (key, name) = (KeyOf(request.Url), NameOf(request));
        var path = PathOf(request);
        if (_settings.Offline)
        {
            return !request.Force && await KnownAsync(request, path, cancellationToken).ConfigureAwait(false) is { } there
                ? there
                : throw new InputException($"Offline (--offline or HF_HUB_OFFLINE): {DownloadFaults.Shown(request.Url)} is not in the cache {Folder().Root}; pull it once with a connection.");
        }

        var partial = Folder().FileIn(key, name + ".incomplete");
        SafeFolder.RefuseLink(partial);
        var @lock = Folder().FileIn(key, name + ".lock");
        SafeFolder.RefuseLink(@lock);
        using var held = await FileLock.TakeAsync(@lock, _options, cancellationToken).ConfigureAwait(false);
        if (!request.Force && await KnownAsync(request, path, cancellationToken).ConfigureAwait(false) is { } known)
            return known;

        var clock = Stopwatch.StartNew();
        var first = (long?)null;
        var download = new DownloadRequest(request.Url, partial, path, name)
        {
            Sha256 = request.Sha256,
            PlainAllowed = request.Sha256 is not null,
            Resume = !request.Force,
            Validator = ReadValidator(partial),
            ValidatorChanged = validator => WriteValidator(partial, validator),
            Progress = (done, of) =>
            {
                first ??= done;
                _options.Progress?.Report(new PullProgress(name, done, of, Math.Max(0, done - first.Value) / Math.Max(clock.Elapsed.TotalSeconds, 1e-3)));
            },
        };
        var got = await new Downloader(_web, new RetryPolicy(_options), _options).FetchAsync(download, cancellationToken).ConfigureAwait(false);
        File.Delete(partial + ValidatorExtension);
        UrlRecord.Write(path, request.Url, got.Sha256);
        return new UrlFile(path, got.Sha256, got.Size, WasThere: false);
    }

    /// <inheritdoc/>
    public void Dispose() => _web.Dispose();

    private static string KeyOf(Uri url) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(url.GetLeftPart(UriPartial.Query))))[..16];

    private static string NameOf(UrlRequest request) => request.Name is { } name ? SafeName.FromUser(name, "--out") : SafeName.FromUrl(request.Url);

    private static string? ReadValidator(string partial) =>
        File.Exists(partial) && File.Exists(partial + ValidatorExtension) && new FileInfo(partial + ValidatorExtension).Length < 1000
            ? File.ReadAllText(partial + ValidatorExtension).Trim() is { Length: > 0 } text && !text.Any(char.IsControl) ? text : null
            : null;

    private static void WriteValidator(string partial, string? validator)
    {
        if (validator is null)
            File.Delete(partial + ValidatorExtension);
        else
            AtomicFile.WriteText(partial + ValidatorExtension, validator);
    }

    private SafeFolder Folder() => new(Path.Combine(_settings.GraftCache, "downloads"));

    /// <summary>The file, if it is there and as it was recorded; it is hashed again only if it was touched since.</summary>
    private async Task<UrlFile?> KnownAsync(UrlRequest request, string path, CancellationToken cancellationToken)
    {
        if (UrlRecord.Read(path) is not { } record || new FileInfo(path) is not { Exists: true, LinkTarget: null } info || (request.Sha256 is { } due && due != record.Sha256))
            return null;
        if (!record.Fits(path))
        {
            using var stream = File.OpenRead(path);
            if (Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken).ConfigureAwait(false)) != record.Sha256)
            {
                _options.Logger.LogWarning("{Path} was changed since it was pulled.", path);
                return null;
            }

            if (!_settings.Offline)
                UrlRecord.Write(path, request.Url, record.Sha256);
        }

        return new UrlFile(path, record.Sha256, info.Length, WasThere: true);
    }
}
