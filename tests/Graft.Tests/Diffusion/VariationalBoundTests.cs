using Graft.Diffusion;
using Graft.Tests.Sampling;
using Graft.Torch;

namespace Graft.Tests.Diffusion;

public class VariationalBoundTests
{
    private static readonly KeyedRandom Random = new(4, "test");

    [Theory]
    [InlineData(VarianceType.LearnedRange, PredictionType.Epsilon)]
    [InlineData(VarianceType.LearnedRange, PredictionType.VPrediction)]
    [InlineData(VarianceType.LearnedRange, PredictionType.PreviousSample)]
    [InlineData(VarianceType.Learned, PredictionType.Sample)]
    public void Gradients_are_those_of_finite_differences(VarianceType variance, PredictionType prediction) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var process = new ReverseProcess(new NoiseSchedule(new ScheduleOptions { VarianceType = variance, PredictionType = prediction }));
        var (x0, noise, t) = (Pictures(3, [2, 2, 2]), Random.Normal(1, [0, 1, 2], [2, 2, 2], DType.Float64), Tensor.From([0L, 3, 700], 3));
        var x = process.Schedule.AddNoise(x0, noise, t);

        // Near the truth and of sensible variance: far from both the likelihood is cut off, and has no gradient.
        var truth = process.Schedule.At(t, x0).Target(prediction, x0, noise);
        var learned = variance == VarianceType.Learned ? process.Posterior(x0, x, t).LogVariance : Tensor.Zeros([], DType.Float64);
        var error = prediction is PredictionType.Epsilon or PredictionType.VPrediction ? 0.1 : 0.003;
        var output = Tensor.Cat([truth + (error * Random.Normal(2, [0, 1, 2], [2, 2, 2], DType.Float64)), learned + (0.3 * Random.Normal(3, [0, 1, 2], [2, 2, 2], DType.Float64))], 1);
        Tensor Loss(Tensor y) => process.Term(process.Step(y, x, t, clip: false).Distribution, x0, x, t).PerItem.Sum();

