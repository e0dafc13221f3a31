using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Diffusion;

/// <summary>Tables of diffusers 0.14.0 and 0.27.2, at the tolerances that stand beside them.</summary>
public class ScheduleTableTests
{
    private static readonly string[] Schedules = ["linear", "scaled", "cos", "sigmoid"];

    private static string Repository => Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "schedulers");

    [SharedTheory("reference/schedulers")]
    [InlineData("tables_v0_14")]
    [InlineData("tables_v0_27")]
    public void Same_tables(string file) => Check(SharedFiles.Reference("schedulers", file));

    [Fact]
    public void Same_tables_as_in_the_repository() => Check(Path.Combine(Repository, "tables_v0_27"));

    [Fact]
    public void Named_betas_are_bit_equal_to_single_precision()
    {
        var tensors = new ReferenceTensors(Path.Combine(Repository, "tables_v0_27.safetensors"));
        foreach (var name in Schedules.Except(["sigmoid"])) // PyTorch's vectorised exp is its own
        {
            var ours = new NoiseSchedule(Options(Path.Combine(Repository, "tables_v0_27.json"), name)).Betas;
            var theirs = tensors.Floats(name + "/betas");
            ours.ShouldBe(Array.ConvertAll(theirs, b => (double)b), name);
        }
    }

    private static ScheduleOptions Options(string json, string name)
    {
        var entry = JsonNode.Parse(File.ReadAllText(json))!["schedules"]!.AsArray().Single(s => (string)s!["name"]! == name)!;
        return ScheduleOptions.FromJson(entry["config"]!.AsObject());
    }

    private static void Check(string path) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var old = path.EndsWith("v0_14", StringComparison.Ordinal);
        var tensors = new ReferenceTensors(path + ".safetensors");
        foreach (var name in Schedules)
        {
            var schedule = new NoiseSchedule(Options(path + ".json", name));
            Relative(schedule.Betas, tensors.Floats(name + "/betas"), 2e-6, name);
            Relative(schedule.AlphasCumulative, tensors.Floats(name + "/alphas_cumprod"), 1e-4, name);

            var t = Tensor.From(tensors.Integers(name + "/t"), 4);
            var (x0, noise) = (tensors.Tensor("x0"), tensors.Tensor("noise"));
            Absolute(schedule.AddNoise(x0, noise, t), tensors.Floats(name + "/add_noise"), 2e-6);
            Absolute(schedule.Velocity(x0, noise, t), tensors.Floats(name + "/velocity"), 2e-6);

            foreach (var steps in new[] { 1000, 50, 20 })
            {
                foreach (var key in new[] { "DDPM", "DDIM" }.Select(k => $"{name}/timesteps_{k}Scheduler_{steps}").Where(tensors.Has))
                    schedule.Timesteps(steps).Select(s => (long)s).ShouldBe(tensors.Integers(key));
            }

            Variances(schedule, tensors, name + "/", old ? LearnedRangeUpper.TrainingBeta : LearnedRangeUpper.RespacedBeta);
        }
    });

    private static void Variances(NoiseSchedule schedule, ReferenceTensors tensors, string prefix, LearnedRangeUpper upper)
    {
        var steps = schedule.Timesteps(50);
        var posteriors = steps.Zip(steps.Skip(1), (t, s) => schedule.Posterior(t, s)).ToArray();
        double[] Logs(VarianceType type) => [.. posteriors.Select(p => p.LogVariance(type))];
        double[] Powers(VarianceType type, double power) => [.. Logs(type).Select(v => Math.Exp(power * v))];

        Relative(Powers(VarianceType.FixedSmall, 1), tensors.Floats(prefix + "variance_fixed_small_50"), 1e-3, prefix);
        Relative(Powers(VarianceType.FixedSmallLog, 0.5), tensors.Floats(prefix + "variance_fixed_small_log_50"), 1e-3, prefix); // a deviation
        Relative(Powers(VarianceType.FixedLarge, 1), tensors.Floats(prefix + "variance_fixed_large_50"), 1e-3, prefix);
        Absolute(Logs(VarianceType.FixedLargeLog), tensors.Floats(prefix + "variance_fixed_large_log_50"), 1e-3);
        var said = tensors.Floats(prefix + "learned_range_output_50");
        var ranged = posteriors.Select((p, i) => (Part: (said[i] + 1.0) / 2, Low: p.LogVariance(VarianceType.FixedSmall), High: p.LogUpper(upper)))
            .Select(v => (v.Part * v.High) + ((1 - v.Part) * v.Low)).ToArray();
        Absolute(ranged, tensors.Floats(prefix + "log_variance_learned_range_50"), 1e-3);
    }

    private static void Relative(IReadOnlyList<double> ours, float[] theirs, double tolerance, string what)
    {
        ours.Count.ShouldBe(theirs.Length);
        for (var i = 0; i < theirs.Length; i++)
            ours[i].ShouldBe(theirs[i], tolerance * Math.Abs(theirs[i]), $"{what} at {i}");
    }

    private static void Absolute(Tensor ours, float[] theirs, double tolerance) =>
        Absolute(Array.ConvertAll(ours.ToArray<float>(), v => (double)v), theirs, tolerance);

    private static void Absolute(double[] ours, float[] theirs, double tolerance) =>
        ours.ShouldBe(Array.ConvertAll(theirs, v => (double)v), tolerance);
}
