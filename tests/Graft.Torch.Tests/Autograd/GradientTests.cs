using Graft.Torch;

namespace Graft.Tests;

public class GradientTests
{
    public static TheoryData<string> Names => [.. Cases.Keys];

    private static Dictionary<string, (Func<Tensor[], Tensor> F, long[][] Shapes)> Cases { get; } = new()
    {
        ["conv2d"] = (x => Functional.Conv2d(x[0], x[1], x[2]), [[1, 2, 4, 4], [2, 2, 3, 3], [2]]),
        ["conv2d, stride and padding"] = (x => Functional.Conv2d(x[0], x[1], null, stride: 2, padding: 1), [[2, 1, 4, 4], [2, 1, 3, 3]]),
        ["conv2d, groups and dilation"] = (x => Functional.Conv2d(x[0], x[1], null, dilation: 2, groups: 2), [[1, 2, 4, 4], [2, 1, 2, 2]]),
        ["linear"] = (x => Functional.Linear(x[0], x[1], x[2]), [[2, 3], [4, 3], [4]]),
        ["matmul"] = (x => x[0].MatMul(x[1]), [[2, 3], [3, 2]]),
        ["group norm"] = (x => Functional.GroupNorm(x[0], 2, x[1], x[2], 1e-5), [[2, 4, 3], [4], [4]]),
        ["layer norm"] = (x => Functional.LayerNorm(x[0], x[1], x[2], 1e-5), [[3, 4], [4], [4]]),
        ["silu"] = (x => Functional.Silu(x[0]), [[5]]),
        ["gelu"] = (x => Functional.Gelu(x[0]), [[5]]),
        ["mixed gelu"] = (x => Functional.MixedGelu(x[0], x[1]), [[2, 3, 4], [2, 3]]),
        ["mish"] = (x => Functional.Mish(x[0]), [[5]]),
        ["sigmoid"] = (x => Functional.Sigmoid(x[0]), [[5]]),
        ["relu"] = (x => Functional.Relu(x[0]), [[5]]),
        ["softmax"] = (x => Functional.Softmax(x[0], -1), [[2, 4]]),
        ["attention"] = (x => Functional.Attention(x[0], x[1], x[2], 0.6), [[2, 2, 3], [2, 3, 3], [2, 3, 2]]),
        ["embedding"] = (x => Functional.Embedding(x[0], Tensor.From([2L, 0, 2], 3)), [[3, 2]]),
        ["upsample"] = (x => Functional.UpsampleNearest(x[0], 4, 6), [[1, 2, 2, 3]]),
        ["average pool"] = (x => Functional.AveragePool(x[0], 2), [[1, 2, 4, 4]]),
        ["average pool without padding"] = (x => Functional.AveragePool(x[0], 3, 1, 1, countPadding: false), [[1, 2, 4, 4]]),
        ["max pool"] = (x => Functional.MaxPool(x[0], 3, 2, ceiling: true), [[1, 2, 4, 4]]),
        ["batch norm with stored statistics"] = (
            x => Functional.BatchNorm(x[0], x[1], x[2], Tensor.From([0.5, -0.5], 2), Tensor.From([2.0, 0.5], 2), 1e-3), [[2, 2, 3], [2], [2]]),
        ["bilinear"] = (x => Functional.UpsampleBilinear(x[0], 5, 2), [[1, 2, 3, 4]]),
        ["conv2d, uneven padding"] = (x => Functional.Conv2d(x[0], x[1], null, 1, [0, 1]), [[1, 2, 3, 4], [2, 2, 1, 3]]),
        ["index select"] = (x => x[0].IndexSelect(1, Tensor.From([1L, 1, 0], 3)), [[2, 3]]),
        ["index"] = (x => x[0].Index(null, Tensor.From([2L, 0], 2)), [[2, 3]]),
        ["gather"] = (x => x[0].Gather(1, Tensor.From([1L, 1, 0, 2], 2, 2)), [[2, 3]]),
        ["cat, slice, reshape, permute"] = (
            x => Tensor.Cat([x[0].Permute(1, 0), x[1].Reshape(3, 2)], 1).Slice(0, 0, 3, 2), [[2, 3], [6]]),
        ["stack, flip, pad, select"] = (x => Tensor.Stack([x[0], x[1].Flip(0)]).Pad([1, 0], 0.5).Select(1, 1), [[2, 3], [2, 3]]),
        ["chunk, squeeze, expand"] = (x => x[0].Chunk(2, 1)[1].Squeeze(1).Unsqueeze(0).Expand(3, -1), [[3, 2]]),
        ["mean squared error"] = (x => Functional.MeanSquaredError(x[0], x[1]), [[2, 3], [2, 3]]),
        ["arithmetic"] = (x => ((x[0] * x[1]) - (2.0 - x[0])) / ((x[1] * x[1]) + 3.0), [[2, 3], [3]]),
        ["elementary"] = (x => x[0].Exp() + x[0].Sin() + x[0].Cos() + (x[0].Square() + 1.0).Log() + (x[0].Square() + 1.0).Sqrt(), [[4]]),
        ["reductions"] = (x => x[0].Mean([0], keepDims: true) + x[0].Sum([1], keepDims: true) + x[0].Mean(), [[2, 3]]),
        ["selections"] = (x => Tensor.Maximum(x[0], x[1]) * Tensor.Minimum(x[0], x[1]) * x[0].Clamp(-0.5, 0.5).Abs(), [[5], [5]]),
        ["where"] = (x => Tensor.Where(x[0].IsGreater(0), x[0] * x[0], x[1] * 3.0), [[5], [5]]),
        ["cumulative product"] = (x => x[0].CumulativeProduct(0), [[4]]),
        ["copies"] = (x => (x[0].To(Device.Cpu).Contiguous().Clone() * 2.0).Transpose(0, 1), [[2, 3]]),
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void First_and_second_derivatives_are_right(string name) =>
        TorchRuntime.Run(() => GradientCheck.Verify(Cases[name].F, Cases[name].Shapes));
}
