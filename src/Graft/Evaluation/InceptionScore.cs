namespace Graft.Evaluation;

/// <summary>
/// The Inception Score (Salimans et al. 2016): exp of the mean Kullback-Leibler divergence of p(class | picture) from p(class), for
/// each split of the pictures, in order. It needs no reference, and so cannot tell whether the samples resemble any.
/// </summary>
public static class InceptionScore
{
    private const string Measure = "The Inception Score";

    /// <summary>The score of logits.</summary>
    /// <param name="logits">As <see cref="IClassifyingNetwork.ExtractLogits"/> gives them.</param>
    /// <param name="splits">Parts of the samples that are scored each for itself.</param>
    /// <exception cref="InputException">There are fewer pictures than splits.</exception>
    public static InceptionScoreResult Of(FeatureSet logits, int splits = 10)
    {
        ArgumentNullException.ThrowIfNull(logits);
        return Of(logits.Values, splits);
    }

    /// <summary>The score of logits.</summary>
    /// <param name="logits">[N, classes], before the softmax.</param>
    /// <param name="splits">Parts of the samples that are scored each for itself.</param>
    /// <exception cref="InputException">There are fewer pictures than splits.</exception>
    public static InceptionScoreResult Of(double[,] logits, int splits = 10)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentOutOfRangeException.ThrowIfLessThan(splits, 1);
        Matrix.CheckFinite(logits, Measure);
        var n = logits.GetLength(0);
        if (n < splits)
            throw new InputException($"{Measure} over {splits} splits needs a picture for each, and there are {n}.");
        var scores = new double[splits];
        for (var s = 0; s < splits; s++)
            scores[s] = Score(logits, (int)((long)s * n / splits), (int)((s + 1L) * n / splits));
        var mean = scores.Average();
        return new InceptionScoreResult(mean, Math.Sqrt(scores.Average(v => (v - mean) * (v - mean))), splits, n);
    }

    private static double Score(double[,] logits, int first, int end)
    {
        var classes = logits.GetLength(1);
        var marginal = new double[classes];
        var negativeEntropy = 0.0;
        for (var i = first; i < end; i++)
        {
            var row = Matrix.Row(logits, i);
            var largest = double.NegativeInfinity;
            foreach (var logit in row)
                largest = Math.Max(largest, logit);
            var sum = 0.0;
            foreach (var logit in row)
                sum += Math.Exp(logit - largest);
            var normaliser = largest + Math.Log(sum);
            for (var c = 0; c < classes; c++)
            {
                var p = Math.Exp(row[c] - normaliser);
                marginal[c] += p / (end - first);
                negativeEntropy += p * (row[c] - normaliser) / (end - first);
            }
        }

        // The mean divergence is the entropy of p(class) less the mean entropy of p(class | picture).
        return Math.Exp(negativeEntropy - marginal.Sum(p => p > 0 ? p * Math.Log(p) : 0));
    }
}

/// <summary>An Inception Score.</summary>
/// <param name="Mean">Mean over the splits: from 1 to the number of classes.</param>
/// <param name="StandardDeviation">Deviation over the splits (divisor: their number).</param>
/// <param name="Splits">How many splits.</param>
/// <param name="Count">Pictures that were judged.</param>
public sealed record InceptionScoreResult(double Mean, double StandardDeviation, int Splits, int Count);
