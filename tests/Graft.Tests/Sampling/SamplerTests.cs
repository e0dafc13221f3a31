using Graft.Diffusion;
using Graft.Sampling;
using Graft.Torch;

namespace Graft.Tests.Sampling;

public class SamplerTests
{
    private const double Mean = 0.3;
    private const double Deviation = 0.5;

    private static readonly ScheduleOptions Unclipped = new() { ClipSample = false };

    /// <summary>Without noise, DDIM follows an ODE whose exact map for normal data is x_0 = μ + s·(x_T − α·μ)/√(α²s² + σ²).</summary>
    [Theory]
    [InlineData(PredictionType.Epsilon, TimestepSpacing.Trailing)]
    [InlineData(PredictionType.Sample, TimestepSpacing.Linspace)]
    [InlineData(PredictionType.VPrediction, TimestepSpacing.Trailing)]
    public void Ddim_maps_noise_to_normal_data_exactly(PredictionType type, TimestepSpacing spacing) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(Unclipped with { PredictionType = type, TimestepSpacing = spacing });
        var (xT, noise) = Noise.Keyed(5, [0, 1, 2, 3], [1, 64, 64]);
        var samples = Sampler.Ddim(500).Sample(new GaussianDenoiser(schedule, Mean, Deviation), schedule, xT, noise);
        var signal = schedule.AlphasCumulative[^1];
        var exact = ((xT - (Math.Sqrt(signal) * Mean)) * (Deviation / Math.Sqrt((signal * Deviation * Deviation) + 1 - signal))) + Mean;
        (samples - exact).Abs().Max().Item().ShouldBeLessThan(0.02);
        Moments(samples);
    });

    [Theory]
    [InlineData("ddim", 0.0)]
    [InlineData("ddim", 0.5)]
    [InlineData("ddim", 1.0)]
    [InlineData("ddpm", 0.0)]
    public void Samples_of_normal_data_have_its_mean_and_variance(string name, double eta) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(Unclipped);
        var (xT, noise) = Noise.Keyed(6, [0, 1, 2, 3], [1, 64, 64]);
        Moments(Sampler.Parse(name, 1000, eta).Sample(new GaussianDenoiser(schedule, Mean, Deviation), schedule, xT, noise));
    });

    [Theory]
    [InlineData("ddim", 0.0)]
    [InlineData("ddim", 1.0)]
    [InlineData("ddpm", 0.0)]
    [InlineData("dpm-solver++", 0.0)]
    public void A_sample_does_not_depend_on_its_batch(string name, double eta) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(Unclipped);
        float[] Draw(long[] items, int row)
        {
            using var inner = new TensorScope();
            var (xT, noise) = Noise.Keyed(7, items, [3, 8, 8]);
            return Sampler.Parse(name, 10, eta).Sample(new GaussianDenoiser(schedule, Mean, Deviation), schedule, xT, noise)
                .Select(0, row).ToArray<float>();
        }

        var alone = Draw([7], 0);
        Draw([3, 7, 9], 1).ShouldBe(alone);
        Draw([7, 1], 0).ShouldBe(alone);
        Draw([3, 7, 9], 0).ShouldNotBe(alone);
    });

    [Fact]
    public void Memory_is_flat_and_gradients_are_off_unless_the_denoiser_asks() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(new ScheduleOptions());
        var (xT, noise) = Noise.Keyed(8, [0, 1], [3, 4, 4]);
        var denoiser = new Guided();
        var live = new List<long>();
        var before = TorchRuntime.LiveTensors;
        var samples = Sampler.Ddpm(20).Sample(denoiser, schedule, xT, noise, onStep: _ => live.Add(TorchRuntime.LiveTensors));
        TorchRuntime.LiveTensors.ShouldBe(before + 1);
        live[1..^1].Distinct().Count().ShouldBe(1);
        samples.RequiresGrad.ShouldBeFalse();
        denoiser.Enabled.ShouldBeFalse();
        xT.IsDisposed.ShouldBeFalse();
    });

    [Fact]
    public void A_cancelled_run_stops_and_leaves_nothing() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var source = new CancellationTokenSource();
        var schedule = new NoiseSchedule(new ScheduleOptions());
        var (xT, noise) = Noise.Keyed(8, [0], [1, 4]);
        var before = TorchRuntime.LiveTensors;
        var steps = 0;
        Should.Throw<OperationCanceledException>(() => Sampler.Ddim(20).Sample(
            new GaussianDenoiser(schedule, 0, 1), schedule, xT, noise, null, _ => Cancel(), source.Token));
        steps.ShouldBe(3);
        TorchRuntime.LiveTensors.ShouldBe(before);

        void Cancel()
        {
            if (++steps == 3)
                source.Cancel();
        }
    });

    [Fact]
    public void Listed_steps_go_to_the_next_in_the_list() => TorchRuntime.Run(() =>
    {
        // 7 does not divide 1000: from the last step, 142, diffusers' uniform way of 142 ends at step 0, whose noise stays.
        using var scope = new TensorScope();
        var options = Unclipped with { TimestepSpacing = TimestepSpacing.Trailing, PredictionType = PredictionType.Sample };
        var (xT, noise) = Noise.Keyed(9, [0], [1, 16]);
        float Last(PreviousTimestep previous)
        {
            var schedule = new NoiseSchedule(options with { PreviousTimestep = previous });
            var difference = 0f;
            Sampler.Ddim(7).Sample(new GaussianDenoiser(schedule, Mean, Deviation), schedule, xT, noise, onStep: step =>
                difference = (float)(step.Sample - step.PredictedOriginal).Abs().Max().Item());
            return difference;
        }

        Last(PreviousTimestep.Listed).ShouldBe(0);
        Last(PreviousTimestep.Uniform).ShouldBeGreaterThan(0);
    });

    [Fact]
    public void What_cannot_be_sampled_is_refused() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(Unclipped);
        var (xT, noise) = Noise.Keyed(10, [0], [1, 4]);
        var denoiser = new GaussianDenoiser(schedule, 0, 1);
        Should.Throw<InputException>(() => Sampler.Parse("euler", 10)).Message.ShouldContain("ddim or ddpm");
        Should.Throw<InputException>(() => Sampler.Ddim(0));
        Should.Throw<InputException>(() => Sampler.Ddim(10, 1.5)).Message.ShouldContain("eta");
        Should.Throw<InputException>(() => Sampler.Ddim(1001).Sample(denoiser, schedule, xT, noise));
        Should.Throw<InputException>(() => (Sampler.Ddpm() with { Timesteps = [5, 5] }).Sample(denoiser, schedule, xT, noise));
        Should.Throw<InputException>(() => (Sampler.Ddpm() with { Timesteps = [1000, 5] }).Sample(denoiser, schedule, xT, noise));

        var learned = new NoiseSchedule(Unclipped with { VarianceType = VarianceType.LearnedRange });
        Should.Throw<InputException>(() => Sampler.Ddpm(10).Sample(denoiser, learned, xT, noise)).Message.ShouldContain("variance_type");
        var silent = new NoiseSchedule(Unclipped with { RescaleBetasZeroSnr = true, TimestepSpacing = TimestepSpacing.Trailing });
        Should.Throw<InputException>(() => Sampler.Ddim(10).Sample(denoiser, silent, xT, noise)).Message.ShouldContain("v_prediction");
        Should.Throw<ArgumentException>(() => noise(0, [2, 1, 4]));
    });

    /// <summary>16384 numbers: the mean's standard error is 0.004, the deviation's 0.003; respacing adds less.</summary>
    private static void Moments(Tensor samples)
    {
        var values = samples.ToArray<float>();
        var mean = values.Average(v => (double)v);
        mean.ShouldBe(Mean, 0.015);
        Math.Sqrt(values.Average(v => (v - mean) * (v - mean))).ShouldBe(Deviation, 0.015);
    }

    /// <summary>Opens its own gradient scope, as guidance does.</summary>
    private sealed class Guided : IDenoiser
    {
        public bool Enabled { get; private set; }

        public Tensor Predict(Tensor x, Tensor t, Condition? condition = null)
        {
            Enabled |= Autograd.IsEnabled;
            using var mode = Autograd.WithGrad();
            var leaf = x.Detach();
            leaf.RequiresGrad = true;
            return Autograd.Gradients((leaf * leaf).Sum() * 0.5, [leaf])[0];
        }
    }
}
