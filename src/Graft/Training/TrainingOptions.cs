using Graft.Torch;

namespace Graft.Training;

/// <summary>How the learning rate runs after its warm-up.</summary>
public enum LearningRateDecay
{
    /// <summary>It stays.</summary>
    Constant,

    /// <summary>Half a cosine that would reach 0 one step after the last, over <see cref="TrainingOptions.DecayFraction"/> of the steps.</summary>
    Cosine,

    /// <summary>A line that would reach 0 one step after the last, over <see cref="TrainingOptions.DecayFraction"/> of the steps.</summary>
    Linear,
}

/// <summary>Settings of the training loop, the same for every method. Recipes and the command line use the same names in snake_case.</summary>
public sealed record TrainingOptions
{
    /// <summary>Optimiser steps in all.</summary>
    public long Steps { get; init; } = 1000;

    /// <summary>Items of an optimiser step.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>Equal parts a batch is worked through in, to save memory: gradients are summed. Several processes share them out.</summary>
    public int Accumulation { get; init; } = 1;

    /// <summary>
    /// Whether the network's blocks keep only their outputs for the backward pass and are computed again in it (<see cref="Recomputation"/>): less
    /// memory, about a third more time. Only for networks that denoise, all but those of points.
    /// </summary>
    public bool RecomputeBlocks { get; init; }

    /// <summary>Learning rate after the warm-up.</summary>
    public double LearningRate { get; init; } = 1e-4;

    /// <summary>Steps in which the learning rate rises from 0.</summary>
    public long WarmupSteps { get; init; }

    /// <summary>What follows the warm-up.</summary>
    public LearningRateDecay Decay { get; init; } = LearningRateDecay.Constant;

    /// <summary>Share of the steps, the last ones, in which the learning rate falls; before, it stays, so that a run can be prolonged.</summary>
    public double DecayFraction { get; init; } = 1;

    /// <summary>Largest global norm of the gradients; 0 does not clip.</summary>
    public double MaxGradientNorm { get; init; } = 1;

    /// <summary>Decoupled weight decay.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>AdamW's decay of the gradients' mean.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's decay of the squared gradients' mean.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Largest decay of the weights' moving average; 0 keeps none.</summary>
    public double EmaDecay { get; init; } = 0.9999;

    /// <summary>Exponent of the average's warm-up: decay = 1 - (1 + step)^-power, up to <see cref="EmaDecay"/> (diffusers' rule, inv_gamma 1).</summary>
    public double EmaPower { get; init; } = 0.75;

    /// <summary>λ of L_hybrid = L_simple + λ·L_vlb, for networks that learn the variance (Nichol and Dhariwal 2021, section 3.1).</summary>
    public double VlbWeight { get; init; } = 0.001;

    /// <summary>Seed of everything that is drawn.</summary>
    public long Seed { get; init; }

    /// <summary>Whether pictures are mirrored at random.</summary>
    public bool Flip { get; init; }

    /// <summary>Steps between lines of the log.</summary>
    public long LogEvery { get; init; } = 1;

    /// <summary>Steps between checkpoints; 0: only at the end and when stopped.</summary>
    public long CheckpointEvery { get; init; } = 500;

    /// <summary>Checkpoints that are kept, the newest.</summary>
    public int KeepCheckpoints { get; init; } = 2;

    /// <summary>Steps between sample grids; 0: none on the way.</summary>
    public long SampleEvery { get; init; }

    /// <summary>Pictures of a grid.</summary>
    public int SampleCount { get; init; } = 16;

    /// <summary>DDIM steps of a grid.</summary>
    public int SampleSteps { get; init; } = 25;

    /// <summary>Whether TensorBoard events are written beside the log: what the log holds, and the sample grids.</summary>
    public bool Tensorboard { get; init; }

    /// <summary>Steps between readings of the memorisation meter; 0: none; null: as often as sample grids.</summary>
    public long? MeterEvery { get; init; }

    /// <summary>Samples of a reading, drawn from the same noise each time with <see cref="SampleSteps"/> DDIM steps.</summary>
    public int MeterCount { get; init; } = 32;

    /// <summary>
    /// Share of memorised samples in a reading at which the run ends; null: it does not. It then ends as the newest checkpoint whose
    /// own reading lies below; where there is none, as it stands.
    /// </summary>
    public double? StopWhenMemorised { get; init; }

    /// <summary>Share of the items that nothing is trained on, at least one of them; 0: all are trained on.</summary>
    public double HeldOut { get; init; }

    /// <summary>Steps between looks at the loss on held-out items; the run then ends as its best model, not its last. 0: none.</summary>
    public long ValidateEvery { get; init; }

