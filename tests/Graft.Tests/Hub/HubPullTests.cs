using System.Text;
using Graft.Hub;
using Graft.Inspection;
using Microsoft.AspNetCore.Http;

namespace Graft.Tests.Hub;

/// <summary>Models from a hub, into the layout that huggingface_hub uses too.</summary>
public sealed class HubPullTests : IDisposable
{
    private const string Weights = "unet/diffusion_pytorch_model.safetensors";
    private readonly PullFolder _folder = new();
    private readonly FakeHub _hub = new();

    public void Dispose()
    {
        _hub.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task The_cache_is_laid_out_as_huggingface_hub_does()
    {
        (await _folder.PullAsync(_hub)).ShouldBe(_folder.Snapshot);
        Directory.GetFiles(_folder.Snapshot, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(_folder.Snapshot, f)).Order().ShouldBe(
            ["model_index.json", "scheduler/scheduler_config.json", "unet/config.json", Weights], ignoreOrder: true);
        var (weights, index) = (_hub.Large[Weights], _hub.Small["model_index.json"]);
        new FileInfo(Path.Combine(_folder.Snapshot, Weights)).LinkTarget.ShouldBe($"../../../blobs/{FakeHub.Sha256(weights)}");
        new FileInfo(Path.Combine(_folder.Snapshot, "model_index.json")).LinkTarget.ShouldBe($"../../blobs/{FakeHub.GitSha1(index)}");
        (await File.ReadAllBytesAsync(Path.Combine(_folder.Snapshot, Weights))).ShouldBe(weights);
        (await File.ReadAllTextAsync(Path.Combine(_folder.Model, "refs", "main"))).ShouldBe(FakeHub.Commit);
        Directory.GetFiles(Path.Combine(_folder.Model, "blobs")).Length.ShouldBe(4);
        Directory.GetFiles(_folder.HubCache, "*.lock", SearchOption.AllDirectories).ShouldAllBe(f => f.StartsWith(Path.Combine(_folder.HubCache, ".locks", "models--owner--name")));

        var before = _hub.Server.Requests.Length;
        (await _folder.PullAsync(_hub)).ShouldBe(_folder.Snapshot);
        _hub.Server.Requests[before..].ShouldHaveSingleItem().Path.ShouldStartWith("/api/");
        (await _folder.PullAsync(_hub, r => r with { Force = true })).ShouldBe(_folder.Snapshot);
        _hub.Content.Requests.Length.ShouldBe(2);
    }

    [Fact]
    public async Task A_plan_says_what_is_left_out_and_writes_nothing()
    {
        using var client = new HubClient(_folder.Settings(_hub.Server.Address), _folder.Options);
        var plan = await client.PlanAsync(new HubRequest(new HubModelId("owner", "name")));
        plan.Missing.Sum(f => f.Size).ShouldBe(_hub.Large[Weights].Length + new[] { "model_index.json", "scheduler/scheduler_config.json", "unet/config.json" }.Sum(f => _hub.Small[f].Length));
        plan.LeftOut.Select(l => l.Path).ShouldBe([".gitattributes", "README.md", "samples/one.png", "unet/diffusion_pytorch_model.bin"]);
        plan.LeftOut[3].Why.ShouldContain("safetensors");
        Directory.Exists(_folder.HubCache).ShouldBeFalse();
    }

    [Fact]
    public async Task A_listing_without_sizes_is_asked_for_file_by_file()
    {
        _hub.TellsBlobs = false;
        await _folder.PullAsync(_hub);
        new FileInfo(Path.Combine(_folder.Snapshot, Weights)).LinkTarget.ShouldEndWith(FakeHub.Sha256(_hub.Large[Weights]));
        _hub.Server.Requests.Count(r => r.Method == "HEAD").ShouldBe(4);
        _hub.Content.Requests.ShouldHaveSingleItem().Method.ShouldBe("GET");
    }

    [Fact]
    public async Task Revisions_are_noted_and_found()
    {
        await _folder.PullAsync(_hub, r => r with { Model = r.Model with { Revision = "refs/pr/1" } });
        (await File.ReadAllTextAsync(Path.Combine(_folder.Model, "refs", "refs", "pr", "1"))).ShouldBe(FakeHub.Commit);
        var settings = _folder.Settings();
        ModelReference.Resolve("owner/name@refs/pr/1", settings).ShouldBe(_folder.Snapshot);
        ModelReference.Resolve("owner/name@" + FakeHub.Commit, settings).ShouldBe(_folder.Snapshot);
        Should.Throw<InputException>(() => ModelReference.Resolve("owner/name", settings)).Message.ShouldContain("`graft pull owner/name`");
        Should.Throw<InputException>(() => ModelReference.Resolve("owner/name@v2", settings)).Message.ShouldContain("`graft pull owner/name --revision v2`");
        (await Should.ThrowAsync<InputException>(() => _folder.PullAsync(_hub, r => r with { Model = r.Model with { Revision = "v2" } }))).Message.ShouldContain("no such revision");
        (await Should.ThrowAsync<InputException>(() => _folder.PullAsync(_hub, r => r with { Model = new HubModelId("owner", "other") }))).Message.ShouldContain("has no owner/other (404)");
    }

    [Fact]
    public async Task A_pulled_model_is_found_by_its_name()
    {
        TinyModel.Save(_folder["tiny"]);
        (_hub.Small["unet/config.json"], _hub.Small["scheduler/scheduler_config.json"], _hub.Large[Weights]) = (
            File.ReadAllBytes(_folder["tiny/unet/config.json"]), File.ReadAllBytes(_folder["tiny/scheduler/scheduler_config.json"]), File.ReadAllBytes(_folder["tiny/" + Weights]));
        await _folder.PullAsync(_hub);
        var settings = _folder.Settings();
        using var pulled = DiffusionModel.Load(ModelReference.Resolve("owner/name", settings));
        using var own = DiffusionModel.Load(_folder["tiny"]);
        pulled.Fingerprint().ShouldBe(own.Fingerprint());
        ModelInspection.Of(ModelReference.Resolve("owner/name", settings)).PictureShape.ShouldBe([1, 8, 8]);

        // What exists is a path, and what cannot be an id is left to whoever opens it.
        ModelReference.Resolve(_folder.Path, settings).ShouldBe(_folder.Path);
        foreach (var path in (string[])["/no/where", "nowhere", "a/b/c", "./a/b", "../a", "a/.."])
            ModelReference.Resolve(path, settings).ShouldBe(path);
        Should.Throw<InputException>(() => DiffusionModel.Load("graft-tests/never-pulled")).Message.ShouldContain("`graft pull graft-tests/never-pulled`");
        Should.Throw<InputException>(() => ModelInspection.Of("graft-tests/never-pulled")).Message.ShouldContain("`graft pull graft-tests/never-pulled`");
    }

    [Fact]
    public async Task Offline_asks_nobody()
    {
        var model = new HubModelId("owner", "name");
        using var offline = new HubClient(_folder.Settings(_hub.Server.Address) with { Offline = true }, _folder.Options);
        Should.Throw<InputException>(() => offline.Cached(model)).Message.ShouldContain("not in the cache");
        (await Should.ThrowAsync<InputException>(() => offline.PlanAsync(new HubRequest(model)))).Message.ShouldStartWith("Offline");
        _hub.Server.Requests.ShouldBeEmpty();
        await _folder.PullAsync(_hub);
        offline.Cached(model).ShouldBe(_folder.Snapshot);
    }

    [Fact]
    public async Task The_token_goes_to_the_hub_and_nowhere_else()
    {
        await _folder.PullAsync(_hub, token: "hf_secret");
        _hub.Server.Requests.ShouldAllBe(r => r.Authorization == "Bearer hf_secret");
        _hub.Content.Requests.ShouldHaveSingleItem().Authorization.ShouldBeNull();
        var before = _hub.Server.Requests.Length;
        await _folder.PullAsync(_hub, r => r with { Force = true });
        _hub.Server.Requests[before..].ShouldAllBe(r => r.Authorization == null);
    }

    [Theory]
    [InlineData(401, null, null, "set HF_TOKEN")]
    [InlineData(401, null, "hf_secret", "the token gives no right")]
    [InlineData(403, "GatedRepo", "hf_secret", "accepted its terms")]
    public async Task A_refusal_says_what_to_do(int status, string? code, string? token, string message)
    {
        _hub.Before = (context, _) =>
        {
            context.Response.StatusCode = status;
            if (code is not null)
                context.Response.Headers["X-Error-Code"] = code;
            return Task.FromResult(true);
        };
        var fault = await Should.ThrowAsync<InputException>(() => _folder.PullAsync(_hub, token: token));
        fault.Message.ShouldContain(message);
        fault.Message.ShouldNotContain("hf_secret");
        _hub.Server.Requests.Length.ShouldBe(1);
    }

    [Fact]
    public async Task Broken_and_inherited_parts_end_whole()
    {
        var weights = _hub.Large[Weights];
        _hub.BeforeContent = async (context, number) =>
        {
            if (number > 1)
                return false;
            await TestServer.BreakAsync(context, weights, "\"one\"", 50_000);
            return true;
        };
        // What another program left: the right beginning of one file, and rubbish for another.
        Directory.CreateDirectory(Path.Combine(_folder.Model, "blobs"));
        await File.WriteAllBytesAsync(Partial(FakeHub.Sha256(weights)), weights[..20_000]);
        await File.WriteAllBytesAsync(Partial(FakeHub.GitSha1(_hub.Small["unet/config.json"])), [1, 2, 3]);
        await _folder.PullAsync(_hub);
        (await File.ReadAllBytesAsync(Path.Combine(_folder.Snapshot, Weights))).ShouldBe(weights);
        (await File.ReadAllBytesAsync(Path.Combine(_folder.Snapshot, "unet/config.json"))).ShouldBe(_hub.Small["unet/config.json"]);
        _hub.Content.Requests[0].Range.ShouldBe("bytes=20000-");
        _folder.Files(".incomplete").ShouldBeEmpty();

        string Partial(string etag) => Path.Combine(_folder.Model, "blobs", etag + ".incomplete");
    }

    [Fact]
    public async Task Wrong_contents_are_removed_and_the_revision_is_not_noted()
    {
        foreach (var (file, wrong, message) in ((string, byte[], string)[])
            [("unet/config.json", Encoding.UTF8.GetBytes("{\"sample_size\": 9}"), "another content"), (Weights, FakeHub.Bytes(200_000, 5), "another SHA-256"), (Weights, FakeHub.Bytes(100, 5), "announces 100 bytes")])
        {
            _hub.BeforeContent = (context, _) => Answer(context, file == Weights);
            _hub.Before = (context, _) => Answer(context, context.Request.Path.Value!.EndsWith(file, StringComparison.Ordinal) && file != Weights);

            async Task<bool> Answer(HttpContext context, bool isIt)
            {
                if (isIt)
                    await TestServer.SendAsync(context, wrong, null);
                return isIt;
            }

            (await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(_hub))).Message.ShouldContain(message);
            Directory.Exists(Path.Combine(_folder.Model, "refs")).ShouldBeFalse();
            _folder.Files(".incomplete").ShouldBeEmpty();
        }
    }

