using Graft.Data;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Training;

/// <summary>The stage that trains a classifier from few labelled and many unlabelled pictures (Sohn et al. 2020, algorithm 1).</summary>
public static class FixMatchStage
{
    /// <summary>
    /// Makes the stage. All pictures of a step go through the network in one pass, so that batch norms see them together, as in the authors'
    /// code. The averaged weights are judged with the running statistics of the norms as they stand, as there.
    /// </summary>
    /// <param name="name">For messages.</param>
    /// <param name="network">What is trained.</param>
    /// <param name="labelled">Pictures with labels below the network's number of classes.</param>
    /// <param name="unlabelled">Pictures whose labels, where they have any, go to the log alone.</param>
    /// <param name="training">The loop's settings.</param>
    /// <param name="options">FixMatch's.</param>
    /// <exception cref="InputException">Pictures and network do not fit, or a value is out of range.</exception>
    public static TrainingStage Create(
        string name, WideResNet network, IImageSource labelled, IImageSource unlabelled, TrainingOptions training, FixMatchOptions options)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(training);
        ClassificationReport.Check(network.Shape, network.NumClasses, labelled);
        var statistics = BatchNorm.Statistics(network);
        var untrained = statistics.Select(s => s.Name).ToHashSet(StringComparer.Ordinal);
        var data = new FixMatchBatches(labelled, unlabelled, options, training.Seed, training.Flip, network.Parameters().First().Value.Device);
        return new TrainingStage
        {
            Name = name,
            Network = network,
            Trainable = [.. network.Parameters().Where(p => !untrained.Contains(p.Name))],
            Buffers = statistics,
            Data = data,
            Loss = batch => Of(network, data, batch, options),
            Save = network.Save,
            HoldsModel = WideResNet.Is,
        };
    }

    /// <summary>
    /// ℓ_s = mean of H(p_b, p(α(x_b))), and ℓ_u = (1/μB) Σ 1(max q_b ≥ τ) H(q̂_b, p(𝒜(u_b))), with q_b = p(α(u_b)), through which no gradient runs
    /// (equations 3 and 4).
    /// </summary>
    /// <param name="labelled">Logits of the weakly varied labelled pictures, [B, classes].</param>
    /// <param name="labels">Their classes, int64 [B].</param>
    /// <param name="weak">Logits of the weakly varied unlabelled pictures, [μB, classes].</param>
    /// <param name="strong">Logits of the same pictures strongly varied, [μB, classes].</param>
    /// <param name="threshold">τ.</param>
    /// <returns>Both losses, and the pseudo-labels.</returns>
    public static (Tensor Labelled, Tensor Unlabelled, PseudoLabels Pseudo) Losses(
        Tensor labelled, Tensor labels, Tensor weak, Tensor strong, double threshold)
    {
        ArgumentNullException.ThrowIfNull(strong);
        var pseudo = PseudoLabels.Of(weak, threshold);
        var count = pseudo.Classes.Length;
        var classes = Tensor.From(Array.ConvertAll(pseudo.Classes, c => (long)c), count, 1).To(strong.Device);
        var mask = Tensor.From(Array.ConvertAll(pseudo.IsConfident, c => c ? 1f : 0f), count).To(strong.Type).To(strong.Device);
        var logarithms = Functional.LogSoftmax(strong, 1).Gather(1, classes).Squeeze(1);
        return (Functional.CrossEntropy(labelled, labels), -(logarithms * mask).Mean(), pseudo);
    }

    private static Loss Of(WideResNet network, FixMatchBatches data, Batch batch, FixMatchOptions options)
    {
        var (count, unlabelled) = (batch.Items.Length, batch.Items.Length * options.Mu);
        var logits = network.Logits(batch.X0);
        var first = logits.Slice(0, 0, count);
        var weak = logits.Slice(0, count, count + unlabelled);
        var strong = logits.Slice(0, count + unlabelled, count + (2 * unlabelled));
        var (supervised, unsupervised, pseudo) = Losses(first, batch.ClassLabels!, weak, strong, options.Threshold);
        var right = ClassificationReport.Guesses(first).Zip(batch.ClassLabels!.ToArray<long>()).Count(p => p.First == p.Second);
        var terms = new List<(string, Tensor)>
        {
            ("labelled", supervised),
            ("unlabelled", unsupervised),
            ("accuracy", Share(right, count)),
            ("confident", Share(pseudo.Confident, unlabelled)),
        };
        var truth = data.Truth(batch.Items);
        if (truth.All(t => t is not null))
            terms.Add(("confident_right", Share(truth.Where((t, i) => pseudo.IsConfident[i] && pseudo.Classes[i] == t).Count(), unlabelled)));
        return new Loss(supervised + (unsupervised * options.LambdaU), [.. terms]);

        static Tensor Share(int part, int of) => Tensor.Scalar((double)part / of, DType.Float64);
    }
}
