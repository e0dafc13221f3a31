using System.Net;
using System.Net.Http.Headers;
using Microsoft.Extensions.Logging;

namespace Graft.Hub;

/// <summary>What is fetched, and how it is known to be right.</summary>
internal sealed record DownloadRequest(Uri Url, string PartialPath, string FinalPath, string Name)
{
    /// <summary>Bytes that are due; null: what the server says.</summary>
    internal long? Size { get; init; }

    /// <summary>SHA-256 that is due.</summary>
    internal string? Sha256 { get; init; }

    /// <summary>git's SHA-1 that is due.</summary>
    internal string? GitSha1 { get; init; }

    /// <summary>Whether http is as good as https, since the user gave the hash.</summary>
    internal bool PlainAllowed { get; init; }

    /// <summary>Whether what an earlier process left is gone on with.</summary>
    internal bool Resume { get; init; }

    /// <summary>What the server called the content that an earlier process began with: an entity tag or a date.</summary>
    internal string? Validator { get; init; }

    /// <summary>Told what the server calls the content, before its first byte is written.</summary>
    internal Action<string?>? ValidatorChanged { get; init; }

    /// <summary>Looks at the answer before its body is read; throws where it is not what is due.</summary>
    internal Action<WebAnswer>? Check { get; init; }

    /// <summary>Told the number of bytes that are there, and of how many, where that is known.</summary>
    internal Action<long, long?>? Progress { get; init; }

    /// <summary>Whether the content tells by a hash whether it is right.</summary>
    internal bool IsHashed => Sha256 is not null || GitSha1 is not null;
}

/// <summary>What was fetched.</summary>
internal sealed record Downloaded(string Sha256, long Size, string? Validator);

/// <summary>
/// Fetches one file into its partial file, resumes there after every fault, checks length and hash, and renames. A server that does
/// not resume, or whose content changed meanwhile, costs a fresh start, never a mixture.
/// </summary>
internal sealed class Downloader(Web web, RetryPolicy retry, DownloadOptions options)
{
    internal async Task<Downloaded> FetchAsync(DownloadRequest request, CancellationToken cancellationToken)
    {
        // What nothing can tell to be right is not gone on with.
        var resume = request.Resume && (request.IsHashed || request.Validator is not null);
        using var file = PartialFile.Open(request.PartialPath, options, resume && !(new FileInfo(request.PartialPath) is { Exists: true } old && old.Length > request.Size));
        var state = new State(file.Length > 0 ? request.Validator : null);
        try
        {
            while (true)
            {
                await ReceiveAsync(request, file, state, cancellationToken).ConfigureAwait(false);
                if (Fault(request, file) is not { } fault)
                    break;
                if (!file.IsInherited)
                {
                    file.Delete();
                    throw new GraftException(fault);
                }

                // What an earlier process left may have been broken or of another version; what comes now is not.
                options.Logger.LogInformation("{File}: what an earlier pull left does not fit: starting again.", request.Name);
                file.Restart();
                state.Validator = null;
            }
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested)
        {
            throw new DownloadStoppedException(
                state.MustRestart || (state.Validator is null && !request.IsHashed)
                    ? $"Stopped at {DownloadFaults.Size(file.Length)} of {request.Name}; this server cannot go on from there, so the same command begins this file anew."
                    : $"Stopped: {DownloadFaults.Size(file.Length)} of {request.Name} are kept, and the same command goes on from there.",
                e.CancellationToken);
        }

        var sha256 = file.Sha256();
        var size = file.Length;
        file.Finish(request.FinalPath);
        return new Downloaded(sha256, size, state.Validator);
    }

    private static string? Fault(DownloadRequest request, PartialFile file)
    {
        if (request.Size is { } size && size != file.Length)
            return $"{request.Name} should have {size} bytes and came with {file.Length}: it was removed; pull again.";
        if (request.Sha256 is { } sha256 && file.Sha256() is var got && got != sha256)
            return $"{request.Name} came with another SHA-256 than is due ({got} where {sha256} was expected): it was removed; pull again, or check the hash.";
        return request.GitSha1 is { } sha1 && file.GitSha1() != sha1
            ? $"{request.Name} came with another content than the hub names (git's SHA-1 {sha1} was expected): it was removed; pull again."
            : null;
    }

