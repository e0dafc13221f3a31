using Graft.Diffusion;
using Graft.Sampling;
using Graft.Torch;

namespace Graft.Tests.Sampling;

/// <summary>
/// A prior N(m, s²) and a label y ~ N(x_0, τ²): log p(y | x_t), its gradient and the posterior N(m′, s′²) are known, so that the
/// guided prior must be the exact model of the posterior.
/// </summary>
public class GuidanceTests
{
    private const double Mean = 0.3;
    private const double Deviation = 0.5;
    private const double Label = -0.4;
    private const double LabelDeviation = 0.6;
    private const double Spread = (Deviation * Deviation) + (LabelDeviation * LabelDeviation);
    private const double PosteriorMean = ((Mean * LabelDeviation * LabelDeviation) + (Label * Deviation * Deviation)) / Spread;

    private static readonly double PosteriorDeviation = Math.Sqrt(Deviation * Deviation * LabelDeviation * LabelDeviation / Spread);

    [Theory]
    [InlineData(PredictionType.Epsilon)]
    [InlineData(PredictionType.Sample)]
    [InlineData(PredictionType.VPrediction)]
    [InlineData(PredictionType.PreviousSample)]
    public void A_guided_prior_is_the_posterior(PredictionType type) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(new ScheduleOptions { PredictionType = type });
        var plain = new NoiseSchedule(new ScheduleOptions());
        var x = new KeyedRandom(1, "test").Normal(0, [0], [2, 3, 3], DType.Float64);
        foreach (var step in new[] { 0L, 10, 500, 999 })
        {
            var t = Tensor.From([step], 1);
            Tensor Exact(double mean, double deviation)
            {
                var noise = new GaussianDenoiser(plain, mean, deviation).Predict(x, t);
                return schedule.At(t, x).Target(type, plain.At(t, x).OriginalFromNoise(noise, x), noise);
            }

            foreach (var guidance in new[] { new Guidance(Gradient(schedule)), Guidance.Of(LogProbability(schedule)) })
            {
                var guided = new GuidedDenoiser(new Fixed(Exact(Mean, Deviation)), schedule, guidance);
                (guided.Predict(x, t) - Exact(PosteriorMean, PosteriorDeviation)).Abs().Max().Item().ShouldBeLessThan(1e-9, $"{step}");
            }

            var off = new GuidedDenoiser(new Fixed(Exact(Mean, Deviation)), schedule, new Guidance(Gradient(schedule), 0));
            off.Predict(x, t).ToArray<double>().ShouldBe(Exact(Mean, Deviation).ToArray<double>());
        }
    });

    [Theory]
    [InlineData("ddim", 100)]
    [InlineData("ddpm", 1000)]
    [InlineData("dpm-solver++", 25)]
    public void Guidance_in_the_score_works_in_every_sampler(string sampler, int steps) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(new ScheduleOptions { ClipSample = false });
        var (xT, noise) = Noise.Keyed(2, [0, 1], [1, 32, 32]);
        var how = Sampler.Parse(sampler, steps);
        var guided = how.Sample(new GuidedDenoiser(new GaussianDenoiser(schedule, Mean, Deviation), schedule, Guidance.Of(LogProbability(schedule))), schedule, xT, noise);
        var exact = how.Sample(new GaussianDenoiser(schedule, PosteriorMean, PosteriorDeviation), schedule, xT, noise);
        (guided - exact).Abs().Max().Item().ShouldBeLessThan(1e-3);
    });

    /// <summary>Algorithm 1 is exact in the limit of small steps only: with all 1000, mean and deviation of the posterior come out.</summary>
    [Theory]
    [InlineData(VarianceType.FixedSmall)]
    [InlineData(VarianceType.FixedLarge)]
    public void Guidance_in_the_mean_gives_the_posterior(VarianceType variance) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(new ScheduleOptions { ClipSample = false, VarianceType = variance });
        var (xT, noise) = Noise.Keyed(3, [0, 1, 2, 3], [1, 64, 64]);
        var values = new DdpmSampler { Guidance = new Guidance(Gradient(schedule)) }
            .Sample(new GaussianDenoiser(schedule, Mean, Deviation), schedule, xT, noise).ToArray<float>();
        var mean = values.Average(v => (double)v);
        mean.ShouldBe(PosteriorMean, 0.02);
        Math.Sqrt(values.Average(v => (v - mean) * (v - mean))).ShouldBe(PosteriorDeviation, 0.02);
    });

    /// <summary>One update by hand: the gradient times the variance moves the mean.</summary>
    [Fact]
    public void Guidance_in_the_mean_is_algorithm_1() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var options = new ScheduleOptions { ClipSample = false, VarianceType = VarianceType.LearnedRange };
        var schedule = new NoiseSchedule(options);
        var (xT, noise) = Noise.Keyed(4, [0, 1], [1, 2, 2]);
        var one = Tensor.Ones([2, 1, 2, 2]);
        List<float[]> Run(Guidance? guidance, bool learned)
        {
            var states = new List<float[]>();
            var model = new Fixed(learned ? Tensor.Cat([one * 0.1, one * 0.5], 1) : one * 0.1);
            (new DdpmSampler { Timesteps = [900, 400], Guidance = guidance })
                .Sample(model, learned ? schedule : new NoiseSchedule(options with { VarianceType = VarianceType.FixedLarge }), xT, noise, onStep: s => states.Add(s.Sample.ToArray<float>()));
            return states;
        }

        var two = new Guidance((x, _, _) => Tensor.Ones(x.Shape.ToArray()), 2);
        var process = new ReverseProcess(schedule, [900, 400]);
        var posterior = process.Posterior(900);
        var variance = Math.Exp((0.75 * Math.Log(posterior.Beta)) + (0.25 * Math.Log(posterior.Variance)));
        Run(two, true)[0].Zip(Run(null, true)[0], (a, b) => a - b).ShouldAllBe(d => Math.Abs(d - (2 * variance)) < 1e-5);
        Run(two, false)[0].Zip(Run(null, false)[0], (a, b) => a - b).ShouldAllBe(d => Math.Abs(d - (2 * posterior.Beta)) < 1e-5);

        // The last update adds no noise; its mean moves by the variance that the process has there.
        var last = new ReverseProcess(new NoiseSchedule(options with { VarianceType = VarianceType.FixedLarge }), [900, 400]);
        var coefficient = schedule.Posterior(400, -1);
        var original = 1 / Math.Sqrt(schedule.AlphasCumulative[400]); // of a change of x_t in x̂_0
        var passed = 2 * posterior.Beta * ((coefficient.OriginalCoefficient * original) + coefficient.CurrentCoefficient);
        Run(two, false)[1].Zip(Run(null, false)[1], (a, b) => a - b).ShouldAllBe(d => Math.Abs(d - passed - (2 * Math.Exp(last.LogLower(400)))) < 1e-4);
    });

    [Fact]
    public void Clipping_before_guidance_is_as_openai_does_it() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(new ScheduleOptions());
        var (t, x) = (Tensor.From([700L], 1), Tensor.Full(2.0, [1, 1, 2, 2], DType.Float64));
        var model = new Fixed(Tensor.Full(-0.5, [1, 1, 2, 2], DType.Float64));
        var guided = new GuidedDenoiser(model, schedule, new Guidance((at, _, _) => at * 0.1, 3)) { Clipping = Clipping.To(1) };
        var level = schedule.At(700);
        var due = (2 - level.Alpha.Item()) / level.Sigma.Item(); // x̂_0 is clipped to 1
        guided.Predict(x, t).ToArray<double>().ShouldAllBe(e => Math.Abs(e - (due - (level.Sigma.Item() * 3 * 0.2))) < 1e-12);
        var learned = new GuidedDenoiser(new Fixed(Tensor.Full(-0.5, [1, 2, 2, 2], DType.Float64)), schedule, new Guidance((at, _, _) => at * 0.1, 3));
        learned.Predict(x, t).Slice(1, 1, 2).ToArray<double>().ShouldAllBe(v => v == -0.5);
    });

    [Fact]
    public void A_sampler_clips_as_it_is_told() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var steps = new NoiseSchedule(new ScheduleOptions { PredictionType = PredictionType.Sample });
        var continuous = new NoiseSchedule(steps.Options with { BetaSchedule = BetaSchedule.ContinuousVp });
        var (xT, noise) = Noise.Keyed(3, [0], [1, 1, 4]);
        var model = new Fixed(Tensor.From([0.5f, 1, 2, 4], 1, 1, 1, 4));
        float[] Predicted(Sampler sampler, Clipping? clipping)
        {
            float[] seen = [];
            (sampler with { Clipping = clipping }).Sample(model, sampler is DpmSolverSinglestepSampler ? continuous : steps, xT, noise, onStep: s => seen = s.PredictedOriginal.ToArray<float>());
            return seen;
        }

        foreach (var name in Sampler.Names)
        {
            var sampler = Sampler.Parse(name, 2);
            Predicted(sampler, null).ShouldBe([0.5f, 1, 1, 1], name); // as the schedule says
            Predicted(sampler, Clipping.None).ShouldBe([0.5f, 1, 2, 4], name);
            Predicted(sampler, Clipping.To(2)).ShouldBe([0.5f, 1, 2, 2], name);
            Predicted(sampler, Clipping.Dynamic(1)).ShouldBe([0.125f, 0.25f, 0.5f, 1], name);
            Predicted(sampler, Clipping.Dynamic(1, largest: 2)).ShouldBe([0.25f, 0.5f, 1, 1], name);
        }

        Should.Throw<InputException>(() => Clipping.To(0));
        Should.Throw<InputException>(() => Clipping.Dynamic(1.5)).Message.ShouldContain("quantile");
        Should.Throw<InputException>(() => Clipping.Dynamic(0.9, 2, 1));
    });

    /// <summary>The mean and variance of x_0 given x_t.</summary>
    private static (Tensor Mean, double Variance, double Slope) Original(NoiseSchedule schedule, Tensor x, Tensor t)
    {
        var signal = schedule.AlphasCumulative[(int)t.ToArray<long>()[0]];
        var total = (signal * Deviation * Deviation) + 1 - signal;
        var slope = Math.Sqrt(signal) * Deviation * Deviation / total;
        return (((x - (Math.Sqrt(signal) * Mean)) * slope) + Mean, Deviation * Deviation * (1 - signal) / total, slope);
    }

    private static GuidanceGradient LogProbability(NoiseSchedule schedule) => (x, t, _) =>
    {
        var (mean, variance, _) = Original(schedule, x, t);
        return ((mean - Label).Square() * (-0.5 / (variance + (LabelDeviation * LabelDeviation)))).Flatten(1).Sum([1]);
    };

    private static GuidanceGradient Gradient(NoiseSchedule schedule) => (x, t, _) =>
    {
        var (mean, variance, slope) = Original(schedule, x, t);
        return (mean - Label) * (-slope / (variance + (LabelDeviation * LabelDeviation)));
    };

    /// <summary>Gives the same whatever it is asked.</summary>
    private sealed class Fixed(Tensor output) : IDenoiser
    {
        public Tensor Predict(Tensor x, Tensor t, Condition? condition = null) => output;
    }
}