    /// <summary>
    /// Draws of item, noise and time that a look averages over, the same in every look. A loss that few draws decide, as a density
    /// ratio's, asks for thousands.
    /// </summary>
    public int ValidationDraws { get; init; } = 256;

    /// <summary>Looks without a better value after which the run ends; 0: it goes to the last step.</summary>
    public long Patience { get; init; }

    /// <summary>Checks that the values make sense together.</summary>
    /// <exception cref="InputException">One does not; the sentence names it.</exception>
    public void Validate()
    {
        Require(Steps >= 1, nameof(Steps), "at least 1");
        Require(BatchSize >= 1, nameof(BatchSize), "at least 1");
        Require(Accumulation >= 1 && BatchSize % Accumulation == 0, nameof(Accumulation), $"a divisor of the batch size {BatchSize}");
        Require(LearningRate > 0 && double.IsFinite(LearningRate), nameof(LearningRate), "above 0");
        Require(WarmupSteps >= 0, nameof(WarmupSteps), "at least 0");
        Require(DecayFraction is > 0 and <= 1, nameof(DecayFraction), "in (0, 1]");
        Require(MaxGradientNorm >= 0 && double.IsFinite(MaxGradientNorm), nameof(MaxGradientNorm), "at least 0");
        Require(WeightDecay >= 0 && double.IsFinite(WeightDecay), nameof(WeightDecay), "at least 0");
        Require(Beta1 is >= 0 and < 1, nameof(Beta1), "in [0, 1)");
        Require(Beta2 is >= 0 and < 1, nameof(Beta2), "in [0, 1)");
        Require(EmaDecay is >= 0 and < 1, nameof(EmaDecay), "in [0, 1)");
        Require(EmaPower > 0 && double.IsFinite(EmaPower), nameof(EmaPower), "above 0");
        Require(VlbWeight >= 0 && double.IsFinite(VlbWeight), nameof(VlbWeight), "at least 0");
        Require(LogEvery >= 1, nameof(LogEvery), "at least 1");
        Require(CheckpointEvery >= 0, nameof(CheckpointEvery), "at least 0");
        Require(KeepCheckpoints >= 1, nameof(KeepCheckpoints), "at least 1");
        Require(SampleEvery >= 0, nameof(SampleEvery), "at least 0");
        Require(SampleCount >= 1, nameof(SampleCount), "at least 1");
        Require(SampleSteps >= 1, nameof(SampleSteps), "at least 1");
        Require(MeterEvery is null or >= 0, nameof(MeterEvery), "at least 0");
        Require(MeterCount >= 1, nameof(MeterCount), "at least 1");
        Require(HeldOut is >= 0 and < 1, nameof(HeldOut), "in [0, 1)");
        Require(ValidateEvery == 0 || HeldOut > 0, nameof(HeldOut), "above 0, since validate_every looks at held-out items");
        Require(ValidateEvery >= 0, nameof(ValidateEvery), "at least 0");
        Require(ValidationDraws >= 1, nameof(ValidationDraws), "at least 1");
        Require(Patience >= 0, nameof(Patience), "at least 0");
        Require(StopWhenMemorised is null or (> 0 and <= 1), nameof(StopWhenMemorised), "in (0, 1]");
        Require(StopWhenMemorised is null || MeterPeriod > 0, nameof(MeterEvery), "above 0, since stop_when_memorised needs its readings");

        static void Require(bool condition, string name, string bound)
        {
            if (!condition)
                throw new InputException($"The training option {System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(name)} must be {bound}.");
        }
    }

    /// <summary>Learning rate of a step, counted from 0.</summary>
    public double LearningRateAt(long step)
    {
        if (step < WarmupSteps)
            return LearningRate * (step + 1) / WarmupSteps;
        var begin = Math.Max(WarmupSteps, Steps * (1 - DecayFraction));
        var part = Math.Clamp((step - begin) / Math.Max(1, Steps - begin), 0, 1);
        return Decay switch
        {
            LearningRateDecay.Cosine => LearningRate * 0.5 * (1 + Math.Cos(Math.PI * part)),
            LearningRateDecay.Linear => LearningRate * (1 - part),
            _ => LearningRate,
        };
    }

    /// <summary>Decay of the weights' moving average at a step, counted from 0: 0 at first, so that the average starts as the weights.</summary>
    public double EmaDecayAt(long step) => step == 0 ? 0 : Math.Min(EmaDecay, 1 - Math.Pow(1 + step, -EmaPower));

    /// <summary>Steps between readings of the meter; 0: none.</summary>
    internal long MeterPeriod => MeterEvery ?? SampleEvery;

    internal AdamWOptions Optimiser => new()
    {
        Beta1 = Beta1,
        Beta2 = Beta2,
        WeightDecay = WeightDecay,
        MaxGradientNorm = MaxGradientNorm,
    };
}
