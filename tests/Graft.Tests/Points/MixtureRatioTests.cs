using Graft.Data;
using Graft.Diffusion;
using Graft.Sampling;
using Graft.Torch;

namespace Graft.Tests.Points;

/// <summary>
/// ∇ log q_t = ∇ log p_t + ∇ log E[q(x_0)/p(x_0) | x_t] (Ouyang et al. 2024, theorem 1), the expectation being an integral over the
/// source's posterior that is computed by quadrature here, with no use of q_t.
/// </summary>
public sealed class MixtureRatioTests
{
    private static readonly NoiseSchedule Schedule = new(new ScheduleOptions { BetaSchedule = BetaSchedule.ContinuousVp, ClipSample = false });

    [Theory]
    [InlineData(1, 60)]
    [InlineData(2, 12)]
    public void The_guided_score_is_the_target_s(int dimensions, int rounds) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var random = new SplitMix((ulong)(20 + dimensions));
        for (var round = 0; round < rounds; round++)
        {
            var (p, q) = (Mixtures.Random(random, dimensions), Mixtures.Random(random, dimensions));
            var time = 0.03 + (0.95 * Mixtures.Uniform(random));
            var (alpha, sigma) = (Schedule.Process!.Value.Alpha(time), Schedule.Process.Value.Sigma(time));
            var x = Enumerable.Range(0, dimensions).Select(_ => (3 * Mixtures.Uniform(random)) - 1.5).ToArray();
            var (value, gradient) = Quadrature(p, q, x, alpha, sigma);

            var (own, due) = (new double[dimensions], new double[dimensions]);
            p.Score(x, own, alpha, sigma);
            q.Score(x, due, alpha, sigma);
            var ratio = new MixtureRatio(p, q, Schedule);
            var (points, t) = (Tensor.From(x, 1, dimensions), Tensor.From([time], 1));
            ratio.LogExpectation(points, t).Item().ShouldBe(Math.Log(value), 1e-7);
            var closed = ratio.Gradient(points, t).ToArray<double>();
            for (var k = 0; k < dimensions; k++)
            {
                (own[k] + (gradient[k] / value)).ShouldBe(due[k], 1e-5, $"round {round}, t = {time}");
                closed[k].ShouldBe(gradient[k] / value, 1e-5);
            }
        }
    });

    /// <summary>Guiding the source's perfect denoiser gives the target's, in any sampler and for every prediction type.</summary>
    [Theory]
    [InlineData(PredictionType.Epsilon)]
    [InlineData(PredictionType.Sample)]
    [InlineData(PredictionType.VPrediction)]
    public void The_guided_source_denoises_as_the_target(PredictionType type) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(Schedule.Options with { PredictionType = type });
        var ratio = new MixtureRatio(Mixtures.Source, Mixtures.Target, schedule);
        var guided = new GuidedDenoiser(new MixtureOracle(Mixtures.Source, schedule), schedule, new Guidance((x, t, _) => ratio.Gradient(x, t)));
        var target = new MixtureOracle(Mixtures.Target, schedule);
        var items = Enumerable.Range(0, 64).Select(i => (long)i).ToArray();
        var x = new KeyedRandom(5, "x").Normal(0, items, [2], DType.Float64);
        var t = schedule.DrawTimes(new KeyedRandom(5, "t"), items) * 0.98 + 0.01;
        (guided.Predict(x, t) - target.Predict(x, t)).Abs().Max().Item().ShouldBeLessThan(1e-9);

        var (start, noise) = Noise.Keyed(6, items, [2]);
        foreach (var sampler in (Sampler[])[Sampler.Ddim(20), Sampler.Ddpm(20), Sampler.DpmSolver(10), Sampler.DpmSolver2(10)])
        {
            var (one, other) = (sampler.Sample(guided, schedule, start, noise), sampler.Sample(target, schedule, start, noise));
            (one - other).Abs().Max().Item().ShouldBeLessThan(2e-4, sampler.Name);
        }
    });

    [Fact]
    public void The_ratio_of_clean_points_is_that_of_the_densities() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var ratio = new MixtureRatio(Mixtures.Source, Mixtures.Target, Schedule);
        ratio.LogRatio([0.0, 0.3]).ShouldBe(0, 1e-12); // symmetric: both are as dense on the axes
        ratio.LogRatio([0.5, -0.5]).ShouldBeGreaterThan(4);
        var logs = ratio.LogRatio(Tensor.From([0.5, -0.5, 0.5, 0.5], 2, 2)).ToArray<double>();
        logs[0].ShouldBe(-logs[1], 1e-12);
        logs[0].ShouldBe(ratio.LogRatio([0.5, -0.5]), 1e-12);
    });

    /// <summary>
    /// ∫ p(x_0 | x)·q(x_0)/p(x_0) dx_0 and its gradient in x, on a grid: the posterior by Bayes' rule, normalised on the grid, and the
    /// gradient by that of the posterior, ∇p(x_0 | x) = p(x_0 | x)·(s(x_0) − E[s | x]), s = −(x − αx_0)/σ².
    /// </summary>
    private static (double Value, double[] Gradient) Quadrature(GaussianMixture p, GaussianMixture q, double[] x, double alpha, double sigma)
    {
        const double Reach = 7;
        var step = x.Length == 1 ? 2e-3 : Math.Min(0.05, 0.25 * sigma / alpha);
        var n = (int)(2 * Reach / step);
        var (mass, value) = (0.0, 0.0);
        var (scores, weighted) = (new double[x.Length], new double[x.Length]);
        var x0 = new double[x.Length];
        for (var cell = 0L; cell < (long)Math.Pow(n, x.Length); cell++)
        {
            var (rest, distance) = (cell, 0.0);
            for (var k = 0; k < x.Length; k++)
            {
                x0[k] = -Reach + (step * (rest % n));
                rest /= n;
                distance += (x[k] - (alpha * x0[k])) * (x[k] - (alpha * x0[k]));
            }

            if (distance / (2 * sigma * sigma) > 60)
                continue; // beyond rounding
            var prior = p.LogDensity(x0);
            var posterior = Math.Exp(prior - (distance / (2 * sigma * sigma)));
            var ratio = Math.Exp(q.LogDensity(x0) - prior);
            mass += posterior;
            value += posterior * ratio;
            for (var k = 0; k < x.Length; k++)
            {
                var s = -(x[k] - (alpha * x0[k])) / (sigma * sigma);
                scores[k] += posterior * s;
                weighted[k] += posterior * ratio * s;
            }
        }

        return (value / mass, [.. Enumerable.Range(0, x.Length).Select(k => (weighted[k] / mass) - (value / mass * scores[k] / mass))]);
    }
}
