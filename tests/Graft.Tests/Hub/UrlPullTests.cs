using System.IO.Compression;
using Graft.Hub;

namespace Graft.Tests.Hub;

/// <summary>Files from URLs, over servers and connections that misbehave.</summary>
public sealed class UrlPullTests : IDisposable
{
    private static readonly byte[] Content = FakeHub.Bytes(300_000, 7);
    private readonly PullFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_file_comes_once_and_is_known_afterwards()
    {
        using var server = TestServer.Serving(Content);
        var url = server.Url("weights/My model.pt?signature=secret");
        var file = await _folder.PullAsync(url);
        (await File.ReadAllBytesAsync(file.Path)).ShouldBe(Content);
        file.Sha256.ShouldBe(FakeHub.Sha256(Content));
        file.WasThere.ShouldBeFalse();
        Path.GetFileName(file.Path).ShouldBe("My model.pt");
        Path.GetRelativePath(_folder["graft"], file.Path).ShouldStartWith("downloads/" + FakeHub.Sha256(System.Text.Encoding.UTF8.GetBytes(url.AbsoluteUri))[..16]);
        (await File.ReadAllTextAsync(file.Path + ".graft.json")).ShouldContain(file.Sha256);
        (await File.ReadAllTextAsync(file.Path + ".graft.json")).ShouldNotContain("secret");
        _folder.Files(".incomplete").ShouldBeEmpty();

        (await _folder.PullAsync(url)).ShouldBe(file with { WasThere = true });
        server.Requests.Length.ShouldBe(1);
        (await _folder.PullAsync(url, change: r => r with { Force = true })).WasThere.ShouldBeFalse();
        server.Requests.Length.ShouldBe(2);

        // A file that was touched is hashed again; one that was changed is fetched again.
        File.SetLastWriteTimeUtc(file.Path, new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        (await _folder.PullAsync(url)).WasThere.ShouldBeTrue();
        await File.WriteAllBytesAsync(file.Path, FakeHub.Bytes(300_000, 8));
        (await _folder.PullAsync(url)).WasThere.ShouldBeFalse();
        (await File.ReadAllBytesAsync(file.Path)).ShouldBe(Content);
    }

    [Fact]
    public async Task A_broken_connection_is_gone_on_with()
    {
        using var server = TestServer.Serving(Content, before: async (context, number) =>
        {
            if (number > 3)
                return false;
            await TestServer.BreakAsync(context, Content, "\"one\"", 70_000);
            return true;
        });
        var file = await _folder.PullAsync(server.Url("a.bin"));
        (await File.ReadAllBytesAsync(file.Path)).ShouldBe(Content);
        file.Sha256.ShouldBe(FakeHub.Sha256(Content));
        server.Requests.Length.ShouldBe(4);
        server.Requests[1..].ShouldAllBe(r => r.Range != null && r.IfRange == "\"one\"");
        server.Requests[^1].Range.ShouldNotBe("bytes=0-");
        _folder.Files(".etag").ShouldBeEmpty();
    }

    [Fact]
    public async Task Progress_begins_the_count_of_retries_anew()
    {
        using var server = TestServer.Serving(Content, before: async (context, number) =>
        {
            if (number > 6)
                return false;
            await TestServer.BreakAsync(context, Content, "\"one\"", 40_000);
            return true;
        });
        var file = await _folder.PullAsync(server.Url("a.bin"), _folder.Options with { Retries = 1, ProgressThatCounts = 1000 });
        (await File.ReadAllBytesAsync(file.Path)).ShouldBe(Content);
    }

    [Fact]
    public async Task A_stalled_connection_is_given_up_and_gone_on_with()
    {
        using var server = TestServer.Serving(Content, before: async (context, number) =>
        {
            if (number > 1)
                return false;
            context.Response.Headers.ETag = "\"one\"";
            context.Response.ContentLength = Content.Length;
            await context.Response.Body.WriteAsync(Content.AsMemory(0, 1000));
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        });
        var file = await _folder.PullAsync(server.Url("a.bin"), _folder.Options with { StallTimeout = TimeSpan.FromSeconds(50) });
        (await File.ReadAllBytesAsync(file.Path)).ShouldBe(Content);
        server.Requests[1].Range.ShouldBe("bytes=1000-");
        _folder.Notes.ShouldContain(n => n.Contains("sent nothing for 50 s", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_busy_server_is_waited_for()
    {
        using var server = TestServer.Serving(Content, before: (context, number) =>
        {
            context.Response.StatusCode = number switch { 1 => 500, 2 => 503, 3 => 429, _ => 200 };
            if (number == 3)
                context.Response.Headers.RetryAfter = "77";
            return Task.FromResult(number <= 3);
        });
        (await _folder.PullAsync(server.Url("a.bin"))).Size.ShouldBe(Content.Length);
        server.Requests.Length.ShouldBe(4);
        _folder.Time.Waits.ShouldContain(TimeSpan.FromSeconds(77));
    }

    [Theory]
    [InlineData(503, null, "fails after 4 attempts", 4)]
    [InlineData(429, "90000", "asks to wait 1500 minutes", 1)]
    [InlineData(404, null, "refuses a.bin (404", 1)]
    [InlineData(401, null, "refuses a.bin (401", 1)]
    [InlineData(403, null, "refuses a.bin (403", 1)]
    [InlineData(418, null, "answers 418", 1)]
    [InlineData(204, null, "without a content", 1)]
    public async Task A_refusal_is_one_sentence(int status, string? retryAfter, string message, int requests)
    {
        using var server = new TestServer((context, _) =>
        {
            context.Response.StatusCode = status;
            if (retryAfter is not null)
                context.Response.Headers.RetryAfter = retryAfter;
            return Task.CompletedTask;
        });
        var fault = await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(server.Url("a.bin")));
        fault.Message.ShouldContain(message.Replace("fails", "failed", StringComparison.Ordinal));
        fault.Message.ShouldEndWith(".");
        (fault is InputException).ShouldBe(status is 401 or 403 or 404);
        server.Requests.Length.ShouldBe(requests);
        _folder.Files(".incomplete").ShouldBeEmpty();
    }

    [Fact]
    public async Task Nobody_there_is_one_sentence()
    {
        Uri url;
        using (var server = TestServer.Serving(Content))
            url = server.Url("a.bin");
        (await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(url))).Message.ShouldContain("failed after 4 attempts: 127.0.0.1 cannot be reached");
    }

    [Fact]
    public async Task Redirects_are_followed_but_not_in_circles()
    {
        using var other = TestServer.Serving(Content);
        using var server = new TestServer(async (context, _) =>
        {
            switch (context.Request.Path.Value)
            {
                case "/circle":
                    context.Response.Redirect("/circle");
                    break;
                case "/file":
                    await TestServer.SendAsync(context, Content, null);
                    break;
                case "/scheme":
                    context.Response.Redirect("file:///etc/passwd");
                    break;
                case "/plain":
                    context.Response.Redirect("http://graft.invalid/file");
                    break;
                case "/nowhere":
                    context.Response.StatusCode = 302;
                    break;
                default:
                    context.Response.Redirect(context.Request.Path == "/here" ? "file" : other.Url("x").AbsoluteUri, permanent: true);
                    break;
            }
        });
        (await _folder.PullAsync(server.Url("here"))).Size.ShouldBe(Content.Length);
        (await _folder.PullAsync(server.Url("there"))).Size.ShouldBe(Content.Length);
        (await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(server.Url("circle")))).Message.ShouldContain("in a circle");
        (await Should.ThrowAsync<InputException>(() => _folder.PullAsync(server.Url("scheme")))).Message.ShouldContain("cannot be fetched from");
        (await Should.ThrowAsync<InputException>(() => _folder.PullAsync(server.Url("plain")))).Message.ShouldContain("is not encrypted");
        (await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(server.Url("nowhere")))).Message.ShouldContain("without saying where");
    }

