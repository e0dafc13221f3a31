namespace Graft.Torch;

/// <content>What networks for sequences [N, C, L] need.</content>
public static partial class Functional
{
    private static readonly Operator Conv1dOp = new("aten::conv1d");
    private static readonly Operator TanhOp = new("aten::tanh");

    /// <summary>1-D cross-correlation. x [N, C, L], weight [K, C, k], bias [K].</summary>
    public static Tensor Conv1d(Tensor x, Tensor weight, Tensor? bias, long stride = 1, long padding = 0) =>
        Conv1dOp.Call(x, weight, bias, stride, padding, 1, 1);

    /// <summary>Hyperbolic tangent.</summary>
    public static Tensor Tanh(Tensor x) => TanhOp.Call(x);
}
