using System.Globalization;
using System.Text.Json;

namespace Graft.Hub;

/// <summary>What is asked of the hub beside contents. Everything it answers is checked.</summary>
internal sealed class HubApi(HubSettings settings, Web web, RetryPolicy retry, DownloadOptions options)
{
    private const int LargestListing = 64 << 20;

    /// <summary>Lists a revision's files.</summary>
    /// <exception cref="GraftException">The hub refuses, cannot be reached, or answers nonsense.</exception>
    internal async Task<HubListing> ListAsync(HubModelId model, CancellationToken cancellationToken)
    {
        var url = new Uri($"{Base}/api/models/{model.Owner}/{model.Name}/revision/{Uri.EscapeDataString(model.Revision)}?blobs=true");
        var json = await retry.RunAsync($"The listing of {model}", token => ReadAsync(url, model, token), cancellationToken).ConfigureAwait(false);
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            var commit = root.GetProperty("sha").GetString();
            if (!SafeName.IsCommit(commit))
                throw new FormatException("its commit is none");
            return new HubListing(commit!, [.. root.GetProperty("siblings").EnumerateArray().Select(Read)]);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new GraftException($"{settings.Endpoint.Host} answers with something else than a listing of {model} ({e.Message.TrimEnd('.')}): check HF_ENDPOINT, or try again later.", e);
        }
    }

    /// <summary>Asks for what the listing did not say about a file.</summary>
    internal Task<HubFile> DescribeAsync(HubModelId model, string commit, HubFile file, CancellationToken cancellationToken) =>
        retry.RunAsync($"The description of {file.Path}", async token =>
        {
            using var answer = await web.SendAsync(HttpMethod.Head, ContentUrl(model, commit, file.Path), null, plainAllowed: false, token).ConfigureAwait(false);
            if (!answer.Response.IsSuccessStatusCode && (int)answer.Response.StatusCode / 100 != 3)
                throw web.Refusal(answer, $"{model.Id}/{file.Path}");
            CheckCommit(answer, commit);
            return file with
            {
                Size = answer.HubSize ?? (answer.Response.IsSuccessStatusCode ? answer.Response.Content.Headers.ContentLength : null),
                Etag = SafeName.Etag(answer.HubEtag ?? throw new GraftException($"{settings.Endpoint.Host} names no content (ETag) for {file.Path}: check HF_ENDPOINT.")),
            };
        }, cancellationToken);

    /// <summary>Where a file's content is.</summary>
    internal Uri ContentUrl(HubModelId model, string commit, string path) =>
        new($"{Base}/{model.Owner}/{model.Name}/resolve/{commit}/{string.Join('/', path.Split('/').Select(Uri.EscapeDataString))}");

    /// <summary>Refuses an answer that is about another commit or content than the listing.</summary>
    internal void Check(WebAnswer answer, string commit, HubFile file)
    {
        CheckCommit(answer, commit);
        var named = answer.HubEtag is { } etag ? SafeName.Etag(etag) : null;
        if (named is not null && named != file.Etag && (SafeName.IsSha256(named) || SafeName.IsCommit(named)))
            throw new GraftException($"{settings.Endpoint.Host} names the content of {file.Path} {named}, and {file.Etag} in its listing: pull again, or check HF_ENDPOINT.");
    }

    private string Base => settings.Endpoint.AbsoluteUri.TrimEnd('/');

    private void CheckCommit(WebAnswer answer, string commit)
    {
        if (answer.HubCommit is { } other && other != commit)
            throw new GraftException($"{settings.Endpoint.Host} answers for another commit than was asked for: pull again, or check HF_ENDPOINT.");
    }

    private async Task<byte[]> ReadAsync(Uri url, HubModelId model, CancellationToken cancellationToken)
    {
        using var answer = await web.SendAsync(HttpMethod.Get, url, null, plainAllowed: false, cancellationToken).ConfigureAwait(false);
        if (!answer.Response.IsSuccessStatusCode)
            throw web.Refusal(answer, model.ToString());
        using var stall = new StallWatch(options, answer.Source.Host, cancellationToken);
        using var memory = new MemoryStream();
        var buffer = new byte[1 << 16];
        try
        {
            using var raw = await answer.Response.Content.ReadAsStreamAsync(stall.Token).ConfigureAwait(false);
            await using var body = Encodings.Decode(raw, answer, "the listing");
            for (int read; (read = await body.ReadAsync(buffer, stall.Token).ConfigureAwait(false)) > 0;)
            {
                stall.Reset();
                memory.Write(buffer, 0, read);
                if (memory.Length > LargestListing)
                    throw new GraftException($"{answer.Source.Host} sends a listing of more than {DownloadFaults.Size(LargestListing)}: check HF_ENDPOINT.");
            }
        }
        catch (OperationCanceledException e)
        {
            throw stall.Fault(e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or InvalidDataException)
        {
            throw new TransientFault($"{answer.Source.Host} broke off ({e.Message.TrimEnd('.')})", e);
        }

        return memory.ToArray();
    }

    private static HubFile Read(JsonElement item)
    {
        var path = item.GetProperty("rfilename").GetString() ?? throw new FormatException("a file has no name");
        var size = Number(item, "size");
        var etag = Text(item, "blobId");
        if (item.TryGetProperty("lfs", out var lfs) && lfs.ValueKind == JsonValueKind.Object)
            (size, etag) = (Number(lfs, "size") ?? size, Text(lfs, "sha256"));
        // Anything but a hash is asked for again with HEAD, and checked there.
        return new HubFile(path) { Size = size, Etag = SafeName.IsSha256(etag) || SafeName.IsCommit(etag) ? etag : null };
    }

    private static string? Text(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static long? Number(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
            ? value.TryGetInt64(out var number) && number >= 0 ? number : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"{name} is {value}"))
            : null;
}
