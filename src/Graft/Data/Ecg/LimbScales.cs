namespace Graft.Data.Ecg;

/// <summary>
/// The scales that make six limb leads obey the equations between them as well as can be: for z-scored leads, whose own scales are lost.
/// </summary>
/// <remarks>
/// The limb leads at one moment lie in a plane of six dimensions (<see cref="EcgLeads"/>); let P project onto what is outside of it. With
/// the leads z (means taken off, each divided by its norm) and scales s, the squared residual is s'(P∘G)s with G = z z', so the best s of
/// norm 1 is the eigenvector of the least eigenvalue. A lead that does not change has no scale to find and keeps 1.
/// </remarks>
public static class LimbScales
{
    private static readonly double[,] Outside = Projector();

    /// <summary>Fits the scales.</summary>
    /// <param name="limbs">The six limb leads in the order of <see cref="EcgLeads.Limb"/>, all as long; their means do not matter.</param>
    /// <returns>
    /// Scales with a root mean square of 1 over the leads that change (their sum above 0), and the residual: the share of the limb leads'
    /// variance that does not obey the equations, with these scales.
    /// </returns>
    public static (double[] Scales, double Residual) Fit(IReadOnlyList<double[]> limbs)
    {
        ArgumentNullException.ThrowIfNull(limbs);
        var (gram, norms) = Gram(limbs);
        int[] alive = [.. Enumerable.Range(0, 6).Where(i => norms[i] > 0)];
        var scales = Enumerable.Repeat(1.0, 6).ToArray();
        if (alive.Length < 2)
            return (scales, 0);
        var matrix = new double[alive.Length, alive.Length];
        for (var i = 0; i < alive.Length; i++)
        {
            for (var j = 0; j < alive.Length; j++)
                matrix[i, j] = Outside[alive[i], alive[j]] * gram[alive[i], alive[j]] / (norms[alive[i]] * norms[alive[j]]);
        }

        var (least, vector) = LeastEigenvector(matrix);
        var sign = vector.Sum() < 0 ? -1 : 1;
        for (var i = 0; i < alive.Length; i++)
            scales[alive[i]] = sign * vector[i] / norms[alive[i]];
        var size = Math.Sqrt(alive.Average(i => scales[i] * scales[i]));
        foreach (var i in alive)
            scales[i] /= size;
        return (scales, Math.Max(0, least));
    }

    /// <summary>The share of the limb leads' variance that does not obey the equations, with their scales as they are.</summary>
    /// <param name="limbs">The six limb leads in the order of <see cref="EcgLeads.Limb"/>, all as long.</param>
    public static double Residual(IReadOnlyList<double[]> limbs)
    {
        ArgumentNullException.ThrowIfNull(limbs);
        var (gram, _) = Gram(limbs);
        var (outside, all) = (0.0, 0.0);
        for (var i = 0; i < 6; i++)
        {
            all += gram[i, i];
            for (var j = 0; j < 6; j++)
                outside += Outside[i, j] * gram[i, j];
        }

        return all > 0 ? Math.Max(0, outside / all) : 0;
    }

    /// <summary>Sums of products of the leads without their means, and the root of the diagonal (0 for leads that do not change).</summary>
    private static (double[,] Gram, double[] Norms) Gram(IReadOnlyList<double[]> limbs)
    {
        if (limbs.Count != 6 || limbs.Any(l => l.Length != limbs[0].Length))
            throw new ArgumentException("six limb leads of the same length are needed", nameof(limbs));
        var centred = limbs.Select(lead =>
        {
            var mean = lead.Average();
            return Array.ConvertAll(lead, v => v - mean);
        }).ToArray();
        var gram = new double[6, 6];
        for (var i = 0; i < 6; i++)
        {
            for (var j = 0; j <= i; j++)
            {
                var sum = 0.0;
                for (var t = 0; t < centred[i].Length; t++)
                    sum += centred[i][t] * centred[j][t];
                gram[i, j] = gram[j, i] = sum;
            }
        }

        return (gram, [.. Enumerable.Range(0, 6).Select(i => gram[i, i] > 1e-20 * limbs[i].Sum(v => v * v) ? Math.Sqrt(gram[i, i]) : 0)]);
    }

    /// <summary>Identity less the projection onto the plane that the columns "share of I" and "share of II" of the limb leads span.</summary>
    private static double[,] Projector()
    {
        var (a, b) = (new double[6], new double[6]);
        for (var i = 0; i < 6; i++)
            (a[i], b[i]) = EcgLeads.Equation(EcgLeads.Limb[i], "I", "II");
        double Dot(double[] x, double[] y) => x.Zip(y, (p, q) => p * q).Sum();
        var (aa, ab, bb) = (Dot(a, a), Dot(a, b), Dot(b, b));
        var determinant = (aa * bb) - (ab * ab);
        var outside = new double[6, 6];
        for (var i = 0; i < 6; i++)
        {
            for (var j = 0; j < 6; j++)
                outside[i, j] = (i == j ? 1 : 0) - (((a[i] * ((bb * a[j]) - (ab * b[j]))) + (b[i] * ((aa * b[j]) - (ab * a[j])))) / determinant);
        }

        return outside;
    }

    /// <summary>Jacobi's rotations (Golub and Van Loan, Matrix Computations, 8.5) on a small symmetric matrix.</summary>
    private static (double Value, double[] Vector) LeastEigenvector(double[,] matrix)
    {
        var n = matrix.GetLength(0);
        var vectors = new double[n, n];
        for (var i = 0; i < n; i++)
            vectors[i, i] = 1;
        for (var sweep = 0; sweep < 60; sweep++)
        {
            var rest = 0.0;
            for (var p = 0; p < n; p++)
            {
                for (var q = p + 1; q < n; q++)
                {
                    rest += Math.Abs(matrix[p, q]);
                    if (matrix[p, q] != 0)
                        Rotate(matrix, vectors, p, q);
                }
            }

            if (rest < 1e-300)
                break;
        }

        var least = Enumerable.Range(0, n).MinBy(i => matrix[i, i]);
        return (matrix[least, least], [.. Enumerable.Range(0, n).Select(i => vectors[i, least])]);
    }

    private static void Rotate(double[,] matrix, double[,] vectors, int p, int q)
    {
        var theta = (matrix[q, q] - matrix[p, p]) / (2 * matrix[p, q]);
        var t = double.IsInfinity(theta * theta) ? 1 / (2 * theta) : (theta >= 0 ? 1 : -1) / (Math.Abs(theta) + Math.Sqrt((theta * theta) + 1));
        var c = 1 / Math.Sqrt((t * t) + 1);
        var s = t * c;
        var n = matrix.GetLength(0);
        for (var k = 0; k < n; k++)
            (matrix[k, p], matrix[k, q]) = ((c * matrix[k, p]) - (s * matrix[k, q]), (s * matrix[k, p]) + (c * matrix[k, q]));
        for (var k = 0; k < n; k++)
            (matrix[p, k], matrix[q, k]) = ((c * matrix[p, k]) - (s * matrix[q, k]), (s * matrix[p, k]) + (c * matrix[q, k]));
        for (var k = 0; k < n; k++)
            (vectors[k, p], vectors[k, q]) = ((c * vectors[k, p]) - (s * vectors[k, q]), (s * vectors[k, p]) + (c * vectors[k, q]));
    }
}
