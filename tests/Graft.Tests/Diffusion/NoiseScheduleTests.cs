using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Tests.Diffusion;

public class NoiseScheduleTests
{
    private static readonly KeyedRandom Random = new(1, "test");

    [Theory]
    [InlineData(PredictionType.Epsilon)]
    [InlineData(PredictionType.Sample)]
    [InlineData(PredictionType.VPrediction)]
    [InlineData(PredictionType.PreviousSample)]
    public void A_perfect_output_gives_back_sample_and_noise_and_has_no_loss(PredictionType type) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(new ScheduleOptions { PredictionType = type });
        var t = Tensor.From([1L, 400, 999], 3);
        foreach (var shape in new long[][] { [3, 4, 4], [2, 5], [6] })
        {
            var x0 = Random.Normal(0, [0, 1, 2], shape, DType.Float64);
            var noise = Random.Normal(1, [0, 1, 2], shape, DType.Float64);
            var x = schedule.AddNoise(x0, noise, t);
            var output = schedule.At(t, x0).Target(type, x0, noise);
            x.Type.ShouldBe(DType.Float64);
            (schedule.PredictedOriginal(output, x, t) - x0).Abs().Max().Item().ShouldBeLessThan(1e-11);
            (schedule.PredictedNoise(output, x, t) - noise).Abs().Max().Item().ShouldBeLessThan(1e-11);
            Losses.Simple(output, x0, noise, t, schedule).Mean.Item().ShouldBe(0);
        }
    });

    [Fact]
    public void The_loss_is_a_mean_for_each_item_and_leaves_the_learned_variance_out() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(new ScheduleOptions { VarianceType = VarianceType.LearnedRange });
        var noise = Tensor.Zeros([2, 3, 4, 4]);
        var output = Tensor.Cat([noise + 2.0, noise + 100.0], 1);
        var offsets = Tensor.From([0f, 1], 2, 1, 1, 1);
        var loss = Losses.Simple(output + offsets, noise, noise, Tensor.From([0L, 5], 2), schedule);
        loss.PerItem.ToArray<float>().ShouldBe([4f, 9]);
        loss.Mean.Item().ShouldBe(6.5);
        Should.Throw<InputException>(() => Losses.Simple(Tensor.Zeros([2, 4, 4, 4]), noise, noise, Tensor.From([0L, 5], 2), schedule));
    });

    [Fact]
    public void A_wrong_time_step_is_refused() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(new ScheduleOptions());
        var x = Tensor.Zeros([1, 3]);
        Should.Throw<ArgumentException>(() => schedule.AddNoise(x, x, Tensor.From([1000L], 1)));
        Should.Throw<ArgumentException>(() => schedule.AddNoise(x, x, Tensor.From([-1L], 1)));
        Should.Throw<ArgumentException>(() => schedule.AddNoise(x, x, Tensor.From([1L, 2], 2)));
        Should.Throw<ArgumentException>(() => schedule.AddNoise(x, x, Tensor.From([1f], 1)));
    });

    [Fact]
    public void Zero_terminal_snr_keeps_the_first_step_and_ends_in_noise()
    {
        var options = new ScheduleOptions { BetaSchedule = BetaSchedule.ScaledLinear, BetaStart = 0.00085, BetaEnd = 0.012 };
        var plain = new NoiseSchedule(options);
        var rescaled = new NoiseSchedule(options with { RescaleBetasZeroSnr = true });
        Math.Sqrt(plain.AlphasCumulative[^1]).ShouldBe(0.068265, 1e-6); // Lin et al. 2024, table 1
        plain.TerminalSnr.ShouldBe(0.004682, 1e-6);
        plain.Warning!.ShouldContain("0.068");
        rescaled.TerminalSnr.ShouldBe(0);
        rescaled.AlphasCumulative[^1].ShouldBe(0);
        rescaled.AlphasCumulative[0].ShouldBe(plain.AlphasCumulative[0], 1e-7);
        rescaled.Warning.ShouldBeNull();
        new NoiseSchedule(new ScheduleOptions()).Warning.ShouldBeNull();
        new NoiseSchedule(new ScheduleOptions { NumTrainTimesteps = 50 }).Warning.ShouldNotBeNull();
    }

    [Theory]
    [InlineData(BetaSchedule.Linear)]
    [InlineData(BetaSchedule.ScaledLinear)]
    [InlineData(BetaSchedule.SquaredcosCapV2)]
    [InlineData(BetaSchedule.Sigmoid)]
    [InlineData(BetaSchedule.Laplace)]
    public void Every_schedule_falls_from_sample_to_noise_at_any_length(BetaSchedule kind)
    {
        foreach (var count in new[] { 2, 7, 100, 1003 })
        {
            var schedule = new NoiseSchedule(new ScheduleOptions { BetaSchedule = kind, NumTrainTimesteps = count });
            schedule.Betas.ShouldAllBe(beta => beta > 0 && beta <= 0.999001);
            schedule.AlphasCumulative.Zip(schedule.AlphasCumulative.Skip(1)).ShouldAllBe(pair => pair.First > pair.Second);
        }
    }

    [Fact]
    public void Spacings_follow_table_2_of_Lin_et_al()
    {
        var schedule = new NoiseSchedule(new ScheduleOptions());
        schedule.Timesteps(10, TimestepSpacing.Leading, 1).ShouldBe([901, 801, 701, 601, 501, 401, 301, 201, 101, 1]);
        schedule.Timesteps(10, TimestepSpacing.Linspace).ShouldBe([999, 888, 777, 666, 555, 444, 333, 222, 111, 0]);
        schedule.Timesteps(10, TimestepSpacing.Trailing).ShouldBe([999, 899, 799, 699, 599, 499, 399, 299, 199, 99]);
        Should.Throw<InputException>(() => schedule.Timesteps(0));
        Should.Throw<InputException>(() => schedule.Timesteps(1001));
        Should.Throw<InputException>(() => schedule.Timesteps(1000, TimestepSpacing.Leading, 1));
    }

    [Fact]
    public void A_posterior_of_neighbours_is_equation_7()
    {
        var schedule = new NoiseSchedule(new ScheduleOptions());
        var (beta, now, before) = (schedule.Betas[300], schedule.AlphasCumulative[300], schedule.AlphasCumulative[299]);
        var posterior = schedule.Posterior(300, 299);
        posterior.Beta.ShouldBe(beta, 1e-7);
        posterior.Variance.ShouldBe((1 - before) / (1 - now) * beta, 1e-7);
        posterior.OriginalCoefficient.ShouldBe(Math.Sqrt(before) * beta / (1 - now), 1e-7);
        posterior.CurrentCoefficient.ShouldBe(Math.Sqrt(1 - beta) * (1 - before) / (1 - now), 1e-7);
        schedule.Posterior(0, -1).Variance.ShouldBe(0);
    }
}
