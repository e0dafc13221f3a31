using Graft.Data;
using Graft.Data.Ecg;
using Graft.Torch;

namespace Graft.Evaluation.Ecg;

/// <summary>
/// How far two ECGs are from each other where one may begin a little later than the other: each lead of each record is brought to mean 0
/// and deviation 1 (so that gain and offset do not count), then the root mean square of the difference over all leads and the time that
/// both share, the least over shifts.
/// </summary>
/// <remarks>
/// 0 for copies; √2 for records that have nothing to do with each other. A longer reach finds copies that were moved further, and makes all
/// records nearer to each other, training records among themselves too. One shift holds for all leads, so that it cannot be chosen for each.
/// </remarks>
/// <param name="reach">Seconds by which one record may begin before the other, at least 0.</param>
public sealed class EcgDistance(double reach = EcgDistance.Reach) : ISampleDistance
{
    /// <summary>Seconds by which one record may begin before the other where nothing is said.</summary>
    public const double Reach = 0.25;

    private const int Chunk = 128;
    private const double Near = 0.05; // below it the single precision of the sums is felt

    private readonly double _reach = reach >= 0 && double.IsFinite(reach) ? reach : throw new ArgumentOutOfRangeException(nameof(reach));

    /// <inheritdoc/>
    public string Name => FormattableString.Invariant($"root mean square of z-scored leads, best shift within {_reach} s");

    /// <inheritdoc/>
    public string? Hash => null;

    /// <inheritdoc/>
    public double[,] Between(ISampleSource a, ISampleSource b, CancellationToken cancellationToken = default)
    {
        var (first, second) = (EcgItems.Of(a, $"The distance '{Name}' compares"), EcgItems.Of(b, $"The distance '{Name}' compares"));
        EcgSet.CheckComparable(first, second);
        if (a.ItemShape != b.ItemShape)
            throw new InputException($"Records of {a.ItemShape} ({a.Description}) cannot be compared with records of {b.ItemShape} ({b.Description}): bring them to one length.");
        var (leads, samples) = (first.Leads.Count, (int)a.ItemShape.Sizes[1]);
        var shifts = Math.Min(samples / 2, (int)Math.Round(_reach * first.SamplingRate));
        var (left, right) = (Scaled(first), ReferenceEquals(first, second) ? null : Scaled(second));
        right ??= left;
        var result = new double[a.Count, b.Count];
        TorchRuntime.Run(() =>
        {
            using var mode = Autograd.NoGrad();
            using var outer = new TensorScope();
            var y = Tensor.From<float>([.. right.SelectMany(r => r)], b.Count, leads, samples);
            for (var from = 0; from < a.Count; from += Chunk)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var scope = new TensorScope();
                var n = Math.Min(Chunk, a.Count - from);
                var x = Tensor.From<float>([.. left.Skip(from).Take(n).SelectMany(r => r)], n, leads, samples);
                Least(x, y, shifts, samples).CopyTo(Matrix.Rows(result, from, n));
            }
        });
        Parallel.For(0, a.Count, new ParallelOptions { CancellationToken = cancellationToken }, i =>
        {
            for (var j = 0; j < b.Count; j++)
            {
                result[i, j] = Math.Sqrt(Math.Max(0, result[i, j]));
                if (result[i, j] < Near)
                    result[i, j] = Exact(left[i], right[j], leads, samples, shifts);
            }
        });
        return result;
    }

    /// <summary>The least mean square difference over shifts, float64 [N, M], by |x - y|² = |x|² + |y|² - 2xy.</summary>
    private static Tensor Least(Tensor x, Tensor y, int shifts, int samples)
    {
        Tensor? least = null;
        for (var shift = -shifts; shift <= shifts; shift++)
        {
            var (early, late) = (Math.Max(0, shift), Math.Max(0, -shift));
            var size = samples - Math.Abs(shift);
            var previous = least;
            least = TensorScope.Of(() =>
            {
                var (p, q) = (x.Slice(2, early, early + size).Flatten(1), y.Slice(2, late, late + size).Flatten(1));
                var squares = p.Square().Sum([1], keepDims: true) + q.Square().Sum([1]).Unsqueeze(0);
                var mean = (squares - (p.MatMul(q.Transpose(0, 1)) * 2.0)) / p.Size(1);
                return previous is null ? mean : Tensor.Minimum(previous, mean);
            });
            previous?.Dispose();
        }

        return least!.To(DType.Float64);
    }

    private static double Exact(float[] a, float[] b, int leads, int samples, int shifts)
    {
        var least = double.PositiveInfinity;
        for (var shift = -shifts; shift <= shifts; shift++)
        {
            var (early, late, size) = (Math.Max(0, shift), Math.Max(0, -shift), samples - Math.Abs(shift));
            var sum = 0.0;
            for (var lead = 0; lead < leads; lead++)
            {
                var p = a.AsSpan((lead * samples) + early, size);
                var q = b.AsSpan((lead * samples) + late, size);
                for (var t = 0; t < size; t++)
                    sum += ((double)p[t] - q[t]) * ((double)p[t] - q[t]);
            }

            least = Math.Min(least, sum / ((double)leads * size));
        }

        return Math.Sqrt(least);
    }

    private static float[][] Scaled(EcgSet set) => [.. set.Records.Select(record =>
    {
        var scaled = record.Samples.ToArray();
        for (var lead = 0; lead < record.LeadCount; lead++)
        {
            var values = scaled.AsSpan(lead * record.SampleCount, record.SampleCount);
            var (sum, squares) = (0.0, 0.0);
            foreach (var v in values)
                sum += v;
            var mean = sum / values.Length;
            foreach (var v in values)
                squares += (v - mean) * (v - mean);
            var deviation = Math.Sqrt(squares / values.Length);
            for (var t = 0; t < values.Length; t++)
                values[t] = deviation > 1e-12 ? (float)((values[t] - mean) / deviation) : 0;
        }

        return scaled;
    })];
}
