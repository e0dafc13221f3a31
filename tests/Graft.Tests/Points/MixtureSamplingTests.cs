using Graft.Data;
using Graft.Diffusion;
using Graft.Evaluation;
using Graft.Sampling;
using Graft.Torch;

namespace Graft.Tests.Points;

/// <summary>Samplers in continuous time, with denoisers that make no error: what is left is the sampler's own.</summary>
public sealed class MixtureSamplingTests
{
    private const double LastTime = 1e-3;
    private static readonly NoiseSchedule Schedule = new(new ScheduleOptions
    {
        BetaSchedule = BetaSchedule.ContinuousVp, ClipSample = false, TimestepSpacing = TimestepSpacing.Trailing,
    });

    /// <summary>For N(μ, s²I) the flow keeps (x_t − αμ)/√(α²s² + σ²). Halving the steps' length quarters an error of second order.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Dpm_solver_2_is_of_second_order(bool evenLogSnr) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var oracle = new MixtureOracle(GaussianMixture.Spheres([1], [[0.4, -0.7]], 0.2), Schedule);
        var start = new KeyedRandom(2, "start").Normal(0, [0, 1, 2, 3, 4, 5], [2], DType.Float64);
        var process = Schedule.Process!.Value;
        double Error(Sampler sampler)
        {
            using var inner = new TensorScope();
            var mean = Tensor.From([0.4, -0.7], 2);
            double Spread(double t) => Math.Sqrt((0.2 * process.Signal(t)) + 1 - process.Signal(t));
            var exact = ((start - (process.Alpha(1) * mean)) * (Spread(LastTime) / Spread(1))) + (process.Alpha(LastTime) * mean);
            return (sampler.Sample(oracle, Schedule, start, (_, _) => throw new InvalidOperationException("no noise is due")) - exact).Abs().Max().Item();
        }

        double[] errors = [.. ((int[])[100, 200, 400]).Select(n => Error(Sampler.DpmSolver2(n, evenLogSnr)))];
        errors[2].ShouldBeLessThan(2e-4);
        (errors[0] / errors[1]).ShouldBeInRange(3.2, 4.8);
        (errors[1] / errors[2]).ShouldBeInRange(3.2, 4.8);
    });

    [Theory]
    [InlineData("ddim", 100, 0.04)]
    [InlineData("ddpm", 1000, 0.04)]
    [InlineData("dpm-solver++", 25, 0.04)]
    [InlineData("dpm-solver-2", 25, 0.04)]
    [InlineData("dpm-solver-2-logsnr", 25, 0.04)]
    public void Every_sampler_draws_the_mixture(string name, int steps, double bar) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        const int Count = 4000;
        var items = Enumerable.Range(0, Count).Select(i => (long)i).ToArray();
        var (start, noise) = Noise.Keyed(3, items, [2]);
        var x = Sampler.Parse(name, steps).Sample(new MixtureOracle(Mixtures.Target, Schedule), Schedule, start, noise);
        var samples = new SampleSet(new ItemShape(2), x.ToArray<float>(), name);
        SlicedWasserstein.Of(samples, Mixtures.Target.Draw(Count, 77)).ShouldBeLessThan(bar);
    });

    [Fact]
    public void Even_log_snr_keeps_the_tails_that_even_times_thicken() => TorchRuntime.Run(() =>
    {
        // E_p[q/p] = 1 hangs on the source's tails, where the target lies; paired by the noise, so that few draws tell.
        using var scope = new TensorScope();
        var (start, noise) = Noise.Keyed(4, [.. Enumerable.Range(0, 20000).Select(i => (long)i)], [2]);
        double MeanRatio(Sampler sampler)
        {
            using var inner = new TensorScope();
            var x = sampler.Sample(new MixtureOracle(Mixtures.Source, Schedule), Schedule, start, noise).ToArray<float>();
            return x.Chunk(2).Average(p => Math.Exp(Mixtures.Target.LogDensity([p[0], p[1]]) - Mixtures.Source.LogDensity([p[0], p[1]])));
        }

        var fine = MeanRatio(Sampler.DpmSolver2(200, evenLogSnr: true));
        (MeanRatio(Sampler.DpmSolver2(25, evenLogSnr: true)) / fine).ShouldBeInRange(0.9, 1.1);
        (MeanRatio(Sampler.DpmSolver2(25)) / fine).ShouldBeGreaterThan(1.3);
    });

    [Fact]
    public void An_oracle_works_by_steps_too() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(new ScheduleOptions { ClipSample = false, TimestepSpacing = TimestepSpacing.Trailing });
        var items = Enumerable.Range(0, 4000).Select(i => (long)i).ToArray();
        var (start, noise) = Noise.Keyed(3, items, [2]);
        var x = Sampler.Ddim(100).Sample(new MixtureOracle(Mixtures.Source, schedule), schedule, start, noise);
        SlicedWasserstein.Of(new SampleSet(new ItemShape(2), x.ToArray<float>(), "samples"), Mixtures.Source.Draw(4000, 77)).ShouldBeLessThan(0.04);
    });

    [Fact]
    public void What_dpm_solver_2_cannot_do_is_refused() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(new ScheduleOptions());
        var (start, noise) = Noise.Keyed(3, [0], [2]);
        var oracle = new MixtureOracle(Mixtures.Source, schedule);
        Should.Throw<InputException>(() => Sampler.DpmSolver2(5).Sample(oracle, schedule, start, noise)).Message.ShouldContain("continuous time");
        Should.Throw<InputException>(() => (Sampler.DpmSolver2(5) with { Timesteps = [3, 2] }).Sample(oracle, Schedule, start, noise)).Message.ShouldContain("chooses its times itself");
        Should.Throw<InputException>(() => new DpmSolverSinglestepSampler { LastTime = 0 }).Message.ShouldContain("last_time");
        Should.Throw<InputException>(() => oracle.Predict(Tensor.Zeros([1, 3]), Tensor.From([3L], 1))).Message.ShouldContain("2 dimensions");
    });
}
