using System.Security.Cryptography;
using System.Text.Json.Nodes;

using Graft.Diffusion;
namespace Graft.Tests.Cli;

/// <summary>Whole runs: killed, interrupted, resumed, sampled from.</summary>
public sealed class RunTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_killed_run_goes_on_to_the_same_bits_and_can_be_sampled_from()
    {
        TinyModel.Save(_temporary["model"], TinyModel.Network with { Dropout = 0.1 }, new ScheduleOptions { NumTrainTimesteps = 50 });
        GraftProgram.Run(Adapt("whole", 160)).Code.ShouldBe(0);
        using (var killed = GraftProgram.Start(Adapt("broken", 160)))
        {
            killed.WaitUntil(() => Directory.Exists(_temporary["broken/checkpoint-0000040"]));
            killed.Kill();
            killed.Finish().Code.ShouldNotBe(0);
        }

        File.Exists(_temporary["broken/model_index.json"]).ShouldBeFalse();
        var (code, output, _) = GraftProgram.Run([.. Adapt("broken", 160), "--resume"]);
        code.ShouldBe(0);
        output.ShouldContain("The adapted model is in");
        foreach (var file in (string[])
            ["unet/diffusion_pytorch_model.safetensors", "checkpoint-0000160/unet/diffusion_pytorch_model.safetensors", "checkpoint-0000160/trainer_state.safetensors"])
        {
            Hash("broken", file).ShouldBe(Hash("whole", file), file);
        }

        Directory.GetDirectories(_temporary["broken"], ".*").ShouldBeEmpty();
        (code, output, _) = GraftProgram.Run("sample", _temporary["broken"], "-n", "3", "--steps", "2", "--seed", "4", "--out", _temporary["pictures"]);
        code.ShouldBe(0);
        output.ShouldContain("3 pictures are in");
        Directory.GetFiles(_temporary["pictures"]).Select(Path.GetFileName).Order().ShouldBe(["00000.png", "00001.png", "00002.png", "grid.png"]);

        (code, output, _) = GraftProgram.Run("sample", _temporary["broken"], "-n", "2", "--steps", "2", "--format", "jpg", "--quality", "80", "--out", _temporary["photos"]);
        code.ShouldBe(0);
        output.ShouldContain("grid.jpg");
        Directory.GetFiles(_temporary["photos"]).Select(Path.GetFileName).Order().ShouldBe(["00000.jpg", "00001.jpg", "grid.jpg"]);
        File.ReadAllBytes(_temporary["photos/00001.jpg"])[..3].ShouldBe([0xff, 0xd8, 0xff]);
    }

    [Fact]
    public void Samples_are_drawn_by_every_sampler_spacing_and_clipping()
    {
        TinyModel.Save(_temporary["model"], schedule: new ScheduleOptions { NumTrainTimesteps = 50 });
        string Draw(params string[] options)
        {
            var (code, output, errors) = GraftProgram.Run(["sample", _temporary["model"], "-n", "1", "--out", _temporary["pictures"], .. options]);
            code.ShouldBe(0, string.Join('\n', errors));
            output.ShouldContain("1 pictures are in");
            return Hash("pictures", "00000.png");
        }

        var solved = Draw("--sampler", "dpm-solver++", "--steps", "5");
        Draw("--sampler", "dpm-solver++", "--steps", "5", "--clip").ShouldBe(solved); // the configuration clips
        Draw("--sampler", "dpm-solver++", "--steps", "5", "--no-clip").ShouldNotBe(solved);
        Draw("--sampler", "dpm-solver++", "--steps", "5", "--threshold", "0.9").ShouldNotBe(solved);
        Draw("--sampler", "ddpm", "--timesteps", "ddim5").ShouldBe(Draw("--sampler", "ddpm", "--steps", "5"));
        Draw("--sampler", "ddpm", "--timesteps", "3,2").ShouldNotBe(Draw("--sampler", "ddpm", "--steps", "5"));

        var refused = GraftProgram.Run("sample", _temporary["model"], "--clip", "--threshold", "0.9", "--out", _temporary["pictures"]);
        refused.Code.ShouldBe(2);
        refused.Errors.ShouldContain(line => line.Contains("exclude each other", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public void An_interrupted_run_saves_says_how_to_go_on_and_does(string signal)
    {
        TinyModel.Save(_temporary["model"], TinyModel.Network with { Dropout = 0.1 }, new ScheduleOptions { NumTrainTimesteps = 50 });
        using (var stopped = GraftProgram.Start(Adapt("run", 240)))
        {
            stopped.WaitUntil(() => stopped.Errors.Any(line => line.StartsWith("training ", StringComparison.Ordinal)));
            stopped.Signal(signal);
            var (code, _, errors) = stopped.Finish();
            code.ShouldBe(130, string.Join('\n', errors));
            errors[^1].ShouldStartWith("Stopped after step ");
            errors[^1].ShouldContain("the same command with --resume goes on");
            errors.ShouldNotContain(line => line.Contains("   at ", StringComparison.Ordinal));
        }

        var state = JsonNode.Parse(File.ReadAllText(Path.Combine(Directory.GetDirectories(_temporary["run"], "checkpoint-*").Order().Last(), "trainer_state.json")))!;
        ((long)state["step"]!).ShouldBeLessThan(240);
        GraftProgram.Run(Adapt("run", 240)).Errors[^1].ShouldContain("add --resume");
        GraftProgram.Run([.. Adapt("run", 240), "--resume"]).Code.ShouldBe(0);
        File.ReadLines(_temporary["run/log.jsonl"]).Count().ShouldBe(240);
    }

    [Fact]
    public void A_dry_run_prints_the_plan_without_the_native_libraries()
    {
        var folder = Directory.CreateDirectory(_temporary["program"]).FullName;
        foreach (var file in Directory.GetFiles(GraftProgram.Folder).Where(f => Path.GetExtension(f) is ".dll" or ".json"))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        var (code, output, errors) = GraftProgram.RunIn(folder, "pretrain", "recipes/fashion-28.yaml", "--size", "ci", "--dry-run");
        code.ShouldBe(0, string.Join('\n', errors));
        ((int)JsonNode.Parse(output)!["training"]!["steps"]!).ShouldBe(20);
        errors.ShouldBeEmpty();

        (code, output, errors) = GraftProgram.RunIn(folder, "pretrain", "recipes/fashion-features.yaml", "--size", "ci", "--dry-run");
        code.ShouldBe(0, string.Join('\n', errors));
        ((string?)JsonNode.Parse(output)!["kind"]).ShouldBe("classifier");
        ((int)JsonNode.Parse(output)!["training"]!["steps"]!).ShouldBe(20);
        errors.ShouldBeEmpty();

        (code, output, errors) = GraftProgram.RunIn(folder, [.. Adapt("run", 7), "--dry-run"]);
        code.ShouldBe(0, string.Join('\n', errors));
        ((int)JsonNode.Parse(output)!["training"]!["steps"]!).ShouldBe(7);
        ((string?)JsonNode.Parse(output)!["method_options"]!["trainable"]![0]).ShouldBe("*");
        Directory.Exists(_temporary["run"]).ShouldBeFalse();

        (code, output, errors) = GraftProgram.RunIn(folder, [.. Adapt("run", 7), "--labels", "my \"labels\": #1.csv", "--tensorboard", "--dry-run"]);
        code.ShouldBe(0, string.Join('\n', errors));
        ((string?)JsonNode.Parse(output)!["target"]!["labels_csv"]).ShouldBe("my \"labels\": #1.csv");
        ((string?)JsonNode.Parse(output)!["target"]!["folder"]).ShouldBe("samples/targets/bag");
        ((bool)JsonNode.Parse(output)!["training"]!["tensorboard"]!).ShouldBeTrue();

        TinyModel.Save(_temporary["model"], TinyModel.Network with { Dropout = 0.1 }, new ScheduleOptions { NumTrainTimesteps = 50 });
        (code, _, errors) = GraftProgram.RunIn(folder, Adapt("run", 7));
        code.ShouldBe(1);
        errors.ShouldHaveSingleItem().ShouldContain("libgraft_torch.so is missing: run ./graft once");
    }

    private string[] Adapt(string output, long steps) =>
    [
        "adapt", "--source", _temporary["model"], "--target", "samples/targets/bag", "--method", "finetune", "--device", "cpu",
        "--out", _temporary[output], "--steps", $"{steps}", "--set", "training.checkpoint_every=40", "--set", "training.batch_size=4",
    ];

    private string Hash(string run, string file) => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(Path.Combine(_temporary[run], file))));
}
