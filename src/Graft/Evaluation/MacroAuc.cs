using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>
/// The mean over classes of <see cref="RocAuc"/>, where any number of classes may hold at once, and how sure a difference of two such
/// means is: both scores are given for the same records, and a bootstrap draws records (Efron and Tibshirani 1993, chapter 13).
/// </summary>
/// <remarks>
/// A class that all records have, or none, has no AUC and does not count. Resamples in which a class that counts has lost one kind are drawn again
/// (as Strodthoff et al. 2021 do), so that each mean is over the same classes.
/// </remarks>
public sealed class MacroAuc
{
    private const int MostDraws = 50; // for one resample
    private readonly bool[,] _labels;
    private readonly int _records;

    /// <summary>Prepares a test set.</summary>
    /// <param name="labels">[records, classes].</param>
    public MacroAuc(bool[,] labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        (_labels, _records) = (labels, labels.GetLength(0));
        var all = Enumerable.Repeat(1, _records).ToArray();
        Classes = [.. Enumerable.Range(0, labels.GetLength(1)).Where(c => HasBoth(c, all))];
    }

    /// <summary>The classes that count: those of which there are records, and others.</summary>
    public IReadOnlyList<int> Classes { get; }

    /// <summary>The AUC of each class that counts, in the order of <see cref="Classes"/>.</summary>
    /// <param name="scores">[records, classes], the higher, the more likely; no NaN.</param>
    public double[] OfClasses(double[,] scores)
    {
        Check(scores);
        return [.. Classes.Select(c => RocAuc.Of(Column(scores, c), [.. Enumerable.Range(0, _records).Select(i => _labels[i, c])]))];
    }

    /// <summary>Their mean.</summary>
    /// <param name="scores">[records, classes].</param>
    /// <exception cref="InputException">No class counts.</exception>
    public double Of(double[,] scores) => Classes.Count > 0
        ? OfClasses(scores).Average()
        : throw new InputException("No class has records that are of it and records that are not, so that there is no AUC: choose other classes, or more records.");

    /// <summary>How sure the value of one score is, or the difference of two.</summary>
    /// <param name="scores">[records, classes].</param>
    /// <param name="than">Other scores of the same records, whose macro AUC is taken off; null: none.</param>
    /// <param name="resamples">How many times records are drawn, at least 1.</param>
    /// <param name="seed">Which.</param>
    /// <returns>The value, the 2.5 and 97.5 % quantiles over resamples, and how many there were; no quantiles where records of a class are too few to be drawn.</returns>
    public BootstrapInterval Bootstrap(double[,] scores, double[,]? than = null, int resamples = 1000, long seed = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(resamples, 1);
        Check(scores);
        var value = Of(scores) - (than is null ? 0 : Of(than));
        var first = Classes.Select(c => Order(scores, c)).ToArray();
        var second = than is null ? null : Classes.Select(c => Order(than, c)).ToArray();
        var random = new KeyedRandom(seed, "bootstrap/records");
        var found = new List<double>(resamples);
        var counts = new int[_records];
        for (var b = 0; b < resamples; b++)
        {
            var drawn = false;
            for (var attempt = 0; attempt < MostDraws && !drawn; attempt++)
            {
                Array.Clear(counts);
                for (var k = 0; k < _records; k++)
                    counts[random.Integer(b, attempt, 0, _records, k)]++;
                drawn = Classes.All(c => HasBoth(c, counts));
            }

            if (!drawn)
                return new BootstrapInterval(value, null, null, 0, seed);
            found.Add(Classes.Select((c, k) => Weighted(first[k], c, counts) - (second is null ? 0 : Weighted(second[k], c, counts))).Average());
        }

        return new BootstrapInterval(value, Quantiles.At(found, 0.025), Quantiles.At(found, 0.975), resamples, seed);
    }

    private void Check(double[,] scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        if (scores.GetLength(0) != _records || scores.GetLength(1) != _labels.GetLength(1))
            throw new ArgumentException($"scores [{scores.GetLength(0)}, {scores.GetLength(1)}] are not those of {_records} records and {_labels.GetLength(1)} classes", nameof(scores));
    }

    private bool HasBoth(int c, int[] counts)
    {
        var (yes, no) = (false, false);
        for (var i = 0; i < counts.Length && !(yes && no); i++)
        {
            yes |= counts[i] > 0 && _labels[i, c];
            no |= counts[i] > 0 && !_labels[i, c];
        }

        return yes && no;
    }

    private static double[] Column(double[,] scores, int c) => [.. Enumerable.Range(0, scores.GetLength(0)).Select(i => scores[i, c])];

    /// <summary>Records by rising score, and where equal scores end.</summary>
    private static (int[] Order, bool[] Ends) Order(double[,] scores, int c)
    {
        var column = Column(scores, c);
        var order = Enumerable.Range(0, column.Length).OrderBy(i => column[i]).ToArray();
        return (order, [.. order.Select((record, k) => k + 1 == order.Length || column[order[k + 1]] != column[record])]);
    }

    /// <summary>The AUC of records that are there so many times each.</summary>
    private double Weighted((int[] Order, bool[] Ends) sorted, int c, int[] counts)
    {
        double sum = 0, below = 0, positives = 0, yes = 0, no = 0;
        for (var k = 0; k < sorted.Order.Length; k++)
        {
            var record = sorted.Order[k];
            if (_labels[record, c])
                yes += counts[record];
            else
                no += counts[record];
            if (!sorted.Ends[k])
                continue;
            sum += yes * (below + (no / 2));
            (below, positives, yes, no) = (below + no, positives + yes, 0, 0);
        }

        return sum / (positives * below);
    }
}

/// <summary>A value and how sure it is.</summary>
/// <param name="Value">Of all records.</param>
/// <param name="Low">The 2.5 % quantile over resamples; null where none could be drawn.</param>
/// <param name="High">The 97.5 % quantile.</param>
/// <param name="Resamples">How many there were.</param>
/// <param name="Seed">Which.</param>
public sealed record BootstrapInterval(double Value, double? Low, double? High, int Resamples, long Seed);