        output.RequiresGrad = true;
        var gradient = Autograd.Gradients(Loss(output), [output])[0].ToArray<double>();
        var values = output.Detach().ToArray<double>();
        gradient.Count(g => g != 0).ShouldBe(gradient.Length);
        const double Step = 1e-5;
        for (var i = 0; i < values.Length; i++)
        {
            double At(double value)
            {
                using var inner = new TensorScope();
                var moved = (double[])values.Clone();
                moved[i] = value;
                return Loss(Tensor.From(moved, 3, 4, 2, 2)).Item();
            }

            var difference = (At(values[i] + Step) - At(values[i] - Step)) / (2 * Step);
            gradient[i].ShouldBe(difference, 1e-6 * Math.Max(1, Math.Abs(difference)), $"element {i}");
        }
    });

    [Fact]
    public void The_bound_trains_the_variance_only() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var process = new ReverseProcess(new NoiseSchedule(new ScheduleOptions { VarianceType = VarianceType.LearnedRange }));
        var (x0, noise, t) = (Pictures(2, [1, 4, 4]), Random.Normal(1, [0, 1], [1, 4, 4], DType.Float64), Tensor.From([5L, 500], 2));
        var x = process.Schedule.AddNoise(x0, noise, t);
        var output = Random.Normal(2, [0, 1], [2, 4, 4], DType.Float64);
        output.RequiresGrad = true;
        var hybrid = Losses.Hybrid(output, x0, noise, x, t, process, vlbWeight: 0.01);
        hybrid.Weight.ShouldBe(10, 1e-12);
        hybrid.Mean.Item().ShouldBe(hybrid.Simple.Mean.Item() + (10 * hybrid.Vlb.Mean.Item()), 1e-9);
        var whole = Autograd.Gradients(hybrid.Mean, [output], retainGraph: true)[0];
        var simple = Autograd.Gradients(Losses.Simple(output, x0, noise, t, process.Schedule).Mean, [output])[0];
        whole.Slice(1, 0, 1).ToArray<double>().ShouldBe(simple.Slice(1, 0, 1).ToArray<double>());
        simple.Slice(1, 1, 2).Abs().Max().Item().ShouldBe(0);
        whole.Slice(1, 1, 2).Abs().Min().Item().ShouldBeGreaterThan(0);
        Should.Throw<InputException>(() => Losses.Hybrid(x, x0, noise, x, t, process)).Message.ShouldContain("variance_type");
    });

    [Fact]
    public void The_probabilities_of_all_levels_sum_to_one() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var levels = Tensor.From([.. Enumerable.Range(0, 256).Select(i => (i / 127.5) - 1)], 1, 256);
        foreach (var (mean, deviation) in new[] { (0.0, 0.3), (0.99, 0.02), (-1.5, 0.5), (0.2, 1e-3), (0.0, 5.0) })
        {
            var gaussian = new Gaussian(Tensor.Scalar(mean, DType.Float64), Tensor.Scalar(2 * Math.Log(deviation), DType.Float64));
            gaussian.DiscretisedLogLikelihood(levels).Exp().Sum().Item().ShouldBe(1, 1e-9, $"{mean}, {deviation}");
        }
    });

    /// <summary>The mass of a narrow bin far out is a difference of numbers near 1: in single precision it must not be lost.</summary>
    [Fact]
    public void Single_precision_equals_double_in_the_tails_and_gradients_stay_finite() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var x = Tensor.From([.. new[] { 0, 1, 20, 100, 127, 128, 200, 254, 255 }.Select(i => (i / 127.5) - 1)], 1, 9);
        foreach (var mean in new[] { -1.2, -0.5, 0.0, 0.5, 1.2 })
        {
            foreach (var log in new[] { 0.0, -3, -6, -12, -46 })
            {
                Tensor Likelihood(DType type, out Tensor leaf)
                {
                    leaf = Tensor.Full(mean, [1, 9], type);
                    leaf.RequiresGrad = true;
                    return new Gaussian(leaf, Tensor.Scalar(log, type)).DiscretisedLogLikelihood(x.To(type));
                }

                var exact = Likelihood(DType.Float64, out _).Detach().ToArray<double>();
                var single = Likelihood(DType.Float32, out var leaf);
                single.Detach().ToArray<float>().Zip(exact, (a, b) => Math.Abs(a - b) / Math.Max(1, Math.Abs(b))).Max().ShouldBeLessThan(5e-3, $"{mean}, {log}");
                Autograd.Gradients(single.Sum(), [leaf])[0].ToArray<float>().ShouldAllBe(g => float.IsFinite(g));
            }
        }
    });

    /// <summary>With the exact mean and variance of normal data nothing is lost: the bound is the entropy, h/ln 2 + log2(127.5) bits a level.</summary>
    [Fact]
    public void The_bound_of_the_exact_model_is_the_entropy_of_its_data() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        const double Mean = 0.1, Deviation = 0.2;
        var process = new ReverseProcess(new NoiseSchedule(new ScheduleOptions
        {
            NumTrainTimesteps = 250, BetaStart = 4e-4, BetaEnd = 0.08, BetaPrecision = BetaPrecision.Double, VarianceType = VarianceType.Learned,
        }));
        var normal = (Random.Normal(9, [0, 1], [1, 64, 64], DType.Float64) * Deviation) + Mean;
        var x0 = (((normal + 1.0) * 127.5).Round().Clamp(0, 255) / 127.5) - 1.0;
        BitsPerDimension Bits(IDenoiser model) =>
            process.BitsPerDimension(model, x0, k => Random.Normal(100 + k, [0, 1], [1, 64, 64], DType.Float64), clip: false);
        var before = TorchRuntime.LiveTensors;
        var bits = Bits(new ExactModel(process, Mean, Deviation));
        TorchRuntime.LiveTensors.ShouldBe(before + 5);
        var entropy = (0.5 * Math.Log2(2 * Math.PI * Math.E * Deviation * Deviation)) + Math.Log2(127.5);
        bits.Total.Mean().Item().ShouldBe(entropy, 0.04);
        bits.Terms.Shape.ToArray().ShouldBe([2, 250]);
        (bits.Terms.Sum([1]) + bits.Prior - bits.Total).Abs().Max().Item().ShouldBeLessThan(1e-12);
        bits.Prior.Max().Item().ShouldBeLessThan(1e-4);

        // A wrong model pays for it.
        var wrong = Bits(new ExactModel(process, Mean + 0.3, Deviation));
        wrong.Total.Mean().Item().ShouldBeGreaterThan(bits.Total.Mean().Item() + 0.5);
        wrong.NoiseError.Mean().Item().ShouldBeGreaterThan(bits.NoiseError.Mean().Item());
    });

    /// <summary>p(x_s | x_t) of normal data: the variance is that of q(x_s | x_t, x_0) and that of x_0 given x_t.</summary>
    private sealed class ExactModel(ReverseProcess process, double mean, double deviation) : IDenoiser
    {
        public Tensor Predict(Tensor x, Tensor t, Condition? condition = null)
        {
            var step = (int)t.ToArray<long>()[0];
            var signal = process.Schedule.AlphasCumulative[step];
            var original = deviation * deviation * (1 - signal) / ((signal * deviation * deviation) + 1 - signal);
            var posterior = process.Posterior(step);
            var variance = posterior.Variance + (posterior.OriginalCoefficient * posterior.OriginalCoefficient * original);
            var noise = new GaussianDenoiser(process.Schedule, mean, deviation).Predict(x, t);
            return Tensor.Cat([noise, Tensor.Full(Math.Log(variance), x.Shape.ToArray(), x.Type)], 1);
        }
    }

    private static Tensor Pictures(int n, long[] shape)
    {
        var noise = Random.Normal(0, [.. Enumerable.Range(0, n).Select(i => (long)i)], shape, DType.Float64);
        return (((noise * 60.0) + 127.0).Round().Clamp(0, 255) / 127.5) - 1.0;
    }
}
