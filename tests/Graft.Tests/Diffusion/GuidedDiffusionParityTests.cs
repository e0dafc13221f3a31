using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Diffusion;

/// <summary>
/// openai's guided diffusion with the toy model of the kit: tables in double precision, posteriors, p_θ for every mean and variance
/// type, every loss, and respacing, at the tolerances that stand beside them.
/// </summary>
public class GuidedDiffusionParityTests
{
    private static readonly (string Name, PredictionType Type)[] Means =
        [("EPSILON", PredictionType.Epsilon), ("START_X", PredictionType.Sample), ("PREVIOUS_X", PredictionType.PreviousSample)];

    private static readonly (string Name, VarianceType Type)[] Variances =
    [
        ("FIXED_SMALL", VarianceType.FixedSmall), ("FIXED_LARGE", VarianceType.FixedLarge),
        ("LEARNED_RANGE", VarianceType.LearnedRange), ("LEARNED", VarianceType.Learned),
    ];

    private static string Kit => SharedFiles.Reference("guided_diffusion", "core", "core");

    private static string Repository => Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "diffusion", "core");

    [SharedTheory("reference/guided_diffusion/core")]
    [InlineData("linear")]
    [InlineData("cosine")]
    public void Same_tables(string name)
    {
        var tensors = new ReferenceTensors(Kit + ".safetensors");
        var schedule = new NoiseSchedule(Options(name));
        var process = new ReverseProcess(schedule);
        var posteriors = Enumerable.Range(0, schedule.Count).Select(process.Posterior).ToArray();
        Relative(schedule.Betas, tensors.Doubles(name + "/betas"), "betas");
        Relative(schedule.AlphasCumulative, tensors.Doubles(name + "/alphas_cumprod"), "alphas_cumprod");
        Relative([.. posteriors.Select(p => p.Variance)], tensors.Doubles(name + "/posterior_variance"), "variance");
        Relative([.. posteriors.Select(p => p.OriginalCoefficient)], tensors.Doubles(name + "/posterior_mean_coef1"), "coef1");
        Relative([.. posteriors.Select(p => p.CurrentCoefficient)], tensors.Doubles(name + "/posterior_mean_coef2"), "coef2");
        Relative([.. Enumerable.Range(0, schedule.Count).Select(process.LogLower)], tensors.Doubles(name + "/posterior_log_variance_clipped"), "log variance");
    }

    [SharedTheory("reference/guided_diffusion/core")]
    [InlineData("linear")]
    [InlineData("cosine")]
    public void Same_distributions_and_losses(string name) => Check(Kit, name);

    [Fact]
    public void Same_distributions_and_losses_as_in_the_repository() => Check(Repository, "cosine");

    [Fact]
    public void Same_steps_and_betas_of_every_spec()
    {
        var tensors = new ReferenceTensors(Repository + ".safetensors");
        var specs = JsonNode.Parse(File.ReadAllText(Repository + ".json"))!["space_timesteps"]!.AsObject();
        specs.Count.ShouldBe(9);
        foreach (var (key, steps) in specs)
        {
            var (count, spec) = (int.Parse(key.Split('/')[0], null), key.Split('/')[1]);
            var schedule = new NoiseSchedule(Options("linear", count));
            var ours = schedule.Timesteps(spec);
            ours.Reverse().ShouldBe(steps!.AsArray().Select(t => (int)t!), key);
            var process = new ReverseProcess(schedule, ours);
            Relative([.. ours.Reverse().Select(t => process.Posterior(t).Beta)], tensors.Doubles($"respace/{key}/betas"), key);
        }
    }

    [Theory]
    [InlineData("ddim999", "whole stride")]
    [InlineData("1001", "1001 sampling steps")]
    [InlineData("10,600", "section of 500")]
    [InlineData("-5", "are no spec")]
    [InlineData("10,,5", "are no spec")]
    [InlineData("ddimx", "are no spec")]
    [InlineData("", "are no spec")]
    public void A_spec_that_cannot_be_is_refused(string spec, string message) =>
        Should.Throw<InputException>(() => new NoiseSchedule(new ScheduleOptions()).Timesteps(spec)).Message.ShouldContain(message);

    /// <summary>openai's linear schedule is scaled to its number of steps; the converter of its models does the same.</summary>
    private static ScheduleOptions Options(string name, int count = 1000) => new()
    {
        NumTrainTimesteps = count,
        BetaSchedule = name == "linear" ? BetaSchedule.Linear : BetaSchedule.SquaredcosCapV2,
        BetaStart = 1000.0 / count * 1e-4,
        BetaEnd = 1000.0 / count * 0.02,
        BetaPrecision = BetaPrecision.Double,
    };

    private static void Check(string path, string name) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var tensors = new ReferenceTensors(path + ".safetensors");
        var tolerance = JsonNode.Parse(File.ReadAllText(path + ".json"))!["tolerance"]!["values"]!;
        var (x0, noise, x, t) = (tensors.Tensor("x0"), tensors.Tensor("noise"), tensors.Tensor("x_t"), Tensor.From(tensors.Integers("t"), 4));
        var plain = new ReverseProcess(new NoiseSchedule(Options(name)));
        var noised = plain.Schedule.AddNoise(x0, noise, t);
        void Same(Tensor ours, string key) => ours.Expand(tensors.Shape($"{name}/{key}")).ShouldMatch(tensors.Tensor($"{name}/{key}"), tolerance, $"{name}/{key}");

        Same(noised, "q_sample");
        Same(plain.Posterior(x0, x, t).Mean, "q_posterior_mean");
        Same(plain.Posterior(x0, x, t).LogVariance, "q_posterior_log_variance");
        Same(plain.Prior(x0), "prior_bpd");
        foreach (var (mean, prediction) in Means)
        {
            foreach (var (variance, type) in Variances)
            {
                var process = new ReverseProcess(new NoiseSchedule(Options(name) with { PredictionType = prediction, VarianceType = type }));
                foreach (var clip in new[] { false, true })
                {
                    var step = process.Step(Toy(x, t, type), x, t, clip);
                    var key = $"{mean}/{variance}/clip{(clip ? 1 : 0)}";
                    Same(step.Original, key + "/pred_xstart");
                    Same(step.Distribution.Mean, key + "/mean");
                    Same(step.Distribution.LogVariance, key + "/log_variance");
                }

                // MSE: L_simple, and with a learned variance one term of L_vlb; RESCALED_MSE: the term times T / 1000; KL: the term alone.
                var output = Toy(noised, t, type);
                var simple = Losses.Simple(output, x0, noise, t, process.Schedule).PerItem;
                var vlb = process.Term(process.Step(output, noised, t, clip: false).Distribution, x0, noised, t).PerItem;
                var losses = $"{mean}/{variance}/loss_";
                Same(simple, losses + "MSE/mse");
                Same(vlb, losses + "KL/loss");
                Same(vlb * process.Schedule.Count, losses + "RESCALED_KL/loss");
                if (!process.Schedule.Options.LearnsVariance)
                {
                    Same(simple, losses + "MSE/loss");
                    Same(simple, losses + "RESCALED_MSE/loss");
                    continue;
                }

                Same(vlb, losses + "MSE/vb");
                Same(simple + vlb, losses + "MSE/loss");
                var hybrid = Losses.Hybrid(output, x0, noise, noised, t, process);
                hybrid.Weight.ShouldBe(process.Schedule.Count / 1000.0, 1e-12);
                Same(hybrid.Vlb.PerItem * hybrid.Weight, losses + "RESCALED_MSE/vb");
                Same(hybrid.Simple.PerItem + (hybrid.Weight * hybrid.Vlb.PerItem), losses + "RESCALED_MSE/loss");
            }
        }
    });

    private static Tensor Toy(Tensor x, Tensor t, VarianceType type)
    {
        var step = t.To(DType.Float32).Reshape(-1, 1, 1, 1);
        var prediction = (x * 0.3) + ((step / 100).Sin() * 0.1);
        var wave = (x + (step / 200)).Sin();
        return type switch
        {
            VarianceType.LearnedRange => Tensor.Cat([prediction, wave * 0.6], 1),
            VarianceType.Learned => Tensor.Cat([prediction, (wave * 0.5) - 3.0], 1),
            _ => prediction,
        };
    }

    private static void Relative(IReadOnlyList<double> ours, double[] theirs, string what)
    {
        ours.Count.ShouldBe(theirs.Length, what);
        for (var i = 0; i < theirs.Length; i++)
            Math.Abs(ours[i] - theirs[i]).ShouldBeLessThanOrEqualTo(1e-9 * Math.Abs(theirs[i]), $"{what} at {i}");
    }
}
