using System.Text.Json.Nodes;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Tests.Training;

/// <summary>2N steps equal N steps, a stop, and 2N - N more, bit for bit; what does not belong to a run is refused.</summary>
public sealed class ResumeTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();
    private readonly TinyPictures _target = new();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData(4)] // where a checkpoint lies, and the decay begins
    [InlineData(1)] // within the warm-up
    [InlineData(7)] // the last checkpoint is the one of the stop
    public void A_stopped_and_resumed_run_equals_an_unbroken_one(long stop)
    {
        var (whole, broken) = (_temporary["whole"], _temporary["broken"]);
        using var source = TinyRun.Model(dropout: 0.2);
        var method = new Finetune { Training = TinyRun.Options(8) };
        using var one = method.Adapt(source, _target, new TrainingRun { Folder = whole });

        var stopped = Should.Throw<TrainingStoppedException>(() => method.Adapt(source, _target, TinyRun.StopAfter(broken, stop)));
        stopped.Message.ShouldBe($"Stopped after step {stop} of 8; its state is in {broken}: the same command with --resume goes on.");
        using var again = TinyRun.Model(dropout: 0.2);
        using var two = new Finetune { Training = TinyRun.Options(8) }.Adapt(again, _target, new TrainingRun { Folder = broken, Resume = true });

        var state = TinyRun.State(whole, 8);
        state.Keys.Select(k => k.Split('.')[0]).Distinct().Order().ShouldBe(["ema", "exp_avg", "exp_avg_sq", "weights"]);
        TinyRun.ShouldEqual(TinyRun.State(broken, 8), state);
        TinyRun.ShouldEqual(TinyRun.Weights(two), TinyRun.Weights(one));
        Log(broken).ShouldBe(Log(whole));
        Log(whole).Length.ShouldBe(8);
        SameFile("unet/diffusion_pytorch_model.safetensors");
        SameFile("checkpoint-0000008/unet/diffusion_pytorch_model.safetensors");

        void SameFile(string name) => File.ReadAllBytes(Path.Combine(broken, name)).ShouldBe(File.ReadAllBytes(Path.Combine(whole, name)));
    }

    [Fact]
    public void A_finished_run_can_be_prolonged_while_the_rate_stays()
    {
        var options = TinyRun.Options(8) with { Decay = LearningRateDecay.Constant };
        using var source = TinyRun.Model();
        Adapt(source, "whole", options);
        Adapt(source, "longer", options with { Steps = 4 });
        Adapt(source, "longer", options, resume: true);
        TinyRun.ShouldEqual(TinyRun.State(_temporary["longer"], 8), TinyRun.State(_temporary["whole"], 8));
    }

    [Fact]
    public void Resuming_a_finished_run_changes_nothing()
    {
        using var source = TinyRun.Model();
        Adapt(source, "run", TinyRun.Options(4));
        var weights = File.ReadAllBytes(Path.Combine(_temporary["run"], "unet", "diffusion_pytorch_model.safetensors"));
        Adapt(source, "run", TinyRun.Options(4), resume: true);
        File.ReadAllBytes(Path.Combine(_temporary["run"], "unet", "diffusion_pytorch_model.safetensors")).ShouldBe(weights);
    }

    [Fact]
    public void A_run_that_is_stopped_at_once_keeps_its_checkpoint()
    {
        using var source = TinyRun.Model();
        Adapt(source, "run", TinyRun.Options(4));
        var method = new Finetune { Training = TinyRun.Options(8) };
        Should.Throw<TrainingStoppedException>(() => method.Adapt(source, _target, new TrainingRun
        {
            Folder = _temporary["run"],
            Resume = true,
            CancellationToken = new CancellationToken(canceled: true),
        }));
        TinyRun.State(_temporary["run"], 4).ShouldNotBeEmpty();
    }

    [Fact]
    public void A_checkpoint_is_a_model()
    {
        using var source = TinyRun.Model();
        Adapt(source, "run", TinyRun.Options(4));
        using var model = DiffusionModel.Load(TinyRun.Checkpoint(_temporary["run"], 4));
        var average = TinyRun.State(_temporary["run"], 4).Where(p => p.Key.StartsWith("ema.", StringComparison.Ordinal)).ToDictionary(p => p.Key[4..], p => p.Value);
        TinyRun.ShouldEqual(TinyRun.Weights(model), average);
    }

    [Fact]
    public void Without_resume_a_folder_with_a_run_or_a_model_is_refused()
    {
        using var source = TinyRun.Model();
        Adapt(source, "run", TinyRun.Options(4));
        Refused(() => Adapt(source, "run", TinyRun.Options(4))).ShouldContain("stands at step 4: add --resume");

        source.Save(_temporary["model"]);
        var before = File.ReadAllBytes(Path.Combine(_temporary["model"], "unet", "diffusion_pytorch_model.safetensors"));
        Refused(() => Adapt(source, "model", TinyRun.Options(4))).ShouldContain("holds a model, which this run would overwrite");
        Refused(() => Adapt(source, "model", TinyRun.Options(4), resume: true)).ShouldContain("holds a model");
        File.ReadAllBytes(Path.Combine(_temporary["model"], "unet", "diffusion_pytorch_model.safetensors")).ShouldBe(before);

        Directory.CreateDirectory(_temporary["early"]);
        File.WriteAllText(Path.Combine(_temporary["early"], "log.jsonl"), "{\"step\":1}\n");
        Refused(() => Adapt(source, "early", TinyRun.Options(4))).ShouldContain("stopped before its first checkpoint: add --resume");
        Adapt(source, "early", TinyRun.Options(4), resume: true);
        Log(_temporary["early"]).Length.ShouldBe(4);
    }

    [Fact]
    public void What_is_not_the_same_run_is_refused_by_name()
    {
        using var source = TinyRun.Model();
        var options = TinyRun.Options(4);
        Adapt(source, "run", options);
        Refused(() => Adapt(source, "run", options with { Seed = 6 }, resume: true)).ShouldContain("was started with seed = 5 and cannot go on with 6");
        Refused(() => Adapt(source, "run", options with { BatchSize = 8 }, resume: true)).ShouldContain("batch_size = 4");
        Refused(() => Adapt(source, "run", options with { Accumulation = 1 }, resume: true)).ShouldContain("accumulation = 2");
        Refused(() => Adapt(source, "run", options with { EmaDecay = 0 }, resume: true)).ShouldContain("ema = true");
        Refused(() => new Scratch { Training = options }.Adapt(source, _target, Resuming("run"))).ShouldContain("method = \"finetune\"");
        Refused(() => new Finetune { Training = options }.Adapt(source, new TinyPictures(seed: 2), Resuming("run"))).ShouldContain("data = ");
        Refused(() => new Finetune { Training = options, Trainable = ["up_blocks.*"] }.Adapt(source, _target, Resuming("run"))).ShouldContain("trainable = ");

        source.Save(_temporary["moved"]);
        using var moved = DiffusionModel.Load(_temporary["moved"]);
        Adapt(moved, "run", options, resume: true);
        using var other = TinyRun.Model(seed: 9);
        Refused(() => Adapt(other, "run", options, resume: true)).ShouldContain("source = ");
    }

    [Fact]
    public void A_broken_checkpoint_is_refused_by_a_sentence()
    {
        using var source = TinyRun.Model();
        Adapt(source, "run", TinyRun.Options(4));
        var folder = TinyRun.Checkpoint(_temporary["run"], 4);
        var (json, tensors) = (Path.Combine(folder, "trainer_state.json"), Path.Combine(folder, "trainer_state.safetensors"));
        var (text, bytes) = (File.ReadAllText(json), File.ReadAllBytes(tensors));

        string[] broken =
        [
            "", text[..(text.Length / 2)], "{}", "null", "[]", "5", "{\"format\": 1}",
            Changed("format", 2), Changed("format", "x"), Changed("step", "four"), Changed("step", -1), Changed("optimiser_steps", null),
            Changed("optimiser_steps", 1.5), Changed("identity", null), Changed("identity", 3), Changed("environment", "none"),
        ];
        foreach (var wrong in broken)
        {
            File.WriteAllText(json, wrong);
            Refused(() => Adapt(source, "run", TinyRun.Options(8), resume: true)).ShouldContain(folder, customMessage: wrong);
        }

        File.Delete(json);
        Refused(() => Adapt(source, "run", TinyRun.Options(8), resume: true)).ShouldContain("delete it to resume from the one before");
        File.WriteAllText(json, text);

        foreach (var length in (int[])[0, 7, 100, bytes.Length / 2, bytes.Length - 1])
        {
            File.WriteAllBytes(tensors, bytes[..length]);
            Refused(() => Adapt(source, "run", TinyRun.Options(8), resume: true)).ShouldContain(tensors);
        }

        File.Delete(tensors);
        Refused(() => Adapt(source, "run", TinyRun.Options(8), resume: true)).ShouldContain(tensors);

        Replace("weights.conv_in.bias", null);
        Refused(() => Adapt(source, "run", TinyRun.Options(8), resume: true)).ShouldContain("weights.conv_in.bias");
        Replace("exp_avg.conv_in.bias", [1]); // would broadcast
        Refused(() => Adapt(source, "run", TinyRun.Options(8), resume: true)).ShouldContain("exp_avg.conv_in.bias as [1]");

        string Changed(string key, JsonNode? value)
        {
            var state = JsonNode.Parse(text)!.AsObject();
            state[key] = value;
            return state.ToJsonString();
        }

        void Replace(string name, long[]? shape) => TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            File.WriteAllBytes(tensors, bytes);
            NamedTensor[] all;
            using (var file = Graft.Formats.WeightFile.Open(tensors))
                all = [.. file.Names.Where(n => n != name).Select(n => new NamedTensor(n, file.Read(n)))];
            Graft.Formats.WeightFile.Write(tensors, shape is null ? all : [.. all, new NamedTensor(name, Tensor.Ones(shape))]);
        });
    }

    [Fact]
    public void The_newest_checkpoints_stay_and_half_written_ones_go()
    {
        using var source = TinyRun.Model();
        var options = TinyRun.Options(6) with { CheckpointEvery = 1, KeepCheckpoints = 2 };
        Adapt(source, "run", options);
        Folders().ShouldBe(["checkpoint-0000005", "checkpoint-0000006"]);
        Directory.CreateDirectory(Path.Combine(_temporary["run"], ".checkpoint-0000007.tmp", "unet"));
        Directory.CreateDirectory(Path.Combine(_temporary["run"], "checkpoint-of-mine"));
        Adapt(source, "run", options with { Steps = 7, KeepCheckpoints = 1 }, resume: true);
        Folders().ShouldBe(["checkpoint-0000007", "checkpoint-of-mine"]);

        string[] Folders() => [.. Directory.EnumerateDirectories(_temporary["run"], "*checkpoint*").Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal)];
    }

    private void Adapt(DiffusionModel source, string folder, TrainingOptions options, bool resume = false) =>
        new Finetune { Training = options }.Adapt(source, _target, new TrainingRun { Folder = _temporary[folder], Resume = resume }).Dispose();

    private TrainingRun Resuming(string folder) => new() { Folder = _temporary[folder], Resume = true };

    private static string Refused(Action work)
    {
        var message = Should.Throw<InputException>(work).Message;
        message.ShouldEndWith(".");
        message.ShouldNotContain("\n");
        return message;
    }

    /// <summary>The log but for the time that it took.</summary>
    private static string[] Log(string folder) => [.. File.ReadLines(Path.Combine(folder, "log.jsonl")).Select(line =>
    {
        var json = JsonNode.Parse(line)!.AsObject();
        json.Remove("seconds").ShouldBeTrue();
        return json.ToJsonString();
    })];
}
