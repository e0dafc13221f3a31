using Graft.Diffusion;
using Graft.Networks;
using Graft.Torch;
using Graft.Training;

namespace Graft.Transfer.GuidedParts;

/// <summary>log of a density ratio for each item, [N]: of clean items (t means nothing), or of noised ones.</summary>
internal delegate Tensor LogRatio(Tensor x, Tensor t, Tensor? labels);

/// <summary>L = L_guidance + η1·L_cycle + η2·L_consistency of a batch of both domains (Ouyang et al. 2024, algorithm 4).</summary>
/// <param name="model">The source, which stays as it is.</param>
/// <param name="network">log h.</param>
/// <param name="clean">log q/p of clean items.</param>
/// <param name="noised">log q_t/p_t of noised ones.</param>
/// <param name="options">Weights and form.</param>
internal sealed class GuidanceLoss(DiffusionModel model, RatioNetwork network, LogRatio clean, LogRatio noised, Guided options)
{
    internal Loss Of(Batch batch)
    {
        var x = model.Schedule.AddNoise(batch.X0, batch.Noise, batch.T);
        var (source, labels) = (DomainBatches.SourceOf(x), batch.ClassLabels is null ? null : DomainBatches.SourceOf(batch.ClassLabels));
        var t = DomainBatches.SourceOf(batch.T);
        Tensor ratio;
        using (Autograd.NoGrad())
            ratio = Limited(clean(DomainBatches.SourceOf(batch.X0), t, labels));
        var guidance = RatioLosses.Regression(network.LogRatio(source, t, labels), ratio, options.RatioLoss);
        var (total, terms) = (guidance, new List<(string, Tensor)> { ("guidance", guidance) });
        if (options.CycleWeight > 0 || options.ConsistencyWeight > 0)
        {
            var target = TargetHalf.Of(batch, x);
            var log = network.LogRatio(target.X, target.T, target.Labels);
            if (options.CycleWeight > 0)
            {
                Tensor marginal;
                using (Autograd.NoGrad())
                    marginal = Limited(noised(target.X, target.T, target.Labels));
                var cycle = RatioLosses.Regression(log, marginal, options.RatioLoss);
                (total, terms) = (total + (cycle * options.CycleWeight), [.. terms, ("cycle", cycle)]);
            }

            if (options.ConsistencyWeight > 0)
            {
                var consistency = Consistency(target, log);
                (total, terms) = (total + (consistency * options.ConsistencyWeight), [.. terms, ("consistency", consistency)]);
            }
        }

        return new Loss(total, [.. terms]);
    }

    /// <summary>The consistency term alone: the denoising loss of the guided model on the target's half.</summary>
    internal Tensor ConsistencyOf(Batch batch)
    {
        var target = TargetHalf.Of(batch, model.Schedule.AddNoise(batch.X0, batch.Noise, batch.T));
        return Consistency(target, network.LogRatio(target.X, target.T, target.Labels));
    }

    private Tensor Consistency(TargetHalf target, Tensor log)
    {
        Tensor sourceNoise;
        using (Autograd.NoGrad())
        {
            var condition = model.Network.Options.IsClassConditional ? new Condition { ClassLabels = target.Labels } : null;
            var x = target.X.Detach();
            sourceNoise = model.Schedule.PredictedNoise(model.Network.Predict(x, target.T, condition), x, target.T);
        }

        var gradient = Autograd.Gradients(log.Sum(), [target.X], createGraph: true)[0];
        return RatioLosses.Consistency(gradient * options.Scale, model.Schedule.At(target.T, target.X).Sigma, target.Noise, sourceNoise);
    }

    private Tensor Limited(Tensor log) => log.Clamp(-options.LogRatioLimit, options.LogRatioLimit);

    /// <summary>The target's half of a batch; its x_t is a leaf that is differentiated by.</summary>
    private readonly record struct TargetHalf(Tensor X, Tensor T, Tensor Noise, Tensor? Labels)
    {
        internal static TargetHalf Of(Batch batch, Tensor noisedItems)
        {
            var x = DomainBatches.TargetOf(noisedItems).Detach();
            x.RequiresGrad = true;
            return new TargetHalf(x, DomainBatches.TargetOf(batch.T), DomainBatches.TargetOf(batch.Noise), batch.ClassLabels is null ? null : DomainBatches.TargetOf(batch.ClassLabels));
        }
    }
}
