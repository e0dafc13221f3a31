namespace Graft.Torch;

/// <summary>Decompositions of matrices, by LAPACK.</summary>
public static class LinearAlgebra
{
    private static readonly Operator EighOp = new("aten::linalg_eigh");
    private static readonly Operator SingularValuesOp = new("aten::linalg_svdvals");
    private static readonly Operator QrOp = new("aten::linalg_qr");

    /// <summary>Eigenvalues (ascending) and orthonormal eigenvectors (columns) of a symmetric matrix [N, N]; the lower triangle is read.</summary>
    public static (Tensor Values, Tensor Vectors) SymmetricEigen(Tensor matrix)
    {
        var parts = EighOp.CallMany(matrix, "L");
        return (parts[0], parts[1]);
    }

    /// <summary>Singular values of a matrix [N, M], largest first.</summary>
    public static Tensor SingularValues(Tensor matrix) => SingularValuesOp.Call(matrix, Argument.None);

    /// <summary>The triangular factor R [min(N, M), M] of matrix = Q·R; matrixᵀ·matrix = Rᵀ·R.</summary>
    public static Tensor TriangularFactor(Tensor matrix) => QrOp.CallMany(matrix, "r")[1];
}
