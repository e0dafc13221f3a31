using FsCheck;
using FsCheck.Fluent;
using Graft.Hub;

namespace Graft.Tests.Hub;

/// <summary>No name from outside leads out of the cache.</summary>
public sealed class HostileNameTests : IDisposable
{
    private static readonly string[] Pieces =
        ["..", ".", "/", "//", "\\", "a", "unet", "config.json", "C:", "NUL", "con.txt", "\0", "\n", " ", "~", "%2e%2e", "models--x--y", "refs", "blobs", "*", "é", "\ud800", "\u202e", "@", ".incomplete", "--", "-", "\"", "W/"];

    // Names made of what is dangerous, glued together, and now and then anything at all.
    private static readonly Arbitrary<string> Names = Arb.From(Gen.Frequency(
        (4, Gen.ArrayOf(Gen.Elements(Pieces)).Select(string.Concat)),
        (1, ArbMap.Default.GeneratorFor<string>().Select(s => s ?? ""))));

    private readonly PullFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Checked_paths_stay_inside()
    {
        var root = Path.Combine(_folder.Path, "root");
        var (accepted, refused) = (0, 0);
        Prop.ForAll(Names, name =>
        {
            string path;
            try
            {
                path = new SafeFolder(root).PathOf(name);
            }
            catch (InputException)
            {
                refused++;
                return true;
            }

            accepted++;
            var relative = Path.GetRelativePath(root, Path.GetFullPath(path));
            return relative != "." && relative == name && !Path.IsPathRooted(relative) && !relative.Split('/', '\\').Contains("..") && !name.Any(char.IsControl);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));
        accepted.ShouldBeGreaterThan(20);
        refused.ShouldBeGreaterThan(300);
    }