    [Fact]
    public async Task More_bytes_than_the_hub_says_are_removed()
    {
        _hub.BeforeContent = async (context, _) =>
        {
            await context.Response.Body.WriteAsync(FakeHub.Bytes(200_001, 1)); // chunked: no length is announced
            return true;
        };
        (await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(_hub))).Message.ShouldContain("sends more than the 200000 bytes");
        _folder.Files(".incomplete").ShouldBeEmpty();
    }

    [Fact]
    public async Task The_hub_must_agree_with_itself()
    {
        _hub.Before = (context, _) =>
        {
            if (context.Request.Path.Value!.Contains("/resolve/", StringComparison.Ordinal))
                context.Response.OnStarting(() =>
                {
                    context.Response.Headers["X-Repo-Commit"] = new string('a', 40);
                    return Task.CompletedTask;
                });
            return Task.FromResult(false);
        };
        (await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(_hub))).Message.ShouldContain("another commit");
        _hub.Before = null;
        _hub.Edit = json => json["siblings"]!.AsArray().Single(s => (string)s!["rfilename"]! == "unet/config.json")!["blobId"] = new string('b', 40);
        (await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(_hub))).Message.ShouldContain("in its listing");
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("<html>login</html>")]
    [InlineData("{\"sha\": \"main\", \"siblings\": []}")]
    [InlineData("{\"sha\": \"../../../../etc\", \"siblings\": []}")]
    [InlineData("{\"siblings\": []}")]
    [InlineData("{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [{}]}")]
    [InlineData("{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [{\"rfilename\": \"a.json\", \"size\": -1}]}")]
    public async Task A_listing_that_is_none_is_one_sentence(string text)
    {
        _hub.Before = async (context, _) =>
        {
            await context.Response.WriteAsync(text);
            return true;
        };
        (await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(_hub))).Message.ShouldContain("something else than a listing");
        Directory.Exists(_folder.HubCache).ShouldBeFalse();
    }

    [Fact]
    public async Task Two_pulls_at_once_fetch_once()
    {
        _hub.BeforeContent = async (_, _) =>
        {
            await Task.Delay(100);
            return false;
        };
        var folders = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(() => _folder.PullAsync(_hub))));
        folders.ShouldAllBe(f => f == _folder.Snapshot);
        _hub.Content.Requests.Length.ShouldBe(1);
    }

    [Fact]
    public async Task Without_links_there_are_plain_files()
    {
        _hub.Small["a.json"] = _hub.Small["model_index.json"]; // the same content twice
        for (var i = 0; i < 2; i++)
        {
            var request = new HubRequest(new HubModelId("owner", "name"));
            using var client = new HubClient(_folder.Settings(_hub.Server.Address), _folder.Options) { TryLink = (_, _) => false };
            await client.PullAsync(request, await client.PlanAsync(request));
            foreach (var file in (string[])["a.json", "model_index.json", Weights])
                new FileInfo(Path.Combine(_folder.Snapshot, file)).ShouldSatisfyAllConditions(f => f.Exists.ShouldBeTrue(), f => f.LinkTarget.ShouldBeNull());
        }

        _hub.Content.Requests.Length.ShouldBe(1);
        Directory.GetFiles(Path.Combine(_folder.Model, "blobs")).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_given_hash_is_that_of_the_one_weight_file()
    {
        var sha256 = FakeHub.Sha256(_hub.Large[Weights]);
        (await _folder.PullAsync(_hub, r => r with { Sha256 = sha256 })).ShouldBe(_folder.Snapshot);
        (await Should.ThrowAsync<InputException>(() => _folder.PullAsync(_hub, r => r with { Sha256 = new string('0', 64) }))).Message.ShouldContain($"has the SHA-256 {sha256}");
        (await Should.ThrowAsync<InputException>(() => _folder.PullAsync(_hub, r => r with { Sha256 = sha256, Include = ["*.json"] }))).Message.ShouldContain("0 would be pulled");
    }

    [Fact]
    public async Task Space_is_asked_for_before_the_first_byte()
    {
        (await Should.ThrowAsync<GraftException>(() => _folder.PullAsync(_hub, options: _folder.Options with { FreeSpace = _ => 100_000 }))).Message.ShouldContain("needs 200.0 kB");
        _hub.Server.Requests.ShouldAllBe(r => r.Path.StartsWith("/api/"));
    }

    [Fact]
    public async Task A_plain_hub_elsewhere_is_refused()
    {
        using var client = new HubClient(_folder.Settings(new Uri("http://hub.invalid")), _folder.Options);
        (await Should.ThrowAsync<InputException>(() => client.PlanAsync(new HubRequest(new HubModelId("owner", "name"))))).Message.ShouldContain("is not encrypted");
    }
}
