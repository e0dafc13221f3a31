using Graft.Data;
using Graft.Evaluation;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Training;

/// <summary>What a network takes pictures for, and where it is sure enough to be taught by it.</summary>
/// <param name="Classes">q̂: the likeliest class of each picture.</param>
/// <param name="IsConfident">Whether its probability is at least the threshold.</param>
public readonly record struct PseudoLabels(int[] Classes, bool[] IsConfident)
{
    /// <summary>How many are confident.</summary>
    public int Confident => IsConfident.Count(c => c);

    /// <summary>The pseudo-labels of logits. They are numbers, not tensors: no gradient can run through them.</summary>
    /// <param name="logits">[N, classes].</param>
    /// <param name="threshold">τ, above 0 to 1.</param>
    public static PseudoLabels Of(Tensor logits, double threshold)
    {
        ArgumentNullException.ThrowIfNull(logits);
        var (rows, width) = ((int)logits.Size(0), (int)logits.Size(1));
        var values = logits.Detach().To(DType.Float64).ToArray<double>();
        var (classes, confident) = (ClassificationReport.Guesses(logits), new bool[rows]);
        for (var i = 0; i < rows; i++)
        {
            var row = values.AsSpan(i * width, width);
            var (largest, sum) = (row[classes[i]], 0.0);
            foreach (var value in row)
                sum += Math.Exp(value - largest);
            confident[i] = 1 / sum >= threshold; // false for NaN
        }

        return new PseudoLabels(classes, confident);
    }

    /// <summary>What a network takes pictures for, as they are, and how often it is right where it is sure.</summary>
    /// <param name="network">The classifier.</param>
    /// <param name="images">Pictures of its shape; the classes they have say what is right.</param>
    /// <param name="threshold">τ.</param>
    /// <param name="count">The first so many.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <returns>The share of confident pictures, and of these the share that is right: null where none is confident, or one has no class.</returns>
    public static (Share Confident, Share? Right) Measure(
        IPictureClassifier network, IImageSource images, double threshold, int count = int.MaxValue, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(images);
        var (confident, right, known) = (0, 0, true);
        ClassificationReport.Classify(network, images, count, Each, (i, found) =>
        {
            if (!found.IsConfident)
                return;
            confident++;
            right += images.Label(i) == found.Class ? 1 : 0;
            known &= images.Label(i) is not null;
        }, cancellationToken);
        return (new Share(confident, Math.Min(count, images.Count)), confident == 0 || !known ? null : new Share(right, confident));

        (int Class, bool IsConfident)[] Each(Tensor logits)
        {
            var all = Of(logits, threshold);
            return [.. all.Classes.Zip(all.IsConfident)];
        }
    }
}
