namespace Graft.Data;

/// <summary>What small symmetric matrices need, without libtorch.</summary>
internal static class SymmetricMatrix
{
    private const int MostSweeps = 100;

    /// <summary>L, lower triangular, with L·Lᵀ the matrix.</summary>
    /// <exception cref="InputException">The matrix is not symmetric, or not positive definite.</exception>
    internal static double[,] Cholesky(double[,] matrix)
    {
        var n = matrix.GetLength(0);
        var factor = new double[n, n];
        for (var i = 0; i < n; i++)
        {
            for (var j = 0; j <= i; j++)
            {
                if (!(Math.Abs(matrix[i, j] - matrix[j, i]) <= 1e-12 * (Math.Abs(matrix[i, i]) + Math.Abs(matrix[j, j]))))
                    throw new InputException($"A covariance is not symmetric: it has {matrix[i, j]} and {matrix[j, i]} across its diagonal.");
                var sum = matrix[i, j];
                for (var k = 0; k < j; k++)
                    sum -= factor[i, k] * factor[j, k];
                if (i == j && !(sum > 0 && double.IsFinite(sum)))
                    throw new InputException("A covariance is not positive definite: its points would lie on a line, or nowhere.");
                factor[i, j] = i == j ? Math.Sqrt(sum) : sum / factor[j, j];
            }
        }

        return factor;
    }

    /// <summary>Eigenvalues, and orthonormal eigenvectors as columns, by Jacobi's rotations (Golub and Van Loan, algorithm 8.5.3).</summary>
    internal static (double[] Values, double[,] Vectors) Eigen(double[,] matrix)
    {
        var n = matrix.GetLength(0);
        var (a, v) = ((double[,])matrix.Clone(), new double[n, n]);
        for (var i = 0; i < n; i++)
            v[i, i] = 1;
        for (var sweep = 0; sweep < MostSweeps && OffDiagonal(a) > 0; sweep++)
        {
            for (var p = 0; p < n; p++)
            {
                for (var q = p + 1; q < n; q++)
                    Rotate(a, v, p, q);
            }
        }

        return ([.. Enumerable.Range(0, n).Select(i => a[i, i])], v);
    }

    /// <summary>The largest entry beside the diagonal; 0 where it is lost in rounding.</summary>
    private static double OffDiagonal(double[,] a)
    {
        var (off, on) = (0.0, 0.0);
        for (var i = 0; i < a.GetLength(0); i++)
        {
            on = Math.Max(on, Math.Abs(a[i, i]));
            for (var j = 0; j < i; j++)
                off = Math.Max(off, Math.Abs(a[i, j]));
        }

        return off <= 1e-17 * on ? 0 : off;
    }

    private static void Rotate(double[,] a, double[,] v, int p, int q)
    {
        if (a[p, q] == 0)
            return;
        var tau = (a[q, q] - a[p, p]) / (2 * a[p, q]);
        var t = Math.CopySign(1, tau) / (Math.Abs(tau) + Math.Sqrt(1 + (tau * tau)));
        var c = 1 / Math.Sqrt(1 + (t * t));
        var s = t * c;
        var n = a.GetLength(0);
        for (var k = 0; k < n; k++)
            (a[k, p], a[k, q]) = ((c * a[k, p]) - (s * a[k, q]), (s * a[k, p]) + (c * a[k, q]));
        for (var k = 0; k < n; k++)
            (a[p, k], a[q, k]) = ((c * a[p, k]) - (s * a[q, k]), (s * a[p, k]) + (c * a[q, k]));
        (a[p, q], a[q, p]) = (0, 0);
        for (var k = 0; k < n; k++)
            (v[k, p], v[k, q]) = ((c * v[k, p]) - (s * v[k, q]), (s * v[k, p]) + (c * v[k, q]));
    }
}