    [Fact]
    public async Task A_length_that_is_never_reached_fails_and_keeps_what_came()
    {
        using var server = new TestServer((context, _) => TestServer.BreakAsync(context, Content, "\"one\"", context.Request.Headers.Range.Count == 0 ? 1000 : 0));
        (await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(server.Url("a.bin")))).Message.ShouldContain("broke off a.bin after 1.0 kB");
        new FileInfo(_folder.Files(".incomplete").ShouldHaveSingleItem()).Length.ShouldBe(1000);
    }

    [Fact]
    public async Task A_content_that_changes_meanwhile_is_never_mixed()
    {
        var changed = FakeHub.Bytes(250_000, 9);
        foreach (var etags in ((string?, string?)[])[("\"one\"", "\"two\""), (null, null), ("W/\"weak\"", "W/\"weak\"")])
        {
            using var server = new TestServer((context, number) => number == 1
                ? TestServer.BreakAsync(context, Content, etags.Item1, 90_000)
                : TestServer.SendAsync(context, changed, etags.Item2));
            var file = await _folder.PullAsync(server.Url("a.bin"));
            (await File.ReadAllBytesAsync(file.Path)).ShouldBe(changed);
            file.Sha256.ShouldBe(FakeHub.Sha256(changed));
        }

        // A server that ignores If-Range shows the change by the tag of its partial answer.
        using var careless = new TestServer(async (context, number) =>
        {
            if (number == 1)
            {
                await TestServer.BreakAsync(context, Content, "\"one\"", 90_000);
                return;
            }

            context.Request.Headers.Remove("If-Range");
            await TestServer.SendAsync(context, changed, "\"two\"");
        });
        (await File.ReadAllBytesAsync((await _folder.PullAsync(careless.Url("a.bin"))).Path)).ShouldBe(changed);
        careless.Requests.Length.ShouldBe(3);
    }

    [Fact]
    public async Task A_server_without_ranges_begins_anew()
    {
        using var server = new TestServer(async (context, number) =>
        {
            if (number == 1)
            {
                await TestServer.BreakAsync(context, Content, "\"one\"", 90_000);
                return;
            }

            context.Request.Headers.Remove("Range");
            await TestServer.SendAsync(context, Content, "\"one\"");
        });
        var file = await _folder.PullAsync(server.Url("a.bin"));
        (await File.ReadAllBytesAsync(file.Path)).ShouldBe(Content);
        file.Sha256.ShouldBe(FakeHub.Sha256(Content));
        server.Requests[1].Range.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_wrong_part_is_not_appended()
    {
        using var server = new TestServer(async (context, number) =>
        {
            if (number == 1)
            {
                await TestServer.BreakAsync(context, Content, "\"one\"", 90_000);
            }
            else if (number == 2)
            {
                context.Response.StatusCode = 206;
                context.Response.Headers.ETag = "\"one\"";
                context.Response.Headers.ContentRange = $"bytes 10-{Content.Length - 1}/{Content.Length}";
                await context.Response.Body.WriteAsync(Content.AsMemory(10));
            }
            else
            {
                await TestServer.SendAsync(context, Content, "\"one\"");
            }
        });
        (await File.ReadAllBytesAsync((await _folder.PullAsync(server.Url("a.bin"))).Path)).ShouldBe(Content);
    }

    [Fact]
    public async Task A_range_beyond_the_end_is_either_the_end_or_a_fresh_start()
    {
        // All bytes came, but the process ended before the file got its name.
        using var server = TestServer.Serving(Content);
        var sha256 = FakeHub.Sha256(Content);
        await PreparePartialAsync(server.Url("a.bin"), Content, "\"one\"");
        (await _folder.PullAsync(server.Url("a.bin"))).Sha256.ShouldBe(sha256);
        server.Requests.ShouldHaveSingleItem().Range.ShouldBe($"bytes={Content.Length}-");

        // More bytes than there are now.
        using var shrunk = TestServer.Serving(Content[..1000]);
        await PreparePartialAsync(shrunk.Url("a.bin"), Content, "\"one\"");
        (await _folder.PullAsync(shrunk.Url("a.bin"))).Size.ShouldBe(1000);
        shrunk.Requests.Length.ShouldBe(2);
    }

    [Fact]
    public async Task A_wrong_hash_removes_what_came_and_leaves_what_was_there()
    {
        using var server = TestServer.Serving(Content);
        var due = FakeHub.Sha256([1]);
        var fault = await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(server.Url("a.bin"), change: r => r with { Sha256 = due }));
        fault.Message.ShouldContain($"{FakeHub.Sha256(Content)} where {due} was expected");
        _folder.Files("a.bin").ShouldBeEmpty();
        _folder.Files(".incomplete").ShouldBeEmpty();
        server.Requests.Length.ShouldBe(1);

        var there = await _folder.PullAsync(server.Url("a.bin"), change: r => r with { Sha256 = FakeHub.Sha256(Content) });
        await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(server.Url("a.bin"), change: r => r with { Sha256 = due }));
        (await _folder.PullAsync(server.Url("a.bin"))).ShouldBe(there with { WasThere = true });

        // What an earlier pull left is not blamed on the server.
        await PreparePartialAsync(server.Url("b.bin"), [1, 2, 3], null);
        (await _folder.PullAsync(server.Url("b.bin"), change: r => r with { Sha256 = FakeHub.Sha256(Content) })).Size.ShouldBe(Content.Length);
        _folder.Notes.ShouldContain(n => n.Contains("starting again", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_encoding_that_was_not_asked_for_is_undone()
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(Content);
        using var server = new TestServer(async (context, number) =>
        {
            context.Request.Headers.AcceptEncoding.ToString().ShouldBe("identity");
            context.Response.Headers.ContentEncoding = context.Request.Path == "/c.bin" ? "rot13" : "gzip";
            if (number == 1 && context.Request.Path == "/b.bin")
                await TestServer.BreakAsync(context, packed.ToArray(), "\"one\"", 9000);
            else
                await TestServer.SendAsync(context, packed.ToArray(), "\"one\"");
        });
        (await File.ReadAllBytesAsync((await _folder.PullAsync(server.Url("a.bin"))).Path)).ShouldBe(Content);
        (await File.ReadAllBytesAsync((await _folder.PullAsync(server.Url("b.bin"))).Path)).ShouldBe(Content);
        (await File.ReadAllBytesAsync((await _folder.PullAsync(server.Url("a.tar.gz"))).Path)).ShouldBe(packed.ToArray());
        (await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(server.Url("c.bin")))).Message.ShouldContain("encoded as rot13");
        server.Requests.ShouldAllBe(r => r.Range == null);
    }

    [Fact]
    public async Task What_cannot_be_written_is_one_sentence()
    {
        using var server = TestServer.Serving(Content);
        (await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(server.Url("a.bin"), _folder.Options with { FreeSpace = _ => 1000 })))
            .Message.ShouldMatch(@"needs 300\.0 kB, but .* has 1\.0 kB free");
        if (File.Exists("/dev/full"))
        {
            var full = _folder.Options with { OpenPartial = _ => new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0) };
            (await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(server.Url("a.bin"), full))).Message.ShouldContain("The disk is full");
        }

        var incomplete = Path.Combine(_folder.Settings().GraftCache, "downloads", Key(server.Url("b.bin")), "b.bin.incomplete");
        Directory.CreateDirectory(incomplete);
        (await Should.ThrowAsync<InputException>(() => _folder.PullAsync(server.Url("b.bin")))).Message.ShouldContain("may not be written to");
        Directory.Delete(incomplete);
        File.CreateSymbolicLink(incomplete, _folder["elsewhere"]);
        (await Should.ThrowAsync<InputException>(() => _folder.PullAsync(server.Url("b.bin")))).Message.ShouldContain("is a link");
        File.Exists(_folder["elsewhere"]).ShouldBeFalse();
    }

    [Fact]
    public async Task A_stop_keeps_what_came_and_another_process_goes_on_from_there()
    {
        using var stop = new CancellationTokenSource();
        using var server = TestServer.Serving(Content, before: async (context, number) =>
        {
            if (number > 1)
                return false;
            context.Response.Headers.ETag = "\"one\"";
            context.Response.ContentLength = Content.Length;
            await context.Response.Body.WriteAsync(Content.AsMemory(0, 100_000));
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        });
        var options = _folder.Options with { Progress = new Watch(p => { if (p.Done == 100_000) stop.Cancel(); }) };
        (await Record.ExceptionAsync(() => _folder.PullAsync(server.Url("a.bin"), options, token: stop.Token)))
            .ShouldBeOfType<DownloadStoppedException>().Message.ShouldBe("Stopped: 100.0 kB of a.bin are kept, and the same command goes on from there.");
        var file = await _folder.PullAsync(server.Url("a.bin"));
        (await File.ReadAllBytesAsync(file.Path)).ShouldBe(Content);
        server.Requests[1].ShouldBe(new Seen("GET", "/a.bin", null, "bytes=100000-", "\"one\""));
    }

    [Fact]
    public async Task Two_pulls_at_once_fetch_once()
    {
        using var server = TestServer.Serving(Content, before: async (_, _) =>
        {
            await Task.Delay(100);
            return false;
        });
        var files = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => _folder.PullAsync(server.Url("a.bin")))));
        files.Select(f => f.Sha256).Distinct().ShouldBe([FakeHub.Sha256(Content)]);
        files.Count(f => !f.WasThere).ShouldBe(1);
        server.Requests.Length.ShouldBe(1);
    }

    [Fact]
    public async Task Offline_gives_what_is_there()
    {
        using var server = TestServer.Serving(Content);
        using var offline = new UrlClient(_folder.Settings() with { Offline = true }, _folder.Options);
        (await Should.ThrowAsync<InputException>(() => offline.PullAsync(new UrlRequest(server.Url("a.bin"))))).Message.ShouldContain("not in the cache");
        server.Requests.ShouldBeEmpty();
        var file = await _folder.PullAsync(server.Url("a.bin"));
        (await offline.PullAsync(new UrlRequest(server.Url("a.bin")))).ShouldBe(file with { WasThere = true });
        server.Requests.Length.ShouldBe(1);
    }

    [Theory]
    [InlineData("http://example.org/a.bin", "is not encrypted")]
    [InlineData("https://user:secret@example.org/a.bin", "cannot be fetched from")]
    [InlineData("ftp://example.org/a.bin", "cannot be fetched from")]
    [InlineData("https://", "is no URL")]
    [InlineData("https://huggingface.co/google/ddpm-cifar10-32", "`graft pull google/ddpm-cifar10-32`")]
    [InlineData("https://huggingface.co/google/ddpm-cifar10-32/blob/main/config.json", "/resolve/")]
    public void Some_urls_are_refused(string url, string message)
    {
        var settings = _folder.Settings(new Uri("https://huggingface.co"));
        var fault = Should.Throw<InputException>(() => UrlClient.Parse(url, settings));
        fault.Message.ShouldContain(message);
        fault.Message.ShouldNotContain("secret");
        UrlClient.Parse("http://example.org/a.bin", settings, FakeHub.Sha256([])).Host.ShouldBe("example.org");
    }

    private async Task PreparePartialAsync(Uri url, byte[] bytes, string? etag)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder.Settings().GraftCache, "downloads", Key(url))).FullName;
        var partial = Path.Combine(folder, Path.GetFileName(url.AbsolutePath) + ".incomplete");
        await File.WriteAllBytesAsync(partial, bytes);
        if (etag is not null)
            await File.WriteAllTextAsync(partial + ".etag", etag);
    }

    private static string Key(Uri url) => FakeHub.Sha256(System.Text.Encoding.UTF8.GetBytes(url.AbsoluteUri))[..16];

    private sealed class Watch(Action<PullProgress> seen) : IProgress<PullProgress>
    {
        public void Report(PullProgress value) => seen(value);
    }
}
