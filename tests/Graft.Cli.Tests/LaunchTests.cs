using System.Globalization;
using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Formats.Images;
using Graft.Recipes;
using Graft.Training;

namespace Graft.Tests.Cli;

/// <summary>Training in two processes that really are two.</summary>
public sealed class LaunchTests : IDisposable
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30); // docs/scaling.md
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    /// <summary>Two parts for one process and one for the other, so that gradients are summed in another order than one process does.</summary>
    [DistributedTheory]
    [InlineData("finetune", "{ trainable: ['*'] }", "")]
    [InlineData("ddpm-pa", "{ form: paper }", "")]
    [InlineData("anl", "{ variant: lean, encoder: models/fashion-features, condition_dropout: 0.2 }", "")]
    [InlineData("tgdp", "{ source_count: 60, source_sample_steps: 3, classifier_steps: 4, hidden_channels: 16, blocks: 1 }", "classifier noise-aware-classifier guidance")]
    public void Two_processes_have_the_losses_of_one(string method, string options, string stages)
    {
        var points = method == "tgdp";
        if (!points)
            Model();
        var recipe = $$"""
            source: {{(points ? Repository("models/mixture-source") : _temporary["model"])}}
            target: {{(points ? "{ mixture: { means: [[0.5, -0.5], [-0.5, 0.5]], weights: [0.5, 0.5], variance: 0.1, count: 20, seed: 1 } }" : $"{{ folder: {Repository("samples/targets/bag")} }}")}}
            method: {{method}}
            method_options: {{options.Replace("models/", Repository("models/"), StringComparison.Ordinal)}}
            device: cpu
            training: { steps: 6, batch_size: 12, accumulation: 3, learning_rate: 0.001, seed: 3, held_out: 0.2, validate_every: 2, validation_draws: 24, checkpoint_every: 3 }
            """;
        File.WriteAllText(_temporary["one.yaml"], $"{recipe}\nout: {_temporary["one"]}\n");
        File.WriteAllText(_temporary["two.yaml"], $"{recipe}\nout: {_temporary["two"]}\n");

        Adapt(_temporary["one.yaml"]);
        var (code, output, errors) = GraftProgram.Run("launch", "--processes", "2", "--", "adapt", _temporary["two.yaml"]);
        code.ShouldBe(0, string.Join('\n', errors));
        output.Split('\n', StringSplitOptions.RemoveEmptyEntries).ShouldHaveSingleItem().ShouldContain("The adapted model is in");

        foreach (var stage in stages.Split(' '))
            ShouldAgree(Path.Combine(_temporary["two"], stage, "log.jsonl"), Path.Combine(_temporary["one"], stage, "log.jsonl"));
        Files("two").ShouldBe(Files("one"));
    }

    /// <summary>One part of six for each of two processes against one of twelve: the pairwise terms, which are of all twelve in both, as well.</summary>
    [DistributedTheory]
    [InlineData("paper", 0)]
    [InlineData("released", 4)]
    public void Pairs_over_the_global_batch_are_those_of_one_process(string form, int together)
    {
        Model();
        string Recipe(string folder, int parts, bool globally) => $$"""
            source: {{_temporary["model"]}}
            target: { folder: {{Repository("samples/targets/bag")}} }
            method: ddpm-pa
            method_options: { form: {{form}}, compared_together: {{together}}, compared_globally: {{(globally ? "true" : "false")}} }
            device: cpu
            training: { steps: 6, batch_size: 12, accumulation: {{parts}}, learning_rate: 0.001, seed: 3 }
            out: {{_temporary[folder]}}
            """;
        File.WriteAllText(_temporary["one.yaml"], Recipe("one", 1, globally: false));
        File.WriteAllText(_temporary["two.yaml"], Recipe("two", 2, globally: true));
        File.WriteAllText(_temporary["four.yaml"], Recipe("four", 4, globally: true));
        Adapt(_temporary["one.yaml"]);
        var (code, _, errors) = GraftProgram.Run("launch", "--processes", "2", "--", "adapt", _temporary["two.yaml"]);
        code.ShouldBe(0, string.Join('\n', errors));
        ShouldAgree(_temporary["two/log.jsonl"], _temporary["one/log.jsonl"]);
        Refused("one part of a batch for each process", "launch", "--processes", "2", "--", "adapt", _temporary["four.yaml"]);
    }

    [DistributedTheory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_killed_process_ends_the_other_with_one_message_and_the_run_goes_on_in_one_process_and_in_two(int rank)
    {
        Model();
        using (var launched = GraftProgram.Start(Launch("broken", 100_000)))
        {
            launched.WaitUntil(() => Directory.Exists(_temporary["broken/checkpoint-0000010"]));
            var (killed, other) = (Worker(launched, rank), Worker(launched, 1 - rank));
            var clock = System.Diagnostics.Stopwatch.StartNew();
            killed.Kill();
            var (code, _, errors) = launched.Finish();
            clock.Elapsed.ShouldBeLessThan(Grace);
            code.ShouldBe(1);
            errors.Where(line => !line.StartsWith("training ", StringComparison.Ordinal) && !line.StartsWith("finetune: ", StringComparison.Ordinal)
                && !line.StartsWith("warning: The noise schedule", StringComparison.Ordinal)).ShouldHaveSingleItem().ShouldBe($"error: Process {rank} of 2 was ended by signal 9, and the others with it: the same command with --resume goes on from the newest checkpoint.");
            other.HasExited.ShouldBeTrue();
        }

        // With two parts the sum of two gradients is the same bits in one process and in two, and so is all that follows.
        var stands = long.Parse(Path.GetFileName(Directory.GetDirectories(_temporary["broken"], "checkpoint-*").Max()!)["checkpoint-".Length..], CultureInfo.InvariantCulture);
        GraftProgram.Run([.. Command("broken", stands + 3), "--resume"]).Code.ShouldBe(0);
        var resumed = GraftProgram.Run([.. Launch("broken", stands + 6), "--resume"]);
        resumed.Code.ShouldBe(0, string.Join('\n', resumed.Errors));
        resumed.Errors.ShouldContain(line => line.Contains($": step {stands + 3} of {stands + 6}", StringComparison.Ordinal));
        GraftProgram.Run(Command("whole", stands + 6)).Code.ShouldBe(0);
        File.ReadAllBytes(Checkpoint("broken", stands + 6)).ShouldBe(File.ReadAllBytes(Checkpoint("whole", stands + 6)));
        Directory.GetDirectories(_temporary["broken"], ".*").ShouldBeEmpty();
    }

    /// <summary>
    /// Black and white alone are trained on, so that a sample a little darker or lighter than grey lies nearer to one of them than half of
    /// their distance: the first process's meter says so, and both end at the same step, as one does.
    /// </summary>
    [DistributedFact]
    public void A_run_that_copies_ends_in_both()
    {
        Model();
        var target = Directory.CreateDirectory(_temporary["target"]).FullName;
        foreach (var grey in (byte[])[0, 255])
            File.WriteAllBytes(Path.Combine(target, $"{grey}.png"), ImageCodec.EncodePng(new Picture(8, 8, 1, [.. Enumerable.Repeat(grey, 64)])));
        string[] line =
        [
            "adapt", "--source", _temporary["model"], "--target", target, "--method", "finetune", "--device", "cpu", "--steps", "100", "--set", "training.learning_rate=0.002", "--set", "training.batch_size=4", "--set", "training.accumulation=2",
            "--set", "training.meter_every=10", "--set", "training.meter_count=16", "--set", "training.sample_steps=10", "--set", "training.stop_when_memorised=0.05", "--set", "training.checkpoint_every=1",
        ];
        GraftProgram.Run([.. line, "--out", _temporary["one"]]).Code.ShouldBe(0);
        var (code, _, errors) = GraftProgram.Run(["launch", "--processes", "2", "--", .. line, "--out", _temporary["two"]]);
        code.ShouldBe(0, string.Join('\n', errors));
        errors.ShouldContain(e => e.Contains("reaches stop_when_memorised 0.05: the run ends", StringComparison.Ordinal));
        var last = JsonNode.Parse(File.ReadAllLines(_temporary["two/log.jsonl"])[^1])!;
        ((long)last["step"]!).ShouldBeLessThan(100);
        ShouldAgree(_temporary["two/log.jsonl"], _temporary["one/log.jsonl"]);
        File.ReadAllBytes(_temporary["two/unet/diffusion_pytorch_model.safetensors"]).ShouldBe(File.ReadAllBytes(_temporary["one/unet/diffusion_pytorch_model.safetensors"]));

        // It ended: resumed by two processes it ends again, and does not go on.
        var steps = File.ReadAllLines(_temporary["two/log.jsonl"]).Length;
        GraftProgram.Run(["launch", "--processes", "2", "--", .. line, "--out", _temporary["two"], "--resume"]).Code.ShouldBe(0);
        File.ReadAllLines(_temporary["two/log.jsonl"]).Length.ShouldBe(steps);
    }

    [DistributedFact]
    public void A_signal_stops_both_after_the_same_step_and_saves()
    {
        Model();
        using var launched = GraftProgram.Start(Launch("run", 100_000));
        launched.WaitUntil(() => launched.Errors.Any(line => line.StartsWith("training ", StringComparison.Ordinal)));
        launched.Signal("TERM");
        var (code, _, errors) = launched.Finish();
        code.ShouldBe(130, string.Join('\n', errors));
        errors[^1].ShouldStartWith("Stopped after step ");
        var step = errors[^1].Split(' ')[3];
        File.Exists(Checkpoint("run", long.Parse(step, CultureInfo.InvariantCulture))).ShouldBeTrue();
    }

    [DistributedFact]
    public void What_cannot_be_shared_is_refused_in_one_sentence()
    {
        Model();
        Refused("2 processes share the parts of a batch, and accumulation 1 makes 1 of them", [.. Launch("no", 4), "--set", "training.accumulation=1"]);
        Refused("The folder", Launch("model", 4)); // the first process's own message, once
        Refused("`graft launch` runs adapt, pretrain, sample or evaluate, not 'compare'", "launch", "--processes", "2", "--", "compare", "recipe.yaml");
        Refused("--processes must be from 1", "launch", "--processes", "0", "--", "adapt");
        Directory.Exists(_temporary["no"]).ShouldBeFalse();
    }

    [DistributedFact]
    public void Samples_of_two_processes_are_those_of_one_with_the_same_batches()
    {
        Model();
        Draw("one").Code.ShouldBe(0);
        var (code, output, errors) = Draw("two", "launch", "--processes", "2", "--");
        code.ShouldBe(0, string.Join('\n', errors));
        output.ShouldStartWith("7 pictures are in");
        Files("two").ShouldBe(Files("one"));
        foreach (var file in Files("one"))
            File.ReadAllBytes(_temporary[$"two/{file}"]).ShouldBe(File.ReadAllBytes(_temporary[$"one/{file}"]), file);

        (int Code, string Output, string[] Errors) Draw(string folder, params string[] before) => GraftProgram.Run(
            [.. before, "sample", _temporary["model"], "-n", "7", "--batch-size", "3", "--steps", "3", "--sampler", "ddpm", "--device", "cpu", "--out", _temporary[folder]]);
    }

    /// <summary>Eighty samples: each process looks at a part of them; and the ten of the target are one process's.</summary>
    [DistributedFact]
    public void Measures_of_two_processes_are_those_of_one()
    {
        Model();
        Evaluate("one").Code.ShouldBe(0);
        var (code, output, errors) = Evaluate("two", "launch", "--processes", "2", "--");
        code.ShouldBe(0, string.Join('\n', errors));
        output.Split('\n').Count(line => line.StartsWith("samples ", StringComparison.Ordinal)).ShouldBe(1);
        Files("two").ShouldBe(Files("one"));
        var (one, two) = (File.ReadAllText(_temporary["one/evaluation.json"]), File.ReadAllText(_temporary["two/evaluation.json"]));
        two.ShouldBe(one);
        foreach (var name in (string[])["frechet_distance", "class_score", "intra"])
            one.ShouldContain(name);

        (int Code, string Output, string[] Errors) Evaluate(string folder, params string[] before) => GraftProgram.Run(
        [
            .. before, "evaluate", _temporary["model"], "--target", "samples/targets/bag", "-n", "80", "--batch-size", "16", "--steps", "2", "--device", "cpu",
            "--features", "models/fashion-features", "--out", _temporary[folder],
        ]);
    }

    [Fact]
    public void Without_the_optional_library_one_process_works_and_several_are_told_what_is_missing()
    {
        Model();
        var folder = Directory.CreateDirectory(_temporary["program"]).FullName;
        foreach (var file in Directory.GetFiles(GraftProgram.Folder).Where(f => Path.GetExtension(f) is ".dll" or ".json" or ".so" && !f.EndsWith("libgraft_distributed.so", StringComparison.Ordinal)))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        var (code, _, errors) = GraftProgram.RunIn(folder, Launch("run", 2));
        code.ShouldBe(2);
        errors.ShouldHaveSingleItem().ShouldMatch("error: Several processes need .*libgraft_distributed.so, which was not built: install libgloo-dev.* one process needs none of it\\.");
        GraftProgram.RunIn(folder, Command("run", 2)).Code.ShouldBe(0);
    }

    private static void Refused(string due, params string[] arguments)
    {
        var (code, _, errors) = GraftProgram.Run(arguments);
        code.ShouldBe(2, string.Join('\n', errors));
        errors.Where(line => line.StartsWith("error: ", StringComparison.Ordinal)).ShouldHaveSingleItem().ShouldContain(due);
    }

    private static string Repository(string path) => Path.Combine(SharedFiles.Repository, path);

    private static void Adapt(string file)
    {
        using var adapted = Recipe.Bind<AdaptRecipe>(Recipe.Read(file), "recipe").Run(new TrainingRun());
    }

    /// <summary>All numbers but the seconds are equal to 1e-6.</summary>
    private static void ShouldAgree(string log, string due)
    {
        var (lines, others) = (File.ReadAllLines(log), File.ReadAllLines(due));
        lines.Length.ShouldBe(others.Length);
        lines.Length.ShouldBeGreaterThan(3);
        foreach (var (line, other) in lines.Zip(others))
        {
            var (values, dues) = (JsonNode.Parse(line)!.AsObject(), JsonNode.Parse(other)!.AsObject());
            values.Select(p => p.Key).ShouldBe(dues.Select(p => p.Key));
            foreach (var (name, value) in values.Where(p => p.Key != "seconds"))
                ((double)value!).ShouldBe((double)dues[name]!, 1e-6 * Math.Max(1, Math.Abs((double)dues[name]!)), $"{log}: {name} in {line} against {other}");
        }
    }

    /// <summary>The process of a rank that a launcher started.</summary>
    private static System.Diagnostics.Process Worker(GraftProgram launcher, int rank)
    {
        foreach (var folder in Directory.GetDirectories("/proc").Where(f => int.TryParse(Path.GetFileName(f), out _)))
        {
            try
            {
                // stat: the name is in brackets and may hold anything; after it come the state and the parent.
                var stat = File.ReadAllText(Path.Combine(folder, "stat"));
                if (stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1] == $"{launcher.Id}" && File.ReadAllText(Path.Combine(folder, "environ")).Split('\0').Contains($"RANK={rank}"))
                    return System.Diagnostics.Process.GetProcessById(int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture));
            }
            catch (IOException)
            {
                // a process that has ended meanwhile
            }
        }

        throw new InvalidOperationException($"no process of rank {rank}");
    }

    private void Model() => TinyModel.Save(_temporary["model"], TinyModel.Network with { Dropout = 0.1 }, new ScheduleOptions { NumTrainTimesteps = 50 });

    private string[] Command(string output, long steps) =>
    [
        "adapt", "--source", _temporary["model"], "--target", "samples/targets/bag", "--method", "finetune", "--device", "cpu", "--out", _temporary[output], "--steps", $"{steps}",
        "--set", "training.checkpoint_every=10", "--set", "training.batch_size=4", "--set", "training.accumulation=2",
    ];

    private string[] Launch(string output, long steps) => ["launch", "--processes", "2", "--", .. Command(output, steps)];

    private string Checkpoint(string run, long step) => Path.Combine(_temporary[run], $"checkpoint-{step:D7}", "trainer_state.safetensors");

    private string[] Files(string run) =>
        [.. Directory.GetFiles(_temporary[run], "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(_temporary[run], f)).Order(StringComparer.Ordinal)];
}
