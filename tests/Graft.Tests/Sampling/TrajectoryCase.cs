using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Sampling;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Sampling;

/// <summary>A trajectory of a peer, and the check that ours is the same one.</summary>
internal static class TrajectoryCase
{
    private static readonly Dictionary<string, ReferenceTensors> Files = [];

    /// <summary>The names of a file's cases; none where the file is absent (the test then says why it is skipped).</summary>
    public static IEnumerable<string> Names(string json) => File.Exists(json) ? Cases(json).Select(c => (string)c["name"]!) : [];

    public static void Check(string json, string name) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var test = Cases(json).Single(c => (string)c["name"]! == name);
        if (!Files.TryGetValue(json, out var tensors)) // all on the one thread of libtorch
            Files[json] = tensors = new ReferenceTensors(Path.ChangeExtension(json, ".safetensors"));

        var schedule = new NoiseSchedule(Options(test, json.Contains("v0_14", StringComparison.Ordinal)));
        var trajectory = new List<float[]> { tensors.Floats("x_T") };
        var originals = new List<float[]>();
        var timesteps = new List<long>();
        Make(test).Sample(
            new ReferenceToy(schedule.Options.LearnsVariance),
            schedule,
            tensors.Tensor("x_T"),
            (k, _) => tensors.Row("noise", k),
            onStep: step =>
            {
                trajectory.Add(step.Sample.ToArray<float>());
                originals.Add(step.PredictedOriginal.ToArray<float>());
                timesteps.Add(step.Timestep);
            });

        timesteps.ShouldBe(tensors.Integers(name + "/timesteps"));
        var tolerance = (2e-5 * Math.Max(1, (double)test["trajectory_abs_max"]!)) + (3 * ((double?)test["float64_deviation"] ?? 0));
        var kept = test["trajectory_indices"] is JsonArray indices ? [.. indices.Select(i => (int)i!)] : Enumerable.Range(0, trajectory.Count).ToArray();
        ShouldAgree(kept.Select(i => trajectory[i]), tensors.Floats(name + "/trajectory"), tolerance);
        var n = originals.Count;
        ShouldAgree([originals[0], originals[n / 2], originals[n - 1]], tensors.Floats(name + "/pred_x0"), tolerance);
    });

    private static IEnumerable<JsonObject> Cases(string json) =>
        JsonNode.Parse(File.ReadAllText(json))!["cases"]!.AsArray().Select(c => c!.AsObject());

    /// <summary>The case's configuration, with what the peer's version did and no key says.</summary>
    private static ScheduleOptions Options(JsonObject test, bool old) => ScheduleOptions.FromJson(test["config"]!.AsObject()) with
    {
        LearnedRangeUpper = old ? LearnedRangeUpper.TrainingBeta : LearnedRangeUpper.RespacedBeta,
        PreviousTimestep = PreviousTimestep.Uniform,
    };

    private static Sampler Make(JsonObject test)
    {
        var steps = (int?)test["num_inference_steps"] ?? 0;
        var list = test["custom_timesteps"]?.AsArray().Select(t => (int)t!).ToArray();
        return (string)test["class"]! == "DDPMScheduler"
            ? new DdpmSampler { Steps = steps, Timesteps = list }
            : new DdimSampler
            {
                Steps = steps,
                Timesteps = list,
                Eta = (double?)test["step_kwargs"]!["eta"] ?? 0,
                UseClippedModelOutput = (bool?)test["step_kwargs"]!["use_clipped_model_output"] ?? false,
            };
    }

    private static void ShouldAgree(IEnumerable<float[]> ours, float[] theirs, double tolerance)
    {
        var all = ours.SelectMany(v => v).ToArray();
        all.Length.ShouldBe(theirs.Length);
        var worst = all.Zip(theirs, (a, b) => float.IsNaN(a) ? double.PositiveInfinity : Math.Abs((double)a - b)).Max();
        worst.ShouldBeLessThanOrEqualTo(tolerance);
    }
}
