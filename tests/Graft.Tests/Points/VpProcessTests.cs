using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Tests.Points;

/// <summary>Continuous time against closed form, in double precision.</summary>
public sealed class VpProcessTests
{
    private static readonly VpProcess Process = new(0.1, 20);

    private static readonly ScheduleOptions Continuous = new() { BetaSchedule = BetaSchedule.ContinuousVp, ClipSample = false };

    [Fact]
    public void The_integral_is_that_of_beta()
    {
        foreach (var t in (double[])[1e-5, 0.01, 0.3, 0.77, 1])
        {
            const int Steps = 100_000;
            var sum = Enumerable.Range(0, Steps).Sum(i => 0.1 + (19.9 * t * (i + 0.5) / Steps)) * t / Steps; // exact for a line
            Process.Integral(t).ShouldBe(sum, 1e-12);
            (Process.Alpha(t) * Process.Alpha(t)).ShouldBe(Math.Exp(-sum), 1e-12);
            ((Process.Alpha(t) * Process.Alpha(t)) + (Process.Sigma(t) * Process.Sigma(t))).ShouldBe(1, 1e-14);
            Process.Lambda(t).ShouldBe(-0.5 * Math.Log(Math.Exp(sum) - 1), 1e-7 / t);
        }

        Process.Signal(1).ShouldBe(Math.Exp(-10.05), 1e-18);
    }

    /// <summary>σ² = B − B²/2 + B³/6 − … where B is small: no digit is lost to 1 − e^(−B).</summary>
    [Fact]
    public void Sigma_is_exact_near_the_clean_sample()
    {
        foreach (var t in (double[])[1e-12, 1e-8, 1e-5])
        {
            var b = Process.Integral(t);
            (Process.Sigma(t) * Process.Sigma(t) / (b - (b * b / 2) + (b * b * b / 6))).ShouldBe(1, 4e-15);
        }
    }

    [Fact]
    public void Time_is_found_by_lambda()
    {
        foreach (var t in (double[])[1e-6, 1e-3, 0.2, 0.5, 0.999, 1])
            Process.TimeOfLambda(Process.Lambda(t)).ShouldBe(t, 1e-12 + (1e-11 * t));
        Process.TimeOfLambda(-400).ShouldBeGreaterThan(1);
        Process.TimeOfLambda(300).ShouldBeGreaterThan(0);
    }

    [Fact]
    public void The_grid_has_the_process_s_values()
    {
        var schedule = new NoiseSchedule(Continuous with { NumTrainTimesteps = 250 });
        var product = 1.0;
        for (var i = 0; i < 250; i++)
        {
            schedule.TimeOf(i).ShouldBe((i + 1) / 250.0);
            product *= schedule.Alphas[i];
            schedule.AlphasCumulative[i].ShouldBe(product, 1e-13);
            schedule.AlphasCumulative[i].ShouldBe(Process.Signal((i + 1) / 250.0), 1e-15);
            (schedule.Alphas[i] + schedule.Betas[i]).ShouldBe(1, 1e-15);
        }

        schedule.Warning.ShouldBeNull();
        new NoiseSchedule(Continuous with { BetaMax = 2 }).Warning.ShouldNotBeNull();
    }

    [Fact]
    public void Noise_is_added_at_any_time() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(Continuous);
        double[] times = [1e-5, 0.123456789, 0.5, 1];
        var x0 = new KeyedRandom(1, "x0").Normal(0, [0, 1, 2, 3], [3, 2], DType.Float64);
        var noise = new KeyedRandom(1, "noise").Normal(0, [0, 1, 2, 3], [3, 2], DType.Float64);
        var t = Tensor.From(times, 4);
        var noised = schedule.AddNoise(x0, noise, t).ToArray<double>();
        var (a, b) = (x0.ToArray<double>(), noise.ToArray<double>());
        for (var i = 0; i < noised.Length; i++)
            noised[i].ShouldBe((Process.Alpha(times[i / 6]) * a[i]) + (Process.Sigma(times[i / 6]) * b[i]), 1e-14);

        // A step is the time that its grid says, and the equations between x_0, ε and v hold.
        var steps = schedule.AddNoise(x0, noise, Tensor.From([0L, 99L, 499L, 999L], 4));
        var grid = schedule.AddNoise(x0, noise, Tensor.From([0.001, 0.1, 0.5, 1], 4));
        (steps - grid).Abs().Max().Item().ShouldBeLessThan(1e-12);
        (schedule.PredictedOriginal(noise, schedule.AddNoise(x0, noise, t), t) - x0).Abs().Max().Item().ShouldBeLessThan(1e-11);
        schedule.Snr(t).ToArray<float>()[3].ShouldBe((float)(Process.Signal(1) / (1 - Process.Signal(1))), 1e-9f);
        Should.Throw<ArgumentException>(() => schedule.At(Tensor.From([1.5], 1), x0.Slice(0, 0, 1))).Message.ShouldContain("from 0 to 1");
        Should.Throw<ArgumentException>(() => new NoiseSchedule(new ScheduleOptions()).At(t, x0)).Message.ShouldContain("int64");
    });

    [Fact]
    public void Training_times_are_uniform_and_each_is_a_function_of_its_item() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(Continuous);
        var items = Enumerable.Range(0, 20_000).Select(i => (long)i).ToArray();
        var times = schedule.DrawTimes(new KeyedRandom(3, "t"), items).ToArray<double>();
        times.Min().ShouldBeGreaterThanOrEqualTo(NoiseSchedule.SmallestTrainingTime);
        times.Max().ShouldBeLessThanOrEqualTo(1);
        times.Average().ShouldBe(0.5, 0.01);
        times.Count(t => t < 0.1).ShouldBeInRange(1800, 2200);
        schedule.DrawTimes(new KeyedRandom(3, "t"), [7]).ToArray<double>()[0].ShouldBe(times[7]);
    });

    [Fact]
    public void The_configuration_goes_out_and_in_again()
    {
        var json = (Continuous with { BetaMin = 0.2, BetaMax = 15 }).ToJson();
        ((string)json["beta_schedule"]!).ShouldBe("continuous_vp");
        json.ContainsKey("beta_start").ShouldBeFalse();
        var again = ScheduleOptions.FromJson(json);
        (again.BetaMin, again.BetaMax, again.IsContinuous, again.ClipSample).ShouldBe((0.2, 15, true, false));
        again.ToJson().ToJsonString().ShouldBe(json.ToJsonString());

        // To the other schedules these keys mean nothing: they are kept as they were.
        var other = ScheduleOptions.FromJson(new() { ["beta_min"] = 0.3 });
        other.Other.ContainsKey("beta_min").ShouldBeTrue();
        ((double)other.ToJson()["beta_min"]!).ShouldBe(0.3);
    }

    [Theory]
    [InlineData("beta_min", "0", "beta_min is 0: it must be above 0")]
    [InlineData("beta_max", "0.05", "beta_max is 0.05: it must be above beta_min")]
    [InlineData("prediction_type", "\"previous_sample\"", "prediction_type is PreviousSample")]
    [InlineData("variance_type", "\"learned_range\"", "variance_type is LearnedRange")]
    [InlineData("rescale_betas_zero_snr", "true", "rescale_betas_zero_snr is true")]
    public void What_continuous_time_cannot_be_is_refused(string key, string value, string message)
    {
        var json = Continuous.ToJson();
        json[key] = System.Text.Json.Nodes.JsonNode.Parse(value);
        Should.Throw<InputException>(() => ScheduleOptions.FromJson(json)).Message.ShouldContain(message);
    }
}
