namespace Graft.Evaluation;

/// <summary>The area under the receiver operating characteristic.</summary>
public static class RocAuc
{
    /// <summary>
    /// The chance that a record of the class scores higher than one that is not of it; equal scores count one half (the statistic of Mann
    /// and Whitney over the product of the two counts).
    /// </summary>
    /// <param name="scores">The higher, the more likely of the class; no NaN.</param>
    /// <param name="labels">Whether each is of the class; both kinds must be there.</param>
    /// <returns>0 to 1; one half is chance.</returns>
    /// <exception cref="ArgumentException">The counts differ, a score is NaN, or one kind is missing.</exception>
    public static double Of(IReadOnlyList<double> scores, IReadOnlyList<bool> labels)
    {
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(labels);
        if (scores.Count != labels.Count || scores.Any(double.IsNaN))
            throw new ArgumentException("a number is needed for each label", nameof(scores));
        long positives = labels.Count(l => l), negatives = labels.Count - positives;
        if (positives == 0 || negatives == 0)
            throw new ArgumentException("records of the class and others are needed", nameof(labels));
        var order = Enumerable.Range(0, scores.Count).OrderBy(i => scores[i]).ToArray();
        var (sum, below) = (0.0, 0L);
        for (var from = 0; from < order.Length;)
        {
            var to = from;
            long positive = 0, negative = 0;
            for (; to < order.Length && scores[order[to]] == scores[order[from]]; to++)
                _ = labels[order[to]] ? positive++ : negative++;
            sum += positive * (below + (negative / 2.0));
            below += negative;
            from = to;
        }

        return sum / ((double)positives * negatives);
    }
}
