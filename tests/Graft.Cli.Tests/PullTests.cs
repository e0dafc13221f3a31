using Graft.Tests.Hub;

namespace Graft.Tests.Cli;

/// <summary><c>graft pull</c> as a process: exit codes, and what goes to which stream.</summary>
public sealed class PullTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();
    private readonly FakeHub _hub = new();

    public void Dispose()
    {
        _hub.Dispose();
        _temporary.Dispose();
    }

    [Fact]
    public void A_model_is_pulled_sampled_by_name_and_found_offline()
    {
        TinyModel.Save(_temporary["tiny"]);
        foreach (var file in (string[])["unet/config.json", "scheduler/scheduler_config.json", "model_index.json"])
            _hub.Small[file] = File.ReadAllBytes(_temporary["tiny/" + file]);
        _hub.Large["unet/diffusion_pytorch_model.safetensors"] = File.ReadAllBytes(_temporary["tiny/unet/diffusion_pytorch_model.safetensors"]);

        var (code, output, errors) = Run("pull", "owner/name", "--dry-run");
        code.ShouldBe(0, string.Join('\n', errors));
        output.ShouldContain("fetch   unet/config.json");
        Directory.Exists(_temporary["cache/hub"]).ShouldBeFalse();

        (code, output, errors) = Run("pull", "owner/name", "--offline");
        code.ShouldBe(2);
        output.ShouldBeEmpty();
        errors.ShouldHaveSingleItem().ShouldStartWith("error: Offline: owner/name is not in the cache");

        (code, output, errors) = Run("pull", "owner/name");
        code.ShouldBe(0, string.Join('\n', errors));
        var snapshot = _temporary[$"cache/hub/models--owner--name/snapshots/{FakeHub.Commit}"];
        output.ShouldBe(snapshot + "\n");
        errors.ShouldContain(l => l.StartsWith("left out, the same weights are there as safetensors: unet/diffusion_pytorch_model.bin", StringComparison.Ordinal));
        errors.ShouldContain(l => l.StartsWith("pulling ", StringComparison.Ordinal) && l.Contains("MB/s", StringComparison.Ordinal));

        Run("pull", "owner/name", "--offline").Output.ShouldBe(snapshot + "\n");
        Run("inspect", "owner/name").Output.ShouldContain("UNet2DModel");
        (code, _, errors) = Run("sample", "owner/name", "-n", "1", "--steps", "1", "--out", _temporary["pictures"], "--device", "cpu");
        code.ShouldBe(0, string.Join('\n', errors));

        (code, output, errors) = Run("sample", "owner/other", "--out", _temporary["pictures"]);
        code.ShouldBe(2);
        output.ShouldBeEmpty();
        errors[^1].ShouldContain("fetch it with `graft pull owner/other`");
    }

    [Fact]
    public void A_url_is_pulled_checked_and_refused()
    {
        var url = _hub.Content.Url(FakeHub.Sha256(_hub.Large["samples/one.png"])).AbsoluteUri;
        var sha256 = FakeHub.Sha256(_hub.Large["samples/one.png"]);
        var (code, output, errors) = Run("pull", url, "--out", "one.png", "--sha256", sha256.ToUpperInvariant());
        code.ShouldBe(0, string.Join('\n', errors));
        File.ReadAllBytes(output.TrimEnd()).ShouldBe(_hub.Large["samples/one.png"]);
        output.ShouldEndWith("/one.png\n");
        errors[^1].ShouldBe($"sha256 {sha256}, 1.0 kB, as it should be");

        (code, output, errors) = Run("pull", url, "--sha256", new string('0', 64));
        code.ShouldBe(1);
        output.ShouldBeEmpty();
        errors[^1].ShouldContain("another SHA-256");

        foreach (var (arguments, message) in ((string[], string)[])
        [
            (["http://example.org/a"], "is not encrypted"),
            (["../name"], "neither a URL nor a model"),
            (["owner/name", "--revision", "../x"], "--revision '../x'"),
            (["owner/name", "--revision", "nope"], "no such revision"),
            ([url, "--out", "../x"], "no plain file name"),
        ])
        {
            (code, output, errors) = Run(["pull", .. arguments]);
            code.ShouldBe(2, string.Join('\n', errors));
            output.ShouldBeEmpty();
            errors.ShouldHaveSingleItem().ShouldContain(message);
        }
    }

    [Fact]
    public void Ctrl_C_keeps_what_came_and_the_same_command_goes_on()
    {
        var weights = _hub.Large["unet/diffusion_pytorch_model.safetensors"];
        _hub.BeforeContent = async (context, number) =>
        {
            if (number > 1)
                return false;
            context.Response.ContentLength = weights.Length;
            await context.Response.Body.WriteAsync(weights.AsMemory(0, 100_000));
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };
        using (var stopped = Start("pull", "owner/name"))
        {
            // More than the stream's buffer came, so the file shows it.
            stopped.WaitUntil(() => Directory.Exists(_temporary["cache"]) && Directory.GetFiles(_temporary["cache"], "*.incomplete", SearchOption.AllDirectories).Any(f => new FileInfo(f).Length > 60_000));
            stopped.Signal("INT");
            var (code, output, errors) = stopped.Finish();
            code.ShouldBe(130, string.Join('\n', errors));
            output.ShouldBeEmpty();
            errors[^1].ShouldContain("are kept, and the same command goes on from there.");
        }

        Run("pull", "owner/name").Code.ShouldBe(0);
        _hub.Content.Requests[^1].Range.ShouldNotBeNull();
    }

    private (int Code, string Output, string[] Errors) Run(params string[] arguments)
    {
        using var program = Start(arguments);
        return program.Finish();
    }

    private GraftProgram Start(params string[] arguments) => GraftProgram.Start(
        new Dictionary<string, string?>
        {
            ["HF_HOME"] = _temporary["cache"], ["GRAFT_CACHE"] = _temporary["downloads"], ["HF_ENDPOINT"] = _hub.Server.Address.AbsoluteUri,
            ["HF_TOKEN"] = null, ["HF_HUB_OFFLINE"] = null, ["HF_HUB_CACHE"] = null, ["HUGGINGFACE_HUB_CACHE"] = null,
        },
        arguments);
}
