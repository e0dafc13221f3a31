using Graft.Data.Ecg;

namespace Graft.Evaluation.Ecg;

/// <summary>
/// Logistic regression on a handful of numbers of the RR intervals: what the rhythm alone tells of a class, as atrial fibrillation. A
/// network has to be held against it.
/// </summary>
/// <remarks>
/// Features: log of the coefficient of variation, log of the relative RMSSD, pNN50, log of the heart rate; scaled by their mean and
/// standard deviation in the training set, whose mean also stands for those of records with too few beats. Fitted by Newton's method
/// with a ridge (weights' square times <see cref="Ridge"/>), which keeps the solution finite where classes can be told apart.
/// </remarks>
public sealed class RhythmClassifier
{
    /// <summary>Factor of half the squared weights beside the sum of log losses.</summary>
    public const double Ridge = 1;

    private const double Least = 1e-3; // below it, a variation is that of the sampling
    private const int Features = 4;
    private readonly double[] _means;
    private readonly double[] _deviations;
    private readonly double[] _weights;
    private readonly string _lead;

    private RhythmClassifier(string lead, double[] means, double[] deviations, double[] weights) =>
        (_lead, _means, _deviations, _weights) = (lead, means, deviations, weights);

    /// <summary>Fits to a training set.</summary>
    /// <param name="set">Only records for training can be in it.</param>
    /// <param name="className">The class; records with and without it are needed.</param>
    /// <param name="lead">The lead of the R peaks.</param>
    /// <exception cref="InputException">The class or the lead is missing, or all records or none are of the class.</exception>
    public static RhythmClassifier Fit(EcgTrainingSet set, string className, string lead = "II")
    {
        ArgumentNullException.ThrowIfNull(set);
        var labels = Labels(set, className);
        if (labels.Distinct().Count() < 2)
            throw new InputException($"All records of {set.Card.Name} for training, or none, are of the class {Formats.FileFault.Quote(className)}; choose another class.");
        var raw = RrIntervals.Of(set, lead).Select(Raw).ToArray();
        var (means, deviations) = (new double[Features], new double[Features]);
        for (var f = 0; f < Features; f++)
        {
            var known = raw.Select(r => r[f]).Where(double.IsFinite).DefaultIfEmpty(0).ToArray();
            means[f] = known.Average();
            var deviation = Math.Sqrt(known.Average(v => (v - means[f]) * (v - means[f])));
            deviations[f] = deviation > 0 ? deviation : 1;
        }

        var inputs = raw.Select(r => Scaled(r, means, deviations)).ToArray();
        return new RhythmClassifier(lead, means, deviations, Newton(inputs, labels));
    }

    /// <summary>The probability of the class for each record.</summary>
    /// <param name="set">Any records with the lead.</param>
    public double[] Score(EcgSet set) => [.. RrIntervals.Of(set, _lead).Select(rr => Sigmoid(Dot(_weights, Scaled(Raw(rr), _means, _deviations))))];

    /// <summary>Which records are of a class.</summary>
    /// <exception cref="InputException">There is no such class.</exception>
    public static bool[] Labels(EcgSet set, string className)
    {
        ArgumentNullException.ThrowIfNull(set);
        var at = set.Classes.ToList().IndexOf(className);
        return at >= 0
            ? [.. Enumerable.Range(0, set.Count).Select(i => set.MultiHot(i)[at] > 0)]
            : throw new InputException($"{set.Card.Name} has no class {Formats.FileFault.Quote(className)}; choose one of {Formats.FileFault.Shorten(string.Join(", ", set.Classes))}.");
    }

    private static double[] Raw(RrIntervals rr) => [Math.Log(rr.Variation + Least), Math.Log(rr.RelativeRmssd + Least), rr.Nn50, Math.Log(rr.HeartRate)];

    /// <summary>With a 1 in front.</summary>
    private static double[] Scaled(double[] raw, double[] means, double[] deviations) =>
        [1, .. raw.Select((v, f) => double.IsFinite(v) ? (v - means[f]) / deviations[f] : 0)];

    private static double[] Newton(double[][] inputs, bool[] labels)
    {
        const int Steps = 50;
        var weights = new double[Features + 1];
        for (var step = 0; step < Steps; step++)
        {
            var (gradient, hessian) = (new double[weights.Length], new double[weights.Length, weights.Length]);
            for (var i = 0; i < weights.Length; i++)
            {
                var ridge = i == 0 ? 1e-9 : Ridge; // the constant is free
                (gradient[i], hessian[i, i]) = (ridge * weights[i], ridge);
            }

            foreach (var (x, label) in inputs.Zip(labels))
            {
                var p = Sigmoid(Dot(weights, x));
                for (var i = 0; i < x.Length; i++)
                {
                    gradient[i] += (p - (label ? 1 : 0)) * x[i];
                    for (var j = 0; j < x.Length; j++)
                        hessian[i, j] += p * (1 - p) * x[i] * x[j];
                }
            }

            var move = Solve(hessian, gradient);
            for (var i = 0; i < weights.Length; i++)
                weights[i] -= move[i];
            if (move.Max(Math.Abs) < 1e-10)
                break;
        }

        return weights;
    }

    /// <summary>Gauss elimination with pivots.</summary>
    private static double[] Solve(double[,] matrix, double[] right)
    {
        var n = right.Length;
        for (var column = 0; column < n; column++)
        {
            var pivot = Enumerable.Range(column, n - column).MaxBy(r => Math.Abs(matrix[r, column]));
            for (var k = 0; k < n; k++)
                (matrix[column, k], matrix[pivot, k]) = (matrix[pivot, k], matrix[column, k]);
            (right[column], right[pivot]) = (right[pivot], right[column]);
            for (var row = 0; row < n; row++)
            {
                if (row == column)
                    continue;
                var factor = matrix[row, column] / matrix[column, column];
                for (var k = column; k < n; k++)
                    matrix[row, k] -= factor * matrix[column, k];
                right[row] -= factor * right[column];
            }
        }

        return [.. Enumerable.Range(0, n).Select(i => right[i] / matrix[i, i])];
    }

    private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
}