    /// <summary>Receives until the server has no more. Attempts that bring the file forward do not count against the retries.</summary>
    private async Task ReceiveAsync(DownloadRequest request, PartialFile file, State state, CancellationToken cancellationToken)
    {
        var furthest = file.Length;
        for (var done = false; !done;)
        {
            done = await retry.RunAsync($"The download of {request.Name}", async token =>
            {
                try
                {
                    await AttemptAsync(request, file, state, token).ConfigureAwait(false);
                    return true;
                }
                catch (TransientFault e) when (e.RetryAfter is null && file.Length - furthest >= options.ProgressThatCounts)
                {
                    furthest = file.Length;
                    options.Logger.LogInformation("{Fault}: going on from {Size}.", e.Message, DownloadFaults.Size(file.Length));
                    return false;
                }
            }, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task AttemptAsync(DownloadRequest request, PartialFile file, State state, CancellationToken cancellationToken)
    {
        // Without a name for the content or a hash of it, nothing would tell that two halves belong together.
        if (state.MustRestart || (state.Validator is null && !request.IsHashed))
            file.Restart();
        state.MustRestart = false;
        var offset = file.Length;
        if (offset > 0 && offset == request.Size)
            return;
        using var answer = await web.SendAsync(
            HttpMethod.Get, request.Url, message => AskFor(message, offset, state.Validator), request.PlainAllowed, cancellationToken).ConfigureAwait(false);
        var response = answer.Response;
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable && offset > 0)
        {
            // All bytes were there already, or the content is another one now.
            if (response.Content.Headers.ContentRange?.Length == offset && request.Size is null && (state.Validator is null ? request.IsHashed : state.IsSame(response)))
                return;
            state.Restart();
            throw new TransientFault($"{answer.Source.Host} has other bytes than an earlier attempt brought");
        }

        if (!response.IsSuccessStatusCode)
            throw web.Refusal(answer, request.Name);
        request.Check?.Invoke(answer);
        var total = Begin(request, answer, file, state, offset);
        await CopyAsync(request, answer, file, state, total, cancellationToken).ConfigureAwait(false);
    }

    private static void AskFor(HttpRequestMessage message, long offset, string? validator)
    {
        if (offset == 0)
            return;
        message.Headers.Range = new RangeHeaderValue(offset, null);
        if (validator is not null)
            message.Headers.TryAddWithoutValidation("If-Range", validator);
    }

    /// <summary>Compares the answer's promises with what is due, and brings the partial file to where the body begins.</summary>
    /// <returns>The length of the whole content, where it is known.</returns>
    private static long? Begin(DownloadRequest request, WebAnswer answer, PartialFile file, State state, long offset)
    {
        var (response, headers, host) = (answer.Response, answer.Response.Content.Headers, answer.Source.Host);
        long? total;
        switch ((int)response.StatusCode)
        {
            case 200:
                file.Restart();
                state.Begin(response);
                if (Encodings.IsEncoded(response))
                    state.Restart(); // its ranges are not those of the content
                request.ValidatorChanged?.Invoke(state.Validator);
                total = Encodings.IsEncoded(response) ? null : headers.ContentLength;
                break;
            case 206 when offset > 0 && headers.ContentRange is { Unit: "bytes", From: { } from } range && from == offset
                && !Encodings.IsEncoded(response) && (state.Validator is null || state.IsSame(response)):
                total = range.Length;
                if (state.Validator is null)
                    state.Begin(response);
                break;
            case 206:
                state.Restart();
                throw new TransientFault($"{host} sends another part of {request.Name} than was asked for");
            default:
                throw new GraftException($"{host} answers {(int)response.StatusCode} without a content to {request.Name}: check the address.");
        }

        if (total is { } announced && request.Size is { } due && announced != due)
            throw new GraftException($"{host} announces {announced} bytes for {request.Name}, where {due} are due: it may be a login or error page; check the address and pull again.");
        return request.Size ?? total;
    }

    private async Task CopyAsync(DownloadRequest request, WebAnswer answer, PartialFile file, State state, long? total, CancellationToken cancellationToken)
    {
        using var stall = new StallWatch(options, answer.Source.Host, cancellationToken);
        var buffer = new byte[1 << 17];
        try
        {
            using var raw = await answer.Response.Content.ReadAsStreamAsync(stall.Token).ConfigureAwait(false);
            await using var body = Encodings.Decode(raw, answer, request.Name);
            if (total is { } whole && request.Size is null)
                DiskSpace.Check(options, Path.GetDirectoryName(request.PartialPath)!, whole - file.Length);
            request.Progress?.Invoke(file.Length, total);
            for (int read; (read = await body.ReadAsync(buffer, stall.Token).ConfigureAwait(false)) > 0;)
            {
                stall.Reset();
                if (file.Length + read > total)
                {
                    file.Delete();
                    throw new GraftException($"{answer.Source.Host} sends more than the {total} bytes that {request.Name} should have: it was removed; check the address and pull again.");
                }

                file.Append(buffer.AsSpan(0, read));
                request.Progress?.Invoke(file.Length, total);
            }
        }
        catch (OperationCanceledException e)
        {
            throw stall.Fault(e);
        }
        catch (Exception e) when (e is HttpRequestException or InvalidDataException or IOException)
        {
            throw new TransientFault($"{answer.Source.Host} broke off {request.Name} after {DownloadFaults.Size(file.Length)} ({e.Message.TrimEnd('.')})", e);
        }

        if (file.Length < total)
            throw new TransientFault($"{answer.Source.Host} broke off {request.Name} after {file.Length} of {total} bytes");
    }

    /// <summary>What holds from one attempt to the next.</summary>
    private sealed class State(string? validator)
    {
        /// <summary>What the server called the content, fit for If-Range; null: nothing that could be relied on.</summary>
        internal string? Validator { get; set; } = validator;

        /// <summary>Whether the next attempt must not go on from what is there.</summary>
        internal bool MustRestart { get; set; }

        internal void Restart() => (MustRestart, Validator) = (true, null);

        internal void Begin(HttpResponseMessage response) => Validator = Of(response);

        internal bool IsSame(HttpResponseMessage response) => Of(response) is not { } now || now == Validator;

        private static string? Of(HttpResponseMessage response) => response.Headers.ETag is { IsWeak: false } etag
            ? etag.Tag
            : response.Content.Headers.LastModified?.ToString("R", System.Globalization.CultureInfo.InvariantCulture);
    }
}
