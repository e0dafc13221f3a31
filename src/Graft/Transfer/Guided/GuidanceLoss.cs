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
/// <param name="learnt">The labels that the source is told of; null: all.</param>
/// <param name="clean">log q/p of clean items.</param>
/// <param name="noised">log q_t/p_t of noised ones.</param>
/// <param name="options">Weights and form.</param>
internal sealed class GuidanceLoss(DiffusionModel model, RatioNetwork network, LearntLabels? learnt, LogRatio clean, LogRatio noised, Guided options)
{
    /// <param name="batch">Of <see cref="DomainBatches"/>, or of <see cref="GuidanceBatches"/>.</param>
    /// <param name="meanRatio">E_p[q/p] where the batch has a third part, drawn by it; else null.</param>
    internal Loss Of(Batch batch, double? meanRatio)
    {
        var x = model.Schedule.AddNoise(batch.X0, batch.Noise, batch.T);
        var guidance = Regression(batch, x, meanRatio);
        var (total, terms) = (guidance, new List<(string, Tensor)> { ("guidance", guidance) });
        if (options.CycleWeight > 0 || options.ConsistencyWeight > 0)
        {
            var target = Part.Of(batch, x, 1, PartsOf(meanRatio)).Leaf();
            var log = LogOf(target);
            if (options.CycleWeight > 0)
            {
                Tensor marginal;
                using (Autograd.NoGrad())
                    marginal = Limited(noised(target.X, target.T, target.Labels));
                var cycle = RatioLosses.Regression(log, marginal, options.RatioLoss, options.LogisticOdds);
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

    /// <summary>L_guidance alone: what h is fitted to, of the source's items only.</summary>
    /// <inheritdoc cref="Of"/>
    internal Tensor Regression(Batch batch, double? meanRatio) =>
        Regression(batch, model.Schedule.AddNoise(batch.X0, batch.Noise, batch.T), meanRatio);

    private Tensor Regression(Batch batch, Tensor x, double? meanRatio)
    {
        var parts = PartsOf(meanRatio);
        var log = LogOf(Part.Of(batch, x, 0, parts));
        if (meanRatio is { } mean)
            return RatioLosses.Regression(log, LogOf(Part.Of(batch, x, 2, parts)), mean, options.RatioLoss, options.LogisticOdds);
        var items = Part.Of(batch, batch.X0, 0, parts);
        Tensor ratio;
        using (Autograd.NoGrad())
            ratio = Limited(clean(items.X, items.T, items.Labels));
        return RatioLosses.Regression(log, ratio, options.RatioLoss, options.LogisticOdds);
    }

    private static int PartsOf(double? meanRatio) => meanRatio is null ? 2 : 3;

    private Tensor LogOf(Part part) => network.LogRatio(part.X, part.T, part.Labels);

    private Tensor Consistency(Part target, Tensor log)
    {
        Tensor sourceNoise;
        using (Autograd.NoGrad())
        {
            var condition = model.Network.Options.IsClassConditional ? new Condition { ClassLabels = target.Labels } : null;
            var x = target.X.Detach();
            var source = learnt?.Around(model.Network) ?? model.Network;
            sourceNoise = model.Schedule.PredictedNoise(source.Predict(x, target.T, condition), x, target.T);
        }

        var gradient = Autograd.Gradients(log.Sum(), [target.X], createGraph: true)[0];
        return RatioLosses.Consistency(gradient * options.Scale, model.Schedule.At(target.T, target.X).Sigma, target.Noise, sourceNoise);
    }

    /// <summary>log r within its limits.</summary>
    internal Tensor Limited(Tensor log) => log.Clamp(-options.LogRatioLimit, options.LogRatioLimit);

    /// <summary>The items of one kind within a batch.</summary>
    private readonly record struct Part(Tensor X, Tensor T, Tensor Noise, Tensor? Labels)
    {
        internal static Part Of(Batch batch, Tensor x, int index, int of)
        {
            return new Part(Cut(x), Cut(batch.T), Cut(batch.Noise), batch.ClassLabels is null ? null : Cut(batch.ClassLabels));

            Tensor Cut(Tensor all) => DomainBatches.Part(all, index, of);
        }

        /// <summary>The same with an x that is differentiated by.</summary>
        internal Part Leaf()
        {
            var x = X.Detach();
            x.RequiresGrad = true;
            return this with { X = x };
        }
    }
}
