using System.CommandLine;
using Graft.Hub;

namespace Graft.Cli.Commands;

/// <summary><c>graft pull</c>: the only command that fetches anything.</summary>
internal static class PullCommand
{
    private const int MostNamed = 8;

    internal static Command Create()
    {
        var what = new Argument<string>("MODEL_OR_URL") { Description = "A model of the hub, as google/ddpm-cifar10-32 (or owner/name@revision), or the URL of a file." };
        var revision = new Option<string?>("--revision") { Description = "Branch, tag or commit of the model; without it main." };
        var include = new Option<string[]>("--include") { Description = "Pull the files that fit a pattern, in place of json, safetensors and, where there are none, bin.", AllowMultipleArgumentsPerToken = true };
        var exclude = new Option<string[]>("--exclude") { Description = "Leave out the files that fit a pattern.", AllowMultipleArgumentsPerToken = true };
        var sha256 = new Option<string?>("--sha256") { Description = "SHA-256 that the file (of a model: its one weight file) must have." };
        var name = new Option<string?>("--out") { Description = "Name of a URL's file in the cache; without it as in the URL." };
        var stall = new Option<double>("--stall-timeout") { Description = "Seconds without a byte after which a connection is given up and tried again.", DefaultValueFactory = _ => 30 };
        var offline = new Option<bool>("--offline") { Description = "Ask no server: say where it is in the cache (default: no).", DefaultValueFactory = _ => false };
        var force = new Option<bool>("--force") { Description = "Fetch again what is there (default: no).", DefaultValueFactory = _ => false };
        var dryRun = CommonOptions.DryRun();
        var command = new Command("pull", "Fetch a model from the Hugging Face hub, or a file from a URL, into the cache; the path is printed.")
        {
            what, revision, include, exclude, sha256, name, stall, offline, force, dryRun,
        };
        command.SetAction((parsed, token) =>
        {
            var text = parsed.GetRequiredValue(what);
            var hash = parsed.GetValue(sha256)?.ToLowerInvariant();
            if (hash is not null && (hash.Length != 64 || !hash.All(char.IsAsciiHexDigit)))
                throw new InputException("--sha256 is no SHA-256: 64 hexadecimal digits are due.");
            if (!(parsed.GetValue(stall) is > 0 and <= 86400))
                throw new InputException("--stall-timeout must be above 0 and at most 86400 seconds.");
            var settings = HubSettings.FromEnvironment();
            settings = settings with { Offline = settings.Offline || parsed.GetValue(offline) };
            var options = new DownloadOptions { StallTimeout = TimeSpan.FromSeconds(parsed.GetValue(stall)), Logger = Terminal.Logger };
            var (patterns, excluded) = (parsed.GetValue(include) ?? [], parsed.GetValue(exclude) ?? []);
            if (text.Contains("://", StringComparison.Ordinal))
            {
                if (parsed.GetValue(revision) is not null || patterns.Length + excluded.Length > 0)
                    throw new InputException("--revision, --include and --exclude are for models of the hub, not for a URL.");
                var request = new UrlRequest(UrlClient.Parse(text, settings, hash)) { Sha256 = hash, Name = parsed.GetValue(name), Force = parsed.GetValue(force) };
                return Task.FromResult(Url(request, settings, options, parsed.GetValue(dryRun), token));
            }

            if (parsed.GetValue(name) is not null)
                throw new InputException("--out is for URLs: a model of the hub has its place in the cache.");
            var model = HubModelId.Parse(text);
            if (parsed.GetValue(revision) is { } given)
            {
                if (text.Contains('@', StringComparison.Ordinal))
                    throw new InputException($"The revision is given twice, in {text} and by --revision: give it once.");
                model = HubModelId.TryParse($"{model.Id}@{given}")
                    ?? throw new InputException($"--revision '{given}' is no name of a branch, tag or commit.");
            }

            var pull = new HubRequest(model) { Include = patterns, Exclude = excluded, Sha256 = hash, Force = parsed.GetValue(force) };
            return Task.FromResult(Model(pull, settings, options, parsed.GetValue(dryRun), token));
        });
        return command;
    }

    private static int Model(HubRequest request, HubSettings settings, DownloadOptions options, bool dryRun, CancellationToken token)
    {
        if (settings.Offline)
        {
            using var cached = new HubClient(settings);
            Terminal.Result(cached.Cached(request.Model));
            return 0;
        }

        using var asking = new HubClient(settings, options);
        var plan = Wait(asking.PlanAsync(request, token));
        foreach (var reason in plan.LeftOut.GroupBy(l => l.Why))
            Terminal.Note($"left out, {reason.Key}: {Listed([.. reason.Select(l => l.Path)])}");
        if (dryRun)
        {
            foreach (var file in plan.Files)
                Terminal.Result($"{(plan.Missing.Contains(file) ? "fetch  " : "cached ")} {file.Path}  {(file.Size is { } size ? Size(size) : "size unknown")}");
            Terminal.Result($"into    {plan.Folder}");
            return 0;
        }

        if (plan.Missing.Count == 0)
            Terminal.Note($"{request.Model} is in the cache already, at commit {plan.Commit}.");
        var folder = ProgressDisplay.Download("pulling", progress =>
        {
            using var client = new HubClient(settings, options with { Progress = plan.Missing.Count == 0 ? null : progress });
            return Wait(client.PullAsync(request, plan, token));
        });
        Terminal.Result(folder);
        return 0;
    }

    private static int Url(UrlRequest request, HubSettings settings, DownloadOptions options, bool dryRun, CancellationToken token)
    {
        using var asking = new UrlClient(settings);
        if (dryRun)
        {
            Terminal.Result($"{(File.Exists(asking.PathOf(request)) && !request.Force ? "cached " : "fetch  ")} {request.Url.GetLeftPart(UriPartial.Path)}");
            Terminal.Result($"into    {asking.PathOf(request)}");
            return 0;
        }

        var file = ProgressDisplay.Download("pulling", progress =>
        {
            using var client = new UrlClient(settings, options with { Progress = progress });
            return Wait(client.PullAsync(request, token));
        });
        Terminal.Note($"sha256 {file.Sha256}, {Size(file.Size)}{(file.WasThere ? ", in the cache already" : request.Sha256 is null ? " (not checked: --sha256 was not given)" : ", as it should be")}");
        Terminal.Result(file.Path);
        return 0;
    }

    // The display runs its work on the calling thread; a console has no context that this could block.
    private static T Wait<T>(Task<T> task) => task.GetAwaiter().GetResult();

    private static string Listed(List<string> paths) =>
        string.Join(", ", paths.Take(MostNamed).Select(Printable)) + (paths.Count > MostNamed ? $" and {paths.Count - MostNamed} more" : "");

    // Names that are left out are nobody's to check, and a terminal obeys control characters.
    private static string Printable(string path) => string.Concat(path.Select(c => char.IsControl(c) ? '?' : c));

    private static string Size(long bytes) => bytes < 1_000_000
        ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{bytes / 1e3:0.0} kB")
        : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{bytes / 1e6:0.0} MB");
}
