using Graft.Torch;

namespace Graft.Transfer;

/// <summary>
/// How alike the items of a batch are to each other: for item i a distribution over the others, softmax over j ≠ i of
/// cos(x_i, x_j), no temperature (Zhu et al. 2022, section 4.1; the idea is CDC's, Ojha et al. 2021).
/// </summary>
public static class PairwiseSimilarity
{
    /// <summary>PyTorch's lower bound of a norm in a cosine.</summary>
    private const double SmallestNorm = 1e-8;

    /// <summary>log p_i(j).</summary>
    /// <param name="x">Items, [N, ...], N at least 2; each is flattened.</param>
    /// <returns>[N, N − 1]: row i has the others in order.</returns>
    public static Tensor LogProbabilities(Tensor x)
    {
        var rows = x.Flatten(1);
        var directions = rows / rows.Square().Sum([1], keepDims: true).Sqrt().Clamp(SmallestNorm, null);
        return Functional.LogSoftmax(OffDiagonal(directions.MatMul(directions.Transpose(0, 1))), 1);
    }

    /// <summary>KL(p_i ‖ q_i) for each i, [N].</summary>
    /// <param name="logP">[N, N − 1].</param>
    /// <param name="logQ">[N, N − 1].</param>
    public static Tensor Divergence(Tensor logP, Tensor logQ) => (logP.Exp() * (logP - logQ)).Sum([1]);

    /// <summary>A square matrix without its diagonal. With the last element gone, rows of N + 1 begin with a diagonal element each.</summary>
    private static Tensor OffDiagonal(Tensor square)
    {
        var n = square.Size(0);
        return square.Reshape(n * n).Slice(0, 0, (n * n) - 1).Reshape(n - 1, n + 1).Slice(1, 1, n + 1).Reshape(n, n - 1);
    }
}
