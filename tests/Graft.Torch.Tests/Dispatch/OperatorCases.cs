using Graft.Torch;

namespace Graft.Tests;

/// <summary>For every operator that the library uses: a call with small inputs, and the shape and values that must come of it.</summary>
internal static class OperatorCases
{
    private const double Silu1 = 0.7310585786300049; // 1 / (1 + 1/e)

    /// <summary>By the class and the field that hold the operator.</summary>
    public static IReadOnlyDictionary<string, Case> All { get; } = new Dictionary<string, Case>
    {
        // Tensor.Create
        ["Tensor.FullOp"] = new(o => o.Call(Sizes(2), 1.5, DType.Float64, Argument.None, Device.Cpu), [2], [1.5, 1.5]),
        ["Tensor.EmptyOp"] = new(o => o.Call(Sizes(2, 1), DType.Float64, Argument.None, Device.Cpu).Fill(3), [2, 1], [3, 3]),
        ["Tensor.ArangeOp"] = new(o => o.Call(1.0, 2.0, 0.5, DType.Float64), [2], [1, 1.5]),
        ["Tensor.ToOp"] = new(o => o.Call(V(1.7, -1.7), DType.Int32), [2], [1, -1]),
        ["Tensor.ToDeviceOp"] = new(o => o.Call(V(1.5), Device.Cpu, DType.Float32, true), [1], [1.5]),
        ["Tensor.PinOp"] = new(Pinned, [2], [1, 2]),
        ["Tensor.CopyOp"] = new(o => o.Call(V(0, 0), V(5)), [2], [5, 5]),
        ["Tensor.ContiguousOp"] = new(o => o.Call(M(2, 2, 1, 2, 3, 4).Transpose(0, 1)), [2, 2], [1, 3, 2, 4]),
        ["Tensor.CloneOp"] = new(o => o.Call(V(1, 2)), [2], [1, 2]),
        ["Tensor.ResolveConjugateOp"] = new(o => o.Call(V(1, 2)), [2], [1, 2]),
        ["Tensor.ResolveNegativeOp"] = new(o => o.Call(new Operator("aten::_neg_view").Call(V(1, 2))), [2], [-1, -2]),
        ["Tensor.DetachOp"] = new(o => o.Call(V(1, 2)), [2], [1, 2]),
        ["Tensor.FillOp"] = new(o => o.Call(V(1, 2), 7.0), [2], [7, 7]),

        // Tensor
        ["Tensor.VersionOp"] = new(o => Tensor.Scalar(o.CallInteger(V(1, 2).Fill(3).Fill(4))), [], [2]),

        // Tensor.Shape
        ["Tensor.ReshapeOp"] = new(o => o.Call(V(1, 2, 3, 4), Sizes(2, -1)), [2, 2], [1, 2, 3, 4]),
        ["Tensor.PermuteOp"] = new(o => o.Call(M(1, 2, 5, 6), Sizes(1, 0)), [2, 1], [5, 6]),
        ["Tensor.TransposeOp"] = new(o => o.Call(M(2, 2, 1, 2, 3, 4), 0, 1), [2, 2], [1, 3, 2, 4]),
        ["Tensor.UnsqueezeOp"] = new(o => o.Call(V(1, 2), 0), [1, 2], [1, 2]),
        ["Tensor.SqueezeOp"] = new(o => o.Call(M(1, 2, 1, 2), 0), [2], [1, 2]),
        ["Tensor.ExpandOp"] = new(o => o.Call(M(1, 2, 1, 2), Sizes(2, -1)), [2, 2], [1, 2, 1, 2]),
        ["Tensor.SliceOp"] = new(o => o.Call(V(0, 1, 2, 3, 4), 0, 1, 5, 2), [2], [1, 3]),
        ["Tensor.SelectOp"] = new(o => o.Call(M(2, 2, 1, 2, 3, 4), 1, -1), [2], [2, 4]),
        ["Tensor.IndexSelectOp"] = new(o => o.Call(M(2, 2, 1, 2, 3, 4), 0, I(1, 1)), [2, 2], [3, 4, 3, 4]),
        ["Tensor.IndexOp"] = new(o => o.Call(M(2, 2, 1, 2, 3, 4), new Tensor?[] { null, I(1) }), [2, 1], [2, 4]),
        ["Tensor.GatherOp"] = new(o => o.Call(M(2, 2, 1, 2, 3, 4), 1, I(1, 0).Reshape(2, 1)), [2, 1], [2, 3]),
        ["Tensor.ChunkOp"] = new(o => o.CallMany(V(1, 2, 3, 4), 2, 0)[1], [2], [3, 4]),
        ["Tensor.SplitOp"] = new(o => o.CallMany(V(1, 2, 3, 4, 5), 2, 0)[2], [1], [5]),
        ["Tensor.CatOp"] = new(o => o.Call(new Tensor?[] { V(1), V(2, 3) }, 0), [3], [1, 2, 3]),
        ["Tensor.StackOp"] = new(o => o.Call(new Tensor?[] { V(1, 2), V(3, 4) }, 1), [2, 2], [1, 3, 2, 4]),
        ["Tensor.FlipOp"] = new(o => o.Call(V(1, 2, 3), Sizes(0)), [3], [3, 2, 1]),
        ["Tensor.PadOp"] = new(o => o.Call(V(1, 2), Sizes(1, 2), 9.0), [5], [9, 1, 2, 9, 9]),
        ["Tensor.FlattenOp"] = new(o => o.Call(M(2, 2, 1, 2, 3, 4), 0, -1), [4], [1, 2, 3, 4]),

        // Tensor.Math
        ["Tensor.AddOp"] = new(o => o.Call(V(1, 2), V(3, 5)), [2], [4, 7]),
        ["Tensor.AddScalarOp"] = new(o => o.Call(V(1, 2), 0.5), [2], [1.5, 2.5]),
        ["Tensor.SubOp"] = new(o => o.Call(V(1, 2), V(3, 5)), [2], [-2, -3]),
        ["Tensor.SubScalarOp"] = new(o => o.Call(V(1, 2), 0.5), [2], [0.5, 1.5]),
        ["Tensor.RsubScalarOp"] = new(o => o.Call(V(1, 2), 0.5), [2], [-0.5, -1.5]),
        ["Tensor.MulOp"] = new(o => o.Call(V(1, 2), V(3, 5)), [2], [3, 10]),
        ["Tensor.MulScalarOp"] = new(o => o.Call(V(1, 2), 0.5), [2], [0.5, 1]),
        ["Tensor.DivOp"] = new(o => o.Call(V(1, 2), V(4, 8)), [2], [0.25, 0.25]),
        ["Tensor.DivScalarOp"] = new(o => o.Call(V(1, 2), 4.0), [2], [0.25, 0.5]),
        ["Tensor.NegOp"] = new(o => o.Call(V(1, -2)), [2], [-1, 2]),
        ["Tensor.MatMulOp"] = new(o => o.Call(M(2, 2, 1, 2, 3, 4), V(1, 10)), [2], [21, 43]),
        ["Tensor.ExpOp"] = new(o => o.Call(V(0, 1)), [2], [1, Math.E]),
        ["Tensor.Expm1Op"] = new(o => o.Call(V(0, 1)), [2], [0, Math.E - 1]),
        ["Tensor.LogOp"] = new(o => o.Call(V(1, Math.E)), [2], [0, 1]),
        ["Tensor.SqrtOp"] = new(o => o.Call(V(4, 9)), [2], [2, 3]),
        ["Tensor.SquareOp"] = new(o => o.Call(V(4, -3)), [2], [16, 9]),
        ["Tensor.AbsOp"] = new(o => o.Call(V(4, -3)), [2], [4, 3]),
        ["Tensor.SinOp"] = new(o => o.Call(V(0, Math.PI / 2)), [2], [0, 1]),
        ["Tensor.CosOp"] = new(o => o.Call(V(0, Math.PI)), [2], [1, -1]),
        ["Tensor.ClampOp"] = new(o => o.Call(V(-5, 0.5, 5), Argument.None, 1.0), [3], [-5, 0.5, 1]),
        ["Tensor.MinimumOp"] = new(o => o.Call(V(1, 5), V(3, 2)), [2], [1, 2]),
        ["Tensor.MaximumOp"] = new(o => o.Call(V(1, 5), V(3, 2)), [2], [3, 5]),
        ["Tensor.RoundOp"] = new(o => o.Call(V(0.5, 1.5, -1.2)), [3], [0, 2, -1]),
        ["Tensor.SumOp"] = new(o => o.Call(V(1, 2, 4)), [], [7]),
        ["Tensor.SumDimOp"] = new(o => o.Call(M(2, 2, 1, 2, 3, 4), Sizes(1), true), [2, 1], [3, 7]),
        ["Tensor.MeanOp"] = new(o => o.Call(V(1, 2, 6)), [], [3]),
        ["Tensor.MeanDimOp"] = new(o => o.Call(M(2, 2, 1, 2, 3, 4), Sizes(0), false), [2], [2, 3]),
        ["Tensor.MaxOp"] = new(o => o.Call(V(1, 6, 2)), [], [6]),
        ["Tensor.AmaxOp"] = new(o => o.Call(M(2, 2, 1, 4, 3, 2), Sizes(1), false), [2], [4, 3]),
        ["Tensor.ArgMinOp"] = new(o => o.Call(M(2, 2, 4, 1, 2, 3), 1, false), [2], [1, 0]),
        ["Tensor.MinOp"] = new(o => o.Call(V(1, 6, -2)), [], [-2]),
        ["Tensor.WhereOp"] = new(o => o.Call(V(1, -1).IsGreater(0), V(5, 5), V(7, 7)), [2], [5, 7]),
        ["Tensor.GreaterOp"] = new(o => o.Call(V(1, 2), 1.0), [2], [0, 1]),
        ["Tensor.EqualScalarOp"] = new(o => o.Call(V(1, 2), 1.0), [2], [1, 0]),
        ["Tensor.CumProdOp"] = new(o => o.Call(V(2, 3, 4), 0), [3], [2, 6, 24]),
        ["Tensor.IsFiniteOp"] = new(o => o.Call(V(1, double.NaN, double.PositiveInfinity)), [3], [1, 0, 0]),

        // Functional
        ["Functional.Conv2dOp"] = new(
            o => o.Call(V(1, 2, 3, 4, 5, 6, 7, 8, 9).Reshape(1, 1, 3, 3), V(1, 1, 1, 1).Reshape(1, 1, 2, 2), V(0.5), 1, 0, 1, 1),
            [1, 1, 2, 2],
            [12.5, 16.5, 24.5, 28.5]),
        ["Functional.Conv1x1Op"] = new(o => o.Call(V(1, 2, 3, 4).Reshape(1, 2, 1, 2), V(1, 10).Reshape(1, 2, 1, 1), V(0.5), false, V(100, 200).Reshape(1, 1, 1, 2)), [1, 1, 1, 2], [131.5, 242.5]),
        ["Functional.SelfAttentionOp"] = new(o => o.Call(V(0, 0, 0, 0, 5, 9).Reshape(1, 3, 1, 2), 1, 0.5), [1, 1, 1, 2], [7, 7]),
        ["Functional.Conv3x3Op"] = new(
            o => o.Call(V(1, 2, 3, 4).Reshape(1, 1, 2, 2), V(0, 0, 0, 0, 1, 10, 0, 0, 0).Reshape(1, 1, 3, 3), V(0.5), false),
            [1, 1, 2, 2],
            [21.5, 2.5, 43.5, 4.5]),
        ["Functional.NormSiluConv3x3Op"] = new( // norm(1, 3) is -1, 1; the middle of the kernel doubles
            o => o.Call(
                V(1, 3).Reshape(1, 1, 1, 2), M(1, 1, 7), 1, V(1), V(0), 0.0, M(1, 1, -1), M(1, 1, 1), V(0, 0, 0, 0, 2, 0, 0, 0, 0).Reshape(1, 1, 3, 3), V(0.5),
                V(10, 20).Reshape(1, 1, 1, 2)),
            [1, 1, 1, 2],
            [10.5 + (2 * Silu1), 20.5 + (2 * Silu1)]),
        ["Functional.HasWinogradConvolutionOp"] = new(o => Tensor.Scalar(o.CallInteger(1, 15, 16, 8, 8)), [], [0]),
        ["Functional.LinearOp"] = new(o => o.Call(M(1, 2, 1, 2), M(1, 2, 3, 4), V(10)), [1, 1], [21]),
        ["Functional.GroupNormOp"] = new(o => o.Call(M(1, 4, 1, 3, 10, 14), 2, Argument.None, Argument.None, 0.0), [1, 4], [-1, 1, -1, 1]),
        ["Functional.LayerNormOp"] = new(o => o.Call(M(1, 2, 1, 3), Sizes(2), V(2, 2), V(5, 5), 0.0), [1, 2], [3, 7]),
        ["Functional.SiluOp"] = new(o => o.Call(V(0, 1)), [2], [0, Silu1]),
        ["Functional.ErfOp"] = new(o => o.Call(V(0, 1)), [2], [0, 0.8427007929497149]),
        ["Functional.GeluOp"] = new(o => o.Call(V(0, 1), "none"), [2], [0, 0.8413447460685429]),
        ["Functional.ReluOp"] = new(o => o.Call(V(-1, 2)), [2], [0, 2]),
        ["Functional.MishOp"] = new(o => o.Call(V(0, 1)), [2], [0, 0.8650983882673103]),
        ["Functional.SigmoidOp"] = new(o => o.Call(V(0, 1)), [2], [0.5, Silu1]),
        ["Functional.LogSigmoidOp"] = new(o => o.Call(V(0, -1000)), [2], [-Math.Log(2), -1000]),
        ["Functional.SoftmaxOp"] = new(o => o.Call(V(0, Math.Log(3)), 0, Argument.None), [2], [0.25, 0.75]),
        ["Functional.LogSoftmaxOp"] = new(o => o.Call(V(0, Math.Log(3)), 0, Argument.None), [2], [Math.Log(0.25), Math.Log(0.75)]),
        ["Functional.EmbeddingOp"] = new(o => o.Call(M(2, 2, 1, 2, 3, 4), I(1)), [1, 2], [3, 4]),
        ["Functional.UpsampleOp"] = new(
            o => o.Call(V(1, 2).Reshape(1, 1, 1, 2), Sizes(2, 4), Argument.None, Argument.None), [1, 1, 2, 4], [1, 1, 2, 2, 1, 1, 2, 2]),
        ["Functional.AvgPoolOp"] = new(o => o.Call(V(1, 2, 3, 4).Reshape(1, 1, 2, 2), 2, 2), [1, 1, 1, 1], [2.5]),
        ["Functional.MseOp"] = new(o => o.Call(V(1, 2), V(3, 2)), [], [2]),
        ["Functional.CrossEntropyOp"] = new(o => o.Call(M(1, 2, 0, 0), I(1), Argument.None, 1, -100, 0.1), [], [Math.Log(2)]),
        ["Functional.BaddbmmOp"] = new(
            o => o.Call(V(10).Reshape(1, 1, 1), V(2).Reshape(1, 1, 1), V(3, 4).Reshape(1, 1, 2), 1.0, 0.5), [1, 1, 2], [13, 14]),
        ["Functional.BmmOp"] = new(o => o.Call(V(2).Reshape(1, 1, 1), V(3, 4).Reshape(1, 1, 2)), [1, 1, 2], [6, 8]),

        // Functional.Sequences
        ["Functional.Conv1dOp"] = new(o => o.Call(V(1, 2, 4).Reshape(1, 1, 3), V(1, 1).Reshape(1, 1, 2), V(0.5), 1, 0, 1, 1), [1, 1, 2], [3.5, 6.5]),
        ["Functional.TanhOp"] = new(o => o.Call(V(0, Math.Log(3))), [2], [0, 0.8]),

        // Functional.Pooling
        ["Functional.MaxPoolOp"] = new(
            o => o.Call(V(1, 2, 3, 4, 9, 6).Reshape(1, 1, 2, 3), 2, 2, 0, 1, true), [1, 1, 1, 2], [9, 6]),
        ["Functional.BatchNormOp"] = new(
            o => o.Call(V(3, 5).Reshape(1, 2, 1, 1), V(2, 1), V(0.5, 0), V(1, 1), V(4, 16), false, 0.0, 0.0, false), [1, 2, 1, 1], [2.5, 1]),
        ["Functional.BilinearOp"] = new(
            o => o.Call(V(1, 5).Reshape(1, 1, 1, 2), Sizes(1, 4), false, Argument.None, Argument.None), [1, 1, 1, 4], [1, 2, 4, 5]),

        // Fourier
        ["Fourier.ForwardOp"] = new(o => PairsOf(o.Call(V(1, 2), 4, -1)), [3, 2], [3, 0, 1, -2, -1, 0]),
        ["Fourier.InverseOp"] = new(o => o.Call(ComplexOf(M(3, 2, 3, 0, 1, -2, -1, 0)), 4, -1), [4], [1, 2, 0, 0]),

        ["Fourier.FilterOp"] = new( // a kernel of 2 at time 0 and 1 at time 1: 2 + e^{-i pi k / 2}
            o => o.Call(V(1, 2).Reshape(1, 1, 2), ComplexOf(M(3, 2, 3, 0, 2, -1, 1, 0)).Reshape(1, 3)), [1, 1, 2], [2, 5]),

        // ComplexTensor
        ["ComplexTensor.ViewOp"] = new(o => PairsOf(o.Call(M(1, 2, 3, 4))), [1, 2], [3, 4]),
        ["ComplexTensor.ViewAsRealOp"] = new(o => o.Call(ComplexOf(M(1, 2, 3, 4))), [1, 2], [3, 4]),
        ["ComplexTensor.ConjugateOp"] = new(o => PairsOf(new Operator("aten::resolve_conj").Call(o.Call(ComplexOf(M(1, 2, 3, 4))))), [1, 2], [3, -4]),
        ["ComplexTensor.SolveOp"] = new(o => o.Call(M(2, 2, 2, 0, 0, 4), M(2, 1, 6, 8)), [2, 1], [3, 2]),
        ["ComplexTensor.PowerOp"] = new(o => o.Call(M(2, 2, 1, 1, 0, 1), 3), [2, 2], [1, 3, 0, 1]),

        // LinearAlgebra
        ["LinearAlgebra.EighOp"] = new(o => o.CallMany(M(2, 2, 2, 1, 1, 2), "L")[0], [2], [1, 3]),
        ["LinearAlgebra.SingularValuesOp"] = new(o => o.Call(M(2, 2, 0, -4, 3, 0), Argument.None), [2], [4, 3]),
        ["LinearAlgebra.QrOp"] = new(o => o.CallMany(M(2, 1, 3, 4), "r")[1].Abs(), [1, 1], [5]),
    };

    /// <summary>Page-locked memory is CUDA's: without a GPU libtorch says so.</summary>
    private static Tensor Pinned(Operator op)
    {
        var x = V(1, 2);
        if (TorchRuntime.DeviceCount(DeviceType.Cuda) > 0)
            return op.Call(x);
        Should.Throw<TorchException>(() => op.Call(x)).Message.ShouldContain("pin");
        return x;
    }

    private static Tensor V(params double[] values) => Tensor.From(values, values.Length);

    private static Tensor I(params long[] values) => Tensor.From(values, values.Length);

    private static Tensor M(long rows, long columns, params double[] values) => Tensor.From(values, rows, columns);

    private static Tensor ComplexOf(Tensor pairs) => new Operator("aten::view_as_complex").Call(pairs);

    private static Tensor PairsOf(Tensor complex) => new Operator("aten::view_as_real").Call(complex);

    private static long[] Sizes(params long[] sizes) => sizes;

    /// <summary>A call and what it gives.</summary>
    internal sealed record Case(Func<Operator, Tensor> Call, long[] Shape, double[] Values);
}
