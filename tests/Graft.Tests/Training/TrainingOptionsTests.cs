using Graft.Training;

namespace Graft.Tests.Training;

public class TrainingOptionsTests
{
    [Theory]
    [InlineData(LearningRateDecay.Constant, 0, 0.25)] // warm-up: (step + 1) / 4
    [InlineData(LearningRateDecay.Constant, 3, 1)]
    [InlineData(LearningRateDecay.Constant, 19, 1)]
    [InlineData(LearningRateDecay.Linear, 1, 0.5)]
    [InlineData(LearningRateDecay.Linear, 9, 1)]
    [InlineData(LearningRateDecay.Linear, 10, 1)] // falls over the last half, from step 10
    [InlineData(LearningRateDecay.Linear, 15, 0.5)]
    [InlineData(LearningRateDecay.Linear, 19, 0.1)]
    [InlineData(LearningRateDecay.Linear, 20, 0)]
    [InlineData(LearningRateDecay.Cosine, 9, 1)]
    [InlineData(LearningRateDecay.Cosine, 15, 0.5)]
    [InlineData(LearningRateDecay.Cosine, 18, 0.095491502812526274)] // (1 + cos 0.8π) / 2
    [InlineData(LearningRateDecay.Cosine, 20, 0)]
    public void The_learning_rate_rises_stays_and_falls(LearningRateDecay decay, long step, double part)
    {
        var options = new TrainingOptions { Steps = 20, LearningRate = 3e-4, WarmupSteps = 4, Decay = decay, DecayFraction = 0.5 };
        options.LearningRateAt(step).ShouldBe(3e-4 * part, 1e-18);
    }

    [Fact]
    public void A_warm_up_longer_than_the_run_is_no_division_by_zero() =>
        new TrainingOptions { Steps = 5, LearningRate = 1, WarmupSteps = 10, Decay = LearningRateDecay.Cosine }.LearningRateAt(4).ShouldBe(0.5);

    /// <summary>EMAModel of diffusers with use_ema_warmup, inv_gamma 1; its optimization_step counts from 1.</summary>
    [Fact]
    public void The_average_follows_the_rule_of_diffusers()
    {
        var options = new TrainingOptions { EmaDecay = 0.995, EmaPower = 0.75 };
        foreach (var optimizationStep in (long[])[1, 2, 3, 10, 100, 1000, 10_000])
        {
            var step = Math.Max(0, optimizationStep - 0 - 1);
            var decay = step <= 0 ? 0 : Math.Max(0, Math.Min(1 - Math.Pow(1 + (step / 1.0), -0.75), 0.995));
            options.EmaDecayAt(optimizationStep - 1).ShouldBe(decay);
        }
    }

    [Theory]
    [InlineData("steps")]
    [InlineData("batch_size")]
    [InlineData("accumulation")]
    [InlineData("learning_rate")]
    [InlineData("warmup_steps")]
    [InlineData("decay_fraction")]
    [InlineData("max_gradient_norm")]
    [InlineData("weight_decay")]
    [InlineData("beta1")]
    [InlineData("beta2")]
    [InlineData("ema_decay")]
    [InlineData("ema_power")]
    [InlineData("log_every")]
    [InlineData("checkpoint_every")]
    [InlineData("keep_checkpoints")]
    [InlineData("sample_every")]
    [InlineData("sample_count")]
    [InlineData("sample_steps")]
    [InlineData("meter_every")]
    [InlineData("meter_count")]
    [InlineData("stop_when_memorised")]
    public void What_makes_no_sense_is_refused_by_name(string key)
    {
        var options = Graft.Recipes.Recipe.Bind<TrainingOptions>(new System.Text.Json.Nodes.JsonObject { [key] = -1 }, "training");
        Should.Throw<InputException>(options.Validate).Message.ShouldStartWith($"The training option {key} must be ");
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void Numbers_that_are_none_are_refused(double value)
    {
        Should.Throw<InputException>(() => new TrainingOptions { LearningRate = value }.Validate());
        Should.Throw<InputException>(() => new TrainingOptions { MaxGradientNorm = value }.Validate());
        Should.Throw<InputException>(() => new TrainingOptions { WeightDecay = value }.Validate());
        Should.Throw<InputException>(() => new TrainingOptions { EmaPower = value }.Validate());
    }
}
