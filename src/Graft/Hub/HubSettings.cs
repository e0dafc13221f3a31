using System.Globalization;

namespace Graft.Hub;

/// <summary>Where the caches are, which hub is asked, and as whom.</summary>
public sealed record HubSettings
{
    /// <summary>The hub.</summary>
    public Uri Endpoint { get; init; } = new("https://huggingface.co");

    /// <summary>The hub's cache, shared with huggingface_hub: holds <c>models--owner--name</c> folders.</summary>
    public required string HubCache { get; init; }

    /// <summary>The cache of plain URLs: holds <c>downloads</c>.</summary>
    public required string GraftCache { get; init; }

    /// <summary>The access token; null: none. It is sent to <see cref="Endpoint"/> and to no other host.</summary>
    public string? Token { get; init; }

    /// <summary>Nothing is asked of any server.</summary>
    public bool Offline { get; init; }

    /// <summary>
    /// What the environment says: <c>HF_ENDPOINT</c>, <c>HF_HUB_CACHE</c> (or <c>HUGGINGFACE_HUB_CACHE</c>), <c>HF_HOME</c>,
    /// <c>XDG_CACHE_HOME</c>, <c>GRAFT_CACHE</c>, <c>HF_TOKEN</c> (or the file <c>HF_TOKEN_PATH</c>, by default <c>$HF_HOME/token</c>),
    /// <c>HF_HUB_OFFLINE</c>.
    /// </summary>
    /// <param name="environment">Tells variables; null: those of the process.</param>
    /// <exception cref="InputException">One of them cannot be used.</exception>
    public static HubSettings FromEnvironment(Func<string, string?>? environment = null)
    {
        var read = environment ?? Environment.GetEnvironmentVariable;
        var home = Value("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify);
        var cache = Folder("XDG_CACHE_HOME") ?? Path.Combine(home, ".cache");
        var hubHome = Folder("HF_HOME") ?? Path.Combine(cache, "huggingface");
        var endpoint = Value("HF_ENDPOINT") ?? "https://huggingface.co";
        if (!Uri.TryCreate(endpoint.TrimEnd('/'), UriKind.Absolute, out var uri) || uri.Scheme is not ("https" or "http") || uri.UserInfo.Length > 0 || uri.Query.Length > 0)
            throw new InputException($"HF_ENDPOINT is '{endpoint}', which is no address of a hub: https://huggingface.co is the usual one.");
        return new HubSettings
        {
            Endpoint = uri,
            HubCache = Folder("HF_HUB_CACHE") ?? Folder("HUGGINGFACE_HUB_CACHE") ?? Path.GetFullPath(Path.Combine(hubHome, "hub")),
            GraftCache = Folder("GRAFT_CACHE") ?? Path.GetFullPath(Path.Combine(cache, "graft")),
            Token = Checked(Value("HF_TOKEN") ?? Value("HUGGING_FACE_HUB_TOKEN") ?? FromFile(Folder("HF_TOKEN_PATH") ?? Path.Combine(hubHome, "token"))),
            Offline = Value("HF_HUB_OFFLINE")?.ToUpper(CultureInfo.InvariantCulture) is "1" or "ON" or "YES" or "TRUE",
        };

        string? Value(string name) => read(name)?.Trim() is { Length: > 0 } value ? value : null;

        string? Folder(string name) => Value(name) switch
        {
            null => null,
            "~" => home,
            ['~', '/', .. var rest] => Path.Combine(home, rest),
            var path => Path.GetFullPath(path),
        };
    }

    private static string? FromFile(string path)
    {
        try
        {
            return File.Exists(path) && File.ReadAllText(path).Trim() is { Length: > 0 } token ? token : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // as if there were none: public models need none
        }
    }

    private static string? Checked(string? token) => token is null || token.All(c => c is > ' ' and < (char)127)
        ? token
        : throw new InputException("The hub's token holds characters that no token has: check HF_TOKEN, or the file that `hf auth login` writes.");
}
