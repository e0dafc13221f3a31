using Graft.Diffusion;
using Graft.Sampling;
using Graft.Torch;

namespace Graft.Tests.Sampling;

public class DpmSolverTests
{
    private const double Mean = 0.3;
    private const double Deviation = 0.5;

    /// <summary>Even in λ, from 4 down to −5, where the orders are defined.</summary>
    private const int Intervals = 80;

    /// <summary>
    /// The exact solution for normal data is known (see SamplerTests); twice the steps divide the error by 2 to the order. Order 3 has
    /// half of the second difference that Taylor's series asks for, as its authors' and diffusers' code: its error is smaller than
    /// order 2's, and falls as order 2's.
    /// </summary>
    [Theory]
    [InlineData(1, DpmAlgorithm.DpmSolverPlusPlus, DpmSolverType.Midpoint, 1, 0.06)]
    [InlineData(1, DpmAlgorithm.DpmSolver, DpmSolverType.Midpoint, 1, 0.06)]
    [InlineData(2, DpmAlgorithm.DpmSolverPlusPlus, DpmSolverType.Midpoint, 2, 0.002)]
    [InlineData(2, DpmAlgorithm.DpmSolverPlusPlus, DpmSolverType.Heun, 2, 0.003)]
    [InlineData(2, DpmAlgorithm.DpmSolver, DpmSolverType.Midpoint, 2, 0.002)]
    [InlineData(2, DpmAlgorithm.DpmSolver, DpmSolverType.Heun, 2, 0.003)]
    [InlineData(3, DpmAlgorithm.DpmSolverPlusPlus, DpmSolverType.Midpoint, 2, 0.0007)]
    [InlineData(3, DpmAlgorithm.DpmSolver, DpmSolverType.Midpoint, 2, 0.0007)]
    public void The_error_falls_with_the_order(int order, DpmAlgorithm algorithm, DpmSolverType type, int rate, double bound) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        double Signal(int t) => t < 0 ? 1 : 1 / (1 + Math.Exp(-2 * (4 - (9.0 * t / Intervals))));
        var schedule = new NoiseSchedule(new ScheduleOptions
        {
            ClipSample = false, NumTrainTimesteps = Intervals + 1, BetaPrecision = BetaPrecision.Double,
            TrainedBetas = [.. Enumerable.Range(0, Intervals + 1).Select(t => 1 - (Signal(t) / Signal(t - 1)))],
        });
        double Error(int steps)
        {
            using var inner = new TensorScope();
            var visited = Enumerable.Range(1, steps).Reverse().Select(i => i * (Intervals / steps)).ToArray();
            var (xT, noise) = Noise.Keyed(5, [0], [1, 8, 8]);
            var sampler = new DpmSolverSampler
            {
                Timesteps = visited, SolverOrder = order, AlgorithmType = algorithm, SolverType = type,
                FinalSigmasType = DpmFinalSigma.SigmaMin, LowerOrderFinal = false,
            };
            var start = xT.To(DType.Float64);
            var end = sampler.Sample(new GaussianDenoiser(schedule, Mean, Deviation), schedule, start, noise);
            double Spread(double signal) => Math.Sqrt((signal * Deviation * Deviation) + 1 - signal);
            var (from, to) = (schedule.AlphasCumulative[^1], schedule.AlphasCumulative[0]);
            var exact = ((start - (Math.Sqrt(from) * Mean)) * (Spread(to) / Spread(from))) + (Math.Sqrt(to) * Mean);
            return (end - exact).Abs().Max().Item();
        }

