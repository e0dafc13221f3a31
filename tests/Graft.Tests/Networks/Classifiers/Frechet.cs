namespace Graft.Tests.Networks.Classifiers;

/// <summary>
/// The Fréchet distance of two Gaussians fitted to rows of numbers (Dowson &amp; Landau 1982):
/// |μ₁-μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁^½ Σ₂ Σ₁^½)^½), in float64, by Jacobi's eigenvalues.
/// </summary>
internal static class Frechet
{
    public static double Distance(double[][] a, double[][] b)
    {
        var ((meanA, covarianceA), (meanB, covarianceB)) = (Fit(a), Fit(b));
        var root = Root(covarianceA);
        var mixed = Eigen(Multiply(Multiply(root, covarianceB), root)).Values.Sum(v => Math.Sqrt(Math.Max(v, 0)));
        var n = meanA.Length;
        var trace = Enumerable.Range(0, n).Sum(i => covarianceA[i, i] + covarianceB[i, i]);
        return Enumerable.Range(0, n).Sum(i => Math.Pow(meanA[i] - meanB[i], 2)) + trace - (2 * mixed);
    }

    private static (double[] Mean, double[,] Covariance) Fit(double[][] rows)
    {
        var n = rows[0].Length;
        var mean = new double[n];
        foreach (var row in rows)
        {
            for (var i = 0; i < n; i++)
                mean[i] += row[i] / rows.Length;
        }

        var covariance = new double[n, n];
        foreach (var row in rows)
        {
            for (var i = 0; i < n; i++)
            {
                for (var j = 0; j < n; j++)
                    covariance[i, j] += (row[i] - mean[i]) * (row[j] - mean[j]) / (rows.Length - 1);
            }
        }

        return (mean, covariance);
    }

    private static double[,] Root(double[,] a)
    {
        var (values, vectors) = Eigen(a);
        var n = values.Length;
        var scaled = new double[n, n];
        var transposed = new double[n, n];
        for (var i = 0; i < n; i++)
        {
            for (var j = 0; j < n; j++)
            {
                scaled[i, j] = vectors[i, j] * Math.Sqrt(Math.Max(values[j], 0));
                transposed[j, i] = vectors[i, j];
            }
        }

        return Multiply(scaled, transposed);
    }

    private static double[,] Multiply(double[,] a, double[,] b)
    {
        var n = a.GetLength(0);
        var c = new double[n, n];
        for (var i = 0; i < n; i++)
        {
            for (var k = 0; k < n; k++)
            {
                for (var j = 0; j < n; j++)
                    c[i, j] += a[i, k] * b[k, j];
            }
        }

        return c;
    }

    /// <summary>Eigenvalues and eigenvectors (columns) of a symmetric matrix, by cyclic Jacobi rotations.</summary>
    private static (double[] Values, double[,] Vectors) Eigen(double[,] matrix)
    {
        var n = matrix.GetLength(0);
        var a = (double[,])matrix.Clone();
        var v = new double[n, n];
        for (var i = 0; i < n; i++)
            v[i, i] = 1;
        for (var sweep = 0; sweep < 60; sweep++)
        {
            double off = 0, all = 0;
            for (var i = 0; i < n; i++)
            {
                for (var j = 0; j < n; j++)
                {
                    all += a[i, j] * a[i, j];
                    off += i == j ? 0 : a[i, j] * a[i, j];
                }
            }

            if (off <= 1e-26 * all)
                break;
            for (var p = 0; p < n; p++)
            {
                for (var q = p + 1; q < n; q++)
                    Rotate(a, v, p, q);
            }
        }

        return ([.. Enumerable.Range(0, n).Select(i => a[i, i])], v);
    }

    private static void Rotate(double[,] a, double[,] v, int p, int q)
    {
        if (a[p, q] == 0)
            return;
        var n = a.GetLength(0);
        var theta = (a[q, q] - a[p, p]) / (2 * a[p, q]);
        var t = (theta < 0 ? -1 : 1) / (Math.Abs(theta) + Math.Sqrt((theta * theta) + 1));
        var c = 1 / Math.Sqrt((t * t) + 1);
        var s = t * c;
        for (var k = 0; k < n; k++)
            (a[k, p], a[k, q]) = ((c * a[k, p]) - (s * a[k, q]), (s * a[k, p]) + (c * a[k, q]));
        for (var k = 0; k < n; k++)
        {
            (a[p, k], a[q, k]) = ((c * a[p, k]) - (s * a[q, k]), (s * a[p, k]) + (c * a[q, k]));
            (v[k, p], v[k, q]) = ((c * v[k, p]) - (s * v[k, q]), (s * v[k, p]) + (c * v[k, q]));
        }
    }
}
