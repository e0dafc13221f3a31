using Graft.Diffusion;
using Graft.Formats;
using Graft.Networks;
using Graft.Torch;
using Graft.Training;

namespace Graft.Transfer.GuidedParts;

/// <summary>The stage of a domain classifier, clean (Ouyang et al. 2024, algorithm 1) or aware of noise (algorithm 2).</summary>
internal static class ClassifierStage
{
    private const string WeightsFile = "ratio.safetensors";

    internal static TrainingStage Create(
        string name, RatioNetwork network, DomainBatches data, DomainBatches? validation, NoiseSchedule schedule, double blur, double odds, TrainingOptions options)
    {
        return new TrainingStage
        {
            Name = name,
            Network = network,
            Trainable = [.. network.Parameters()],
            Data = data,
            Options = options,
            Loss = batch =>
            {
                var (loss, log) = Of(batch, blur);
                var right = log.Detach().IsGreater(0).To(DType.Float32);
                var accuracy = (DomainBatches.TargetOf(right).Mean() - DomainBatches.SourceOf(right).Mean() + 1.0) * 0.5;
                return new Loss(loss, ("accuracy", accuracy));
            },
            Validate = validation is null ? null : HeldOutItems.Mean(validation, options, batch => Of(batch, 0).Loss),
            Save = folder => WeightFile.Write(Path.Combine(folder, WeightsFile), network.Parameters()),
            HoldsModel = folder => File.Exists(Path.Combine(folder, WeightsFile)),
        };

        (Tensor Loss, Tensor Log) Of(Batch batch, double blur)
        {
            var x = network.Options.Timed ? schedule.AddNoise(batch.X0, batch.Noise, batch.T)
                : blur > 0 ? batch.X0 + (batch.Noise * blur)
                : batch.X0;
            var log = network.LogRatio(x, batch.T, batch.ClassLabels);
            return (RatioLosses.Domain(DomainBatches.SourceOf(log), DomainBatches.TargetOf(log), odds), log);
        }
    }
}