        Math.Log2(Error(40) / Error(80)).ShouldBe(rate, 0.3);
        Error(80).ShouldBeLessThan(bound);
    });

    [Theory]
    [InlineData(DpmAlgorithm.SdeDpmSolverPlusPlus, 1, 500)]
    [InlineData(DpmAlgorithm.SdeDpmSolverPlusPlus, 2, 100)]
    [InlineData(DpmAlgorithm.DpmSolverPlusPlus, 2, 25)]
    [InlineData(DpmAlgorithm.DpmSolverPlusPlus, 3, 25)]
    public void Samples_of_normal_data_have_its_mean_and_variance(DpmAlgorithm algorithm, int order, int steps) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(new ScheduleOptions { ClipSample = false });
        var (xT, noise) = Noise.Keyed(6, [0, 1, 2, 3], [1, 64, 64]);
        var sampler = new DpmSolverSampler { AlgorithmType = algorithm, SolverOrder = order, Steps = steps };
        var values = sampler.Sample(new GaussianDenoiser(schedule, Mean, Deviation), schedule, xT, noise).ToArray<float>();
        var mean = values.Average(v => (double)v);
        mean.ShouldBe(Mean, 0.02);
        Math.Sqrt(values.Average(v => (v - mean) * (v - mean))).ShouldBe(Deviation, 0.02);
    });

    /// <summary>λ is −∞ at the start: the first update is exact in the limit, and nothing after it may become infinite.</summary>
    [Theory]
    [InlineData(DpmAlgorithm.DpmSolverPlusPlus, 1)]
    [InlineData(DpmAlgorithm.DpmSolverPlusPlus, 2)]
    [InlineData(DpmAlgorithm.DpmSolverPlusPlus, 3)]
    [InlineData(DpmAlgorithm.SdeDpmSolverPlusPlus, 2)]
    public void A_schedule_that_ends_in_pure_noise_is_sampled(DpmAlgorithm algorithm, int order) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(new ScheduleOptions { ClipSample = false, RescaleBetasZeroSnr = true, PredictionType = PredictionType.Sample });
        schedule.TerminalSnr.ShouldBe(0);
        var (xT, noise) = Noise.Keyed(6, [0, 1], [1, 32, 32]);
        var sampler = new DpmSolverSampler { AlgorithmType = algorithm, SolverOrder = order, Steps = 50 };
        var samples = sampler.Sample(new ExactOriginal(schedule), schedule, xT, noise);
        var exact = (xT * Deviation) + Mean;
        if (algorithm == DpmAlgorithm.DpmSolverPlusPlus)
            (samples - exact).Abs().Max().Item().ShouldBeLessThan(order == 1 ? 0.15 : 0.05);
        samples.Mean().Item().ShouldBe(Mean, 0.05);
        Should.Throw<InputException>(() => (sampler with { UseKarrasSigmas = true }).Sample(new ExactOriginal(schedule), schedule, xT, noise)).Message.ShouldContain("Karras");
    });

    [Fact]
    public void Memory_is_flat_and_the_sampler_keeps_nothing() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(new ScheduleOptions { PredictionType = PredictionType.Sample });
        var (xT, noise) = Noise.Keyed(8, [0, 1], [3, 4, 4]);
        var sampler = (DpmSolverSampler)Sampler.DpmSolver(20, order: 3);
        var live = new List<long>();
        var before = TorchRuntime.LiveTensors;

        // A denoiser that hands its input back: the sampler must not take it for its own.
        var samples = sampler.Sample(new Same(), schedule, xT, noise, onStep: _ => live.Add(TorchRuntime.LiveTensors));
        TorchRuntime.LiveTensors.ShouldBe(before + 1);
        live[4..^2].Distinct().Count().ShouldBe(1, string.Join(' ', live));
        xT.IsDisposed.ShouldBeFalse();
        var again = sampler.Sample(new Same(), schedule, xT, noise);
        again.ToArray<float>().ShouldBe(samples.ToArray<float>());
        TorchRuntime.LiveTensors.ShouldBe(before + 2);
    });

    [Fact]
    public void What_cannot_be_solved_is_refused() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(new ScheduleOptions());
        var (xT, noise) = Noise.Keyed(10, [0], [1, 4]);
        void Refused(DpmSolverSampler sampler, string message) =>
            Should.Throw<InputException>(() => sampler.Sample(new Same(), schedule, xT, noise)).Message.ShouldContain(message);

        Should.Throw<InputException>(() => Sampler.DpmSolver(10, 4)).Message.ShouldContain("solver_order");
        Refused(new DpmSolverSampler { Steps = 10, AlgorithmType = DpmAlgorithm.DpmSolver }, "final_sigmas_type");
        Refused(new DpmSolverSampler { Steps = 10, AlgorithmType = DpmAlgorithm.SdeDpmSolverPlusPlus, SolverOrder = 3 }, "solver_order 2");
        Refused(new DpmSolverSampler { Steps = 1001 }, "1 to 1000");
        Refused(new DpmSolverSampler { Timesteps = [1, 5] }, "must fall");
        foreach (var steps in new[] { 0, 999, 1000 })
            new DpmSolverSampler { Steps = steps }.Sigmas(schedule).Zip(new DpmSolverSampler { Steps = steps }.Sigmas(schedule).Skip(1)).ShouldAllBe(p => p.First > p.Second);
        Sampler.Parse("dpm-solver++", 20).ShouldBe(Sampler.DpmSolver(20));
    });

    /// <summary>Predicts the given samples themselves.</summary>
    private sealed class Same : IDenoiser
    {
        public Tensor Predict(Tensor x, Tensor t, Condition? condition = null) => x;
    }

    /// <summary>E[x_0 | x_t] of normal data, finite at pure noise too.</summary>
    private sealed class ExactOriginal(NoiseSchedule schedule) : IDenoiser
    {
        public Tensor Predict(Tensor x, Tensor t, Condition? condition = null)
        {
            var signal = schedule.AlphasCumulative[(int)t.ToArray<long>()[0]];
            var variance = Deviation * Deviation;
            return ((x - (Math.Sqrt(signal) * Mean)) * (Math.Sqrt(signal) * variance / ((signal * variance) + 1 - signal))) + Mean;
        }
    }
}
