using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Graft.Tests.Hub;

/// <summary>A hub with one model, and the content server that it sends people to for large files.</summary>
internal sealed class FakeHub : IDisposable
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    public FakeHub()
    {
        Content = new TestServer(async (context, number) =>
        {
            if (BeforeContent is not null && await BeforeContent(context, number))
                return;
            await TestServer.SendAsync(context, Large.Values.Single(c => Sha256(c) == context.Request.Path.Value![1..]), "\"" + context.Request.Path.Value![1..8] + "\"");
        });
        Server = new TestServer(AnswerAsync);
    }

    public TestServer Server { get; }

    public TestServer Content { get; }

    /// <summary>Files under git itself.</summary>
    public Dictionary<string, byte[]> Small { get; } = new()
    {
        ["README.md"] = Encoding.UTF8.GetBytes("# a model"),
        [".gitattributes"] = Encoding.UTF8.GetBytes("*.bin lfs"),
        ["model_index.json"] = Encoding.UTF8.GetBytes("{}"),
        ["scheduler/scheduler_config.json"] = Encoding.UTF8.GetBytes("{\"num_train_timesteps\": 10}"),
        ["unet/config.json"] = Encoding.UTF8.GetBytes("{\"sample_size\": 8}"),
    };

    /// <summary>Files under git-LFS.</summary>
    public Dictionary<string, byte[]> Large { get; } = new()
    {
        ["unet/diffusion_pytorch_model.safetensors"] = Bytes(200_000, 1),
        ["unet/diffusion_pytorch_model.bin"] = Bytes(3000, 2),
        ["samples/one.png"] = Bytes(1000, 3),
    };

    /// <summary>Whether the listing tells sizes and hashes.</summary>
    public bool TellsBlobs { get; set; } = true;

    /// <summary>What the hub answers first; true: that was all.</summary>
    public Func<HttpContext, int, Task<bool>>? Before { get; set; }

    public Func<HttpContext, int, Task<bool>>? BeforeContent { get; set; }

    /// <summary>Changes the listing.</summary>
    public Action<JsonObject>? Edit { get; set; }

    public static byte[] Bytes(int count, byte seed)
    {
        var bytes = new byte[count];
        var state = (uint)seed;
        foreach (ref var b in bytes.AsSpan())
            b = (byte)((state = (state * 1664525) + 1013904223) >> 24);
        return bytes;
    }

    public static string Sha256(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

#pragma warning disable CA5350 // git names contents so
    public static string GitSha1(byte[] bytes) => Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {bytes.Length}\0"), .. bytes]));
#pragma warning restore CA5350

    public void Dispose()
    {
        Server.Dispose();
        Content.Dispose();
    }

    private async Task AnswerAsync(HttpContext context, int number)
    {
        if (Before is not null && await Before(context, number))
            return;
        var path = context.Request.Path.Value!;
        if (path == "/api/models/owner/name/revision/main" || path == $"/api/models/owner/name/revision/{Commit}" || path == "/api/models/owner/name/revision/refs%2Fpr%2F1")
        {
            await context.Response.WriteAsync(Listing().ToJsonString());
            return;
        }

        const string Resolve = $"/owner/name/resolve/{Commit}/";
        if (path.StartsWith(Resolve, StringComparison.Ordinal) && (Small.ContainsKey(path[Resolve.Length..]) || Large.ContainsKey(path[Resolve.Length..])))
        {
            var file = path[Resolve.Length..];
            context.Response.Headers["X-Repo-Commit"] = Commit;
            if (Small.TryGetValue(file, out var small))
            {
                await TestServer.SendAsync(context, small, $"\"{GitSha1(small)}\"");
                return;
            }

            context.Response.Headers["X-Linked-Etag"] = $"\"{Sha256(Large[file])}\"";
            context.Response.Headers["X-Linked-Size"] = $"{Large[file].Length}";
            context.Response.Redirect(Content.Url(Sha256(Large[file])).AbsoluteUri);
            return;
        }

        context.Response.StatusCode = 404;
        context.Response.Headers["X-Error-Code"] = path.StartsWith("/api/models/owner/name/", StringComparison.Ordinal) ? "RevisionNotFound" : "RepoNotFound";
    }

    private JsonObject Listing()
    {
        var siblings = new JsonArray();
        foreach (var (path, bytes) in Small)
            siblings.Add(Tell(path, new JsonObject { ["blobId"] = GitSha1(bytes), ["size"] = bytes.Length }));
        foreach (var (path, bytes) in Large)
        {
            siblings.Add(Tell(path, new JsonObject
            {
                ["blobId"] = new string('e', 40),
                ["size"] = bytes.Length,
                ["lfs"] = new JsonObject { ["sha256"] = Sha256(bytes), ["size"] = bytes.Length, ["pointerSize"] = 130 },
            }));
        }

        var listing = new JsonObject { ["id"] = "owner/name", ["sha"] = Commit, ["siblings"] = siblings };
        Edit?.Invoke(listing);
        return listing;
    }

    private JsonObject Tell(string path, JsonObject about)
    {
        var item = TellsBlobs ? about : [];
        item["rfilename"] = path;
        return item;
    }
}
