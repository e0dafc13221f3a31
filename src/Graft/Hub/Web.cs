using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;

namespace Graft.Hub;

/// <summary>An answer, and what the hub itself said on the way to it.</summary>
internal sealed record WebAnswer(HttpResponseMessage Response, Uri Source) : IDisposable
{
    /// <summary><c>X-Linked-Etag</c>, or else the <c>ETag</c>, of the hub's own answer.</summary>
    internal string? HubEtag { get; init; }

    /// <summary><c>X-Linked-Size</c> of the hub's own answer.</summary>
    internal long? HubSize { get; init; }

    /// <summary><c>X-Repo-Commit</c> of the hub's own answer.</summary>
    internal string? HubCommit { get; init; }

    public void Dispose() => Response.Dispose();
}

/// <summary>Sends requests: follows redirects itself, so that the token goes to the hub and nowhere else.</summary>
internal sealed class Web : IDisposable
{
    private const int MostRedirects = 10;
    private readonly HttpClient _client;
    private readonly HubSettings _settings;
    private readonly DownloadOptions _options;

    internal Web(HubSettings settings, DownloadOptions options)
    {
        _settings = settings;
        _options = options;
        _client = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            ConnectTimeout = options.StallTimeout,
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        var version = typeof(Web).Assembly.GetName().Version?.ToString(3);
        _client.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("graft", version));
    }

    /// <summary>Sends a request and follows its redirects.</summary>
    /// <param name="method">GET or HEAD.</param>
    /// <param name="url">Where to.</param>
    /// <param name="prepare">Adds headers.</param>
    /// <param name="plainAllowed">Whether http is as good as https, since a hash that the user gave tells what is right.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <returns>The last answer, its body unread; the caller disposes it and looks at its status.</returns>
    /// <exception cref="TransientFault">The connection was lost, or nothing came in time.</exception>
    /// <exception cref="GraftException">A redirect leads nowhere.</exception>
    internal async Task<WebAnswer> SendAsync(HttpMethod method, Uri url, Action<HttpRequestMessage>? prepare, bool plainAllowed, CancellationToken cancellationToken)
    {
        var (at, etag, size, commit) = (url, (string?)null, (long?)null, (string?)null);
        for (var hop = 0; hop <= MostRedirects; hop++)
        {
            RequireSafe(at, plainAllowed);
            var response = await SendOneAsync(method, at, prepare, cancellationToken).ConfigureAwait(false);
            if (IsHub(at))
            {
                etag = Header(response, "X-Linked-Etag") ?? etag ?? (response.IsSuccessStatusCode ? response.Headers.ETag?.ToString() : null);
                size ??= long.TryParse(Header(response, "X-Linked-Size"), out var number) && number >= 0 ? number : null;
                commit ??= Header(response, "X-Repo-Commit");
            }

            if ((int)response.StatusCode is not (301 or 302 or 303 or 307 or 308))
                return new WebAnswer(response, at) { HubEtag = etag, HubSize = size, HubCommit = commit };
            // Signed addresses of content servers answer to GET only; what the hub says about the file was said already.
            var next = response.Headers.Location is { } location && Uri.TryCreate(at, location, out var absolute) ? absolute : null;
            if (method == HttpMethod.Head && next is not null && IsHub(at) && !IsHub(next))
                return new WebAnswer(response, at) { HubEtag = etag, HubSize = size, HubCommit = commit };
            response.Dispose();
            at = next ?? throw new GraftException($"{at.Host} redirects {DownloadFaults.Shown(url)} without saying where to: try again later, or check the address.");
        }

        throw new GraftException($"{DownloadFaults.Shown(url)} is redirected more than {MostRedirects} times, most likely in a circle: check the address.");
    }

    /// <summary>The exception that an answer without success stands for: a <see cref="TransientFault"/> where it may pass.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="what">What was asked for.</param>
    internal Exception Refusal(WebAnswer answer, string what)
    {
        var (status, reason, host) = ((int)answer.Response.StatusCode, answer.Response.ReasonPhrase, answer.Source.Host);
        if (status is 408 or 429 or (>= 500 and <= 599))
            return new TransientFault($"{host} answers {status} ({reason})", retryAfter: RetryAfter(answer.Response));
        if (status is not (401 or 403 or 404 or 410))
            return new GraftException($"{host} answers {status} ({reason}) to {what}: try again later, or check the address.");
        if (!IsHub(answer.Source))
            return new InputException($"{host} refuses {what} ({status} {reason}): check the address.");
        return new InputException((status, Header(answer.Response, "X-Error-Code")) switch
        {
            (_, "GatedRepo") => $"{host} gives {what} only to those who accepted its terms ({status}): accept them on its page, and set HF_TOKEN.",
            (404, "RevisionNotFound") => $"{host} has no such revision of {what} (404): check --revision.",
            (404 or 410, _) => $"{host} has no {what} ({status}): check the name and the revision.",
            _ when _settings.Token is null => $"{host} refuses {what} ({status}): it does not exist or is private; check the name, or set HF_TOKEN.",
            _ => $"{host} refuses {what} ({status}): it does not exist, or the token gives no right to it; check the name and HF_TOKEN.",
        });
    }

    /// <summary>Whether a URL is the hub's own: the token may go there.</summary>
    internal bool IsHub(Uri url) =>
        url.Scheme == _settings.Endpoint.Scheme && url.Host == _settings.Endpoint.Host && url.Port == _settings.Endpoint.Port;

    /// <exception cref="InputException">The URL is neither https, nor http to this machine, nor covered by a hash.</exception>
    internal static void RequireSafe(Uri url, bool plainAllowed)
    {
        if (url.Scheme is not ("https" or "http") || url.UserInfo.Length > 0)
            throw new InputException($"{url.Scheme}://{url.Host} cannot be fetched from: give an https address without a user name.");
        if (url.Scheme == "http" && !url.IsLoopback && !plainAllowed)
            throw new InputException($"http://{url.Host} is not encrypted, so that anybody on the way could change what comes: use https, or give the file's hash with --sha256.");
    }

    public void Dispose() => _client.Dispose();

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;

    private TimeSpan? RetryAfter(HttpResponseMessage response) => response.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } => date - _options.Time.GetUtcNow() is var wait && wait > TimeSpan.Zero ? wait : TimeSpan.Zero,
        _ => null,
    };

    private async Task<HttpResponseMessage> SendOneAsync(HttpMethod method, Uri url, Action<HttpRequestMessage>? prepare, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, url);
        request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
        prepare?.Invoke(request);
        if (_settings.Token is { } token && IsHub(url))
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var stall = new StallWatch(_options, url.Host, cancellationToken);
        try
        {
            return await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stall.Token).ConfigureAwait(false);
        }
        catch (HttpRequestException e) when (e.InnerException is AuthenticationException)
        {
            throw new GraftException($"{url.Host} does not prove who it is ({e.InnerException.Message.TrimEnd('.')}): check the address, the clock and the system's certificates.", e);
        }
        catch (HttpRequestException e)
        {
            throw new TransientFault($"{url.Host} cannot be reached ({e.Message.TrimEnd('.')})", e);
        }
        catch (OperationCanceledException e)
        {
            throw stall.Fault(e);
        }
    }
}
