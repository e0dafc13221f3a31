using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Graft.Tests.Hub;

/// <summary>What a server was asked.</summary>
internal sealed record Seen(string Method, string Path, string? Authorization, string? Range, string? IfRange);

/// <summary>A web server on this machine that answers as a test wants.</summary>
internal sealed class TestServer : IDisposable
{
    private readonly WebApplication _application;
    private readonly ConcurrentQueue<Seen> _seen = new();
    private readonly ConcurrentDictionary<string, int> _counts = new();

    public TestServer(Func<HttpContext, int, Task> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel(options => options.Listen(IPAddress.Loopback, 0));
        _application = builder.Build();
        _application.Run(async context =>
        {
            var headers = context.Request.Headers;
            _seen.Enqueue(new Seen(context.Request.Method, context.Request.Path, Text(headers.Authorization), Text(headers.Range), Text(headers.IfRange)));
            var number = _counts.AddOrUpdate(context.Request.Method + context.Request.Path, 1, (_, n) => n + 1);
            await answer(context, number);
        });
        _application.StartAsync().Wait();
        Address = new Uri(_application.Urls.Single());
    }

    public Uri Address { get; }

    public Seen[] Requests => [.. _seen];

    /// <summary>The n-th request, from 1, of each path is told its number.</summary>
    public static TestServer Serving(byte[] content, string? etag = "\"one\"", Func<HttpContext, int, Task<bool>>? before = null) => new(async (context, number) =>
    {
        if (before is null || !await before(context, number))
            await SendAsync(context, content, etag);
    });

    public Uri Url(string path) => new(Address, path);

    /// <summary>Answers as a proper server does, with Range and If-Range.</summary>
    public static async Task SendAsync(HttpContext context, byte[] content, string? etag)
    {
        var (request, response) = (context.Request.Headers, context.Response);
        if (etag is not null)
            response.Headers.ETag = etag;
        var first = 0;
        if (Text(request.Range) is { } range && (Text(request.IfRange) is not { } condition || condition == etag))
        {
            first = int.Parse(range["bytes=".Length..^1], CultureInfo.InvariantCulture);
            if (first >= content.Length)
            {
                response.StatusCode = 416;
                response.Headers.ContentRange = $"bytes */{content.Length}";
                return;
            }

            response.StatusCode = 206;
            response.Headers.ContentRange = $"bytes {first}-{content.Length - 1}/{content.Length}";
        }

        response.ContentLength = content.Length - first;
        if (context.Request.Method != "HEAD")
            await response.Body.WriteAsync(content.AsMemory(first));
    }

    /// <summary>Answers with the beginning only, and breaks the connection.</summary>
    public static async Task BreakAsync(HttpContext context, byte[] content, string? etag, int after)
    {
        var first = Text(context.Request.Headers.Range) is { } range ? int.Parse(range["bytes=".Length..^1], CultureInfo.InvariantCulture) : 0;
        if (etag is not null)
            context.Response.Headers.ETag = etag;
        if (first > 0)
        {
            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = $"bytes {first}-{content.Length - 1}/{content.Length}";
        }

        context.Response.ContentLength = content.Length - first;
        await context.Response.Body.WriteAsync(content.AsMemory(first, after));
        await context.Response.Body.FlushAsync();
        await Task.Delay(30); // so that the bytes are on their way before the connection is reset
        context.Abort();
    }

    public void Dispose()
    {
        using var stop = new CancellationTokenSource(TimeSpan.Zero);
        _application.StopAsync(stop.Token).Wait();
        ((IDisposable)_application).Dispose();
    }

    private static string? Text(Microsoft.Extensions.Primitives.StringValues value) => value.Count == 0 ? null : value.ToString();
}
