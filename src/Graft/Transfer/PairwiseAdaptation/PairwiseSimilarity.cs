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

    /// <summary>log p_i(j), within groups of pictures that are compared with each other.</summary>
    /// <param name="x">Items, [N, ...]; each is flattened.</param>
    /// <param name="together">Items of a group k, 2 to N; those beyond the last whole group are left out.</param>
    /// <returns>[N/k, k, k − 1]: row i of a group has the others in order.</returns>
    public static Tensor LogProbabilities(Tensor x, int together)
    {
        var groups = x.Size(0) / together;
        var rows = x.Flatten(1).Slice(0, 0, groups * together).Reshape(groups, together, -1);
        var directions = rows / rows.Square().Sum([2], keepDims: true).Sqrt().Clamp(SmallestNorm, null);
        return Functional.LogSoftmax(OffDiagonal(directions.MatMul(directions.Transpose(1, 2))), 2);
    }

    /// <summary>KL(p_i ‖ q_i) for each i, [N/k, k].</summary>
    /// <param name="logP">[N/k, k, k − 1].</param>
    /// <param name="logQ">[N/k, k, k − 1].</param>
    public static Tensor Divergence(Tensor logP, Tensor logQ) => (logP.Exp() * (logP - logQ)).Sum([2]);

    /// <summary>Square matrices without their diagonals. With the last element gone, rows of k + 1 begin with a diagonal element each.</summary>
    private static Tensor OffDiagonal(Tensor squares)
    {
        var (groups, k) = (squares.Size(0), squares.Size(1));
        return squares.Reshape(groups, k * k).Slice(1, 0, (k * k) - 1).Reshape(groups, k - 1, k + 1).Slice(2, 1, k + 1).Reshape(groups, k, k - 1);
    }
}
