using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Sampling;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Sampling;

/// <summary>A trajectory of a peer, and the check that ours is the same one.</summary>
internal static class TrajectoryCase
{
    private const string Solver = "DPMSolverMultistepScheduler";
    private static readonly Dictionary<string, ReferenceTensors> Files = [];

    /// <summary>The names of a file's cases; none where the file is absent (the test then says why it is skipped).</summary>
    public static IEnumerable<string> Names(string json) => File.Exists(json) ? Cases(json).Select(c => (string)c["name"]!) : [];

    public static void Check(string json, string name) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var test = Cases(json).Single(c => (string)c["name"]! == name);
        if (!Files.TryGetValue(json, out var tensors)) // all on the one thread of libtorch
            Files[json] = tensors = new ReferenceTensors(Path.ChangeExtension(json, ".safetensors"));

        var old = json.Contains("v0_14", StringComparison.Ordinal);
        var schedule = new NoiseSchedule(Options(test, old));
        var sampler = Make(test, old);
        var trajectory = new List<float[]> { tensors.Floats("x_T") };
        var originals = new List<float[]>();
        var timesteps = new List<long>();
        sampler.Sample(
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
        if (tensors.Has(name + "/sigmas"))
            ShouldAgreeRelatively(((DpmSolverSampler)sampler).Sigmas(schedule), tensors.Floats(name + "/sigmas"), 1e-5);
        if (sampler is DpmSolverSampler)
            return;
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
        ClipSample = (string)test["class"]! != Solver && ((bool?)test["config"]!["clip_sample"] ?? true), // diffusers' DPM-Solver does not clip
    };

    private static DpmSolverSampler MakeSolver(JsonNode config, int steps, bool old) => new()
    {
        Steps = steps,
        SolverOrder = (int?)config["solver_order"] ?? 2,
        AlgorithmType = (string?)config["algorithm_type"] switch
        {
            "dpmsolver" => DpmAlgorithm.DpmSolver,
            "sde-dpmsolver++" => DpmAlgorithm.SdeDpmSolverPlusPlus,
            _ => DpmAlgorithm.DpmSolverPlusPlus,
        },
        SolverType = (string?)config["solver_type"] == "heun" ? DpmSolverType.Heun : DpmSolverType.Midpoint,
        LowerOrderFinal = (bool?)config["lower_order_final"] ?? true,
        EulerAtFinal = (bool?)config["euler_at_final"] ?? false,
        FinalSigmasType = old || (string?)config["final_sigmas_type"] == "sigma_min" ? DpmFinalSigma.SigmaMin : DpmFinalSigma.Zero,
        UseKarrasSigmas = (bool?)config["use_karras_sigmas"] ?? false,
        LambdaMinClipped = (double?)config["lambda_min_clipped"] ?? double.NegativeInfinity,
        TimestepSpacing = (string?)config["timestep_spacing"] switch
        {
            "leading" => TimestepSpacing.Leading,
            "trailing" => TimestepSpacing.Trailing,
            _ => TimestepSpacing.Linspace,
        },
        // In 0.14 sample_max_value is the smallest bound of this scheduler's thresholding; in 0.27, as elsewhere, the largest.
        Clipping = old && ((bool?)config["thresholding"] ?? false)
            ? Clipping.Dynamic((double)config["dynamic_thresholding_ratio"]!, smallest: (double)config["sample_max_value"]!)
            : null,
    };

    private static Sampler Make(JsonObject test, bool old)
    {
        var steps = (int?)test["num_inference_steps"] ?? 0;
        var list = test["custom_timesteps"]?.AsArray().Select(t => (int)t!).ToArray();
        if ((string)test["class"]! == Solver)
            return MakeSolver(test["config"]!, steps, old);
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

    private static void ShouldAgreeRelatively(IEnumerable<double> ours, float[] theirs, double tolerance)
    {
        var all = ours.ToArray();
        all.Length.ShouldBe(theirs.Length);
        for (var i = 0; i < all.Length; i++)
            Math.Abs(all[i] - theirs[i]).ShouldBeLessThanOrEqualTo(tolerance * Math.Abs(theirs[i]), $"sigma {i}");
    }
}