    [Fact]
    public void Accepted_ids_revisions_tags_and_file_names_are_plain()
    {
        Prop.ForAll(Names, name =>
        {
            if (HubModelId.TryParse(name) is { } id)
            {
                Plain(id.Owner).ShouldBeTrue(name);
                Plain(id.Name).ShouldBeTrue(name);
                id.Revision.Split('/').All(Plain).ShouldBeTrue(name);
            }

            if (Try(() => SafeName.Etag(name)) is { } etag)
                Plain(etag).ShouldBeTrue(name);
            if (Try(() => SafeName.FromUser(name, "--out")) is { } file)
                Plain(file).ShouldBeTrue(name);
            Plain(SafeName.FromUrl(new Uri("https://example.org/" + Uri.EscapeDataString(name.Replace('\ud800', '?'))))).ShouldBeTrue(name);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

        static bool Plain(string name) => name.Length is > 0 and <= 255 && name is not ("." or "..") && name.IndexOfAny(['/', '\\', '\0', ':']) < 0 && !name.Any(char.IsControl);

        static string? Try(Func<string> make)
        {
            try
            {
                return make();
            }
            catch (InputException)
            {
                return null;
            }
        }
    }

    [Theory]
    [InlineData("google/ddpm-cifar10-32", true)]
    [InlineData("CompVis/ldm_text2im.v1", true)]
    [InlineData("a/b@refs/pr/12", true)]
    [InlineData("a/b@0123456789abcdef0123456789abcdef01234567", true)]
    [InlineData("gpt2", false)]
    [InlineData("a/b/c", false)]
    [InlineData("a//b", false)]
    [InlineData("../b", false)]
    [InlineData("a/..", false)]
    [InlineData("a/.b", false)]
    [InlineData("a--b/c", false)]
    [InlineData("a/b@../../x", false)]
    [InlineData("a/b@", false)]
    [InlineData("a/b@/x", false)]
    [InlineData("a/b@x@y", false)]
    [InlineData("a/b\n", false)]
    [InlineData("a\\b/c", false)]
    [InlineData("", false)]
    public void Ids_are_those_of_the_hub(string text, bool valid) => (HubModelId.TryParse(text) is not null).ShouldBe(valid);

    [Theory]
    [InlineData("https://x.org/a/model.safetensors?download=true", "model.safetensors")]
    [InlineData("https://x.org/", "download")]
    [InlineData("https://x.org/a/..%2f..%2fetc%2fpasswd", "etc_passwd")]
    [InlineData("https://x.org/.bashrc", "bashrc")]
    [InlineData("https://x.org/NUL.txt", "_NUL.txt")]
    [InlineData("https://x.org/C:%5Cwindows", "C__windows")]
    [InlineData("https://x.org/a.incomplete", "a.incomplete_")]
    [InlineData("https://x.org/a%00b", "a_b")]
    public void Names_from_urls_are_made_plain(string url, string name) => SafeName.FromUrl(new Uri(url)).ShouldBe(name);

    [Theory]
    [InlineData("../../evil.json")]
    [InlineData("/etc/evil.json")]
    [InlineData("unet/../../../evil.json")]
    [InlineData("..\\evil.json")]
    [InlineData("C:evil.json")]
    [InlineData("a\0b.json")]
    [InlineData("unet//evil.json")]
    [InlineData("unet/nul.json")]
    [InlineData("./evil.json")]
    [InlineData("unet/config.json/evil.json")]
    public async Task A_listing_cannot_name_a_file_outside(string name)
    {
        using var hub = new FakeHub();
        hub.Edit = json => json["siblings"]!.AsArray().Add(new System.Text.Json.Nodes.JsonObject
        {
            ["rfilename"] = name, ["size"] = 2, ["blobId"] = FakeHub.GitSha1(hub.Small["model_index.json"]),
        });
        (await Should.ThrowAsync<InputException>(() => _folder.PullAsync(hub))).Message.ShouldContain("nothing was written");
        Directory.EnumerateFileSystemEntries(_folder.Path).ShouldBeEmpty();
        await _folder.PullAsync(hub, r => r with { Exclude = ["*evil*", "*nul*", "a*b.json"] }); // left alone, it does no harm
        Directory.GetFiles(_folder.Snapshot, "*", SearchOption.AllDirectories).Length.ShouldBe(4);
    }

    [Theory]
    [InlineData("\"../../../evil\"")]
    [InlineData("\"/evil\"")]
    [InlineData("\"..\"")]
    [InlineData("\"a\\\\b\"")]
    [InlineData("\"evil.incomplete\"")]
    public async Task An_entity_tag_cannot_name_a_file_outside(string etag)
    {
        using var hub = new FakeHub { TellsBlobs = false };
        hub.Before = (context, _) =>
        {
            context.Response.Headers["X-Linked-Etag"] = etag;
            return Task.FromResult(context.Request.Method == "HEAD");
        };
        (await Should.ThrowAsync<InputException>(() => _folder.PullAsync(hub))).Message.ShouldContain("cannot be a file's name");
        Directory.EnumerateFileSystemEntries(_folder.Path).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("models--owner--name")]
    [InlineData("models--owner--name/snapshots")]
    [InlineData("models--owner--name/snapshots/" + FakeHub.Commit)]
    [InlineData("models--owner--name/snapshots/" + FakeHub.Commit + "/unet")]
    [InlineData("models--owner--name/blobs")]
    [InlineData("models--owner--name/refs")]
    public async Task A_link_in_the_cache_is_not_followed_out_of_it(string place)
    {
        var outside = Directory.CreateDirectory(_folder["outside"]).FullName;
        var link = Path.Combine(_folder.HubCache, place);
        Directory.CreateDirectory(Path.GetDirectoryName(link)!);
        Directory.CreateSymbolicLink(link, outside);
        using var hub = new FakeHub();
        (await Should.ThrowAsync<InputException>(() => _folder.PullAsync(hub))).Message.ShouldContain("is a link");
        Directory.EnumerateFileSystemEntries(outside).ShouldBeEmpty();
    }

    [Fact]
    public async Task Links_in_place_of_files_are_replaced_or_refused()
    {
        using var hub = new FakeHub();
        var victim = _folder["victim"];
        await File.WriteAllTextAsync(victim, "mine");
        Directory.CreateDirectory(Path.Combine(_folder.Snapshot, "unet"));
        File.CreateSymbolicLink(Path.Combine(_folder.Snapshot, "unet", "config.json"), victim);
        Directory.CreateDirectory(Path.Combine(_folder.Model, "refs"));
        await File.WriteAllTextAsync(Path.Combine(_folder.Model, "refs", "main"), "../../../victim");
        (await Should.ThrowAsync<InputException>(() => _folder.PullAsync(hub))).Message.ShouldContain("does not hold a commit");
        Should.Throw<InputException>(() => ModelReference.Resolve("owner/name", _folder.Settings())).Message.ShouldContain("does not hold a commit");
        File.Delete(Path.Combine(_folder.Model, "refs", "main"));
        await _folder.PullAsync(hub);
        (await File.ReadAllTextAsync(victim)).ShouldBe("mine");
        (await File.ReadAllBytesAsync(Path.Combine(_folder.Snapshot, "unet", "config.json"))).ShouldBe(hub.Small["unet/config.json"]);

        var partial = Path.Combine(_folder.Model, "blobs", FakeHub.GitSha1(hub.Small["model_index.json"]) + ".incomplete");
        File.CreateSymbolicLink(partial, victim);
        (await Should.ThrowAsync<InputException>(() => _folder.PullAsync(hub, r => r with { Force = true }))).Message.ShouldContain("is a link");
        (await File.ReadAllTextAsync(victim)).ShouldBe("mine");
    }
}
