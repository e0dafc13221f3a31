namespace Graft.Torch;

/// <content>Arithmetic and reductions. Shapes broadcast as in NumPy.</content>
public sealed unsafe partial class Tensor
{
    private static readonly Operator AddOp = new("aten::add", "Tensor");
    private static readonly Operator AddScalarOp = new("aten::add", "Scalar");
    private static readonly Operator SubOp = new("aten::sub", "Tensor");
    private static readonly Operator SubScalarOp = new("aten::sub", "Scalar");
    private static readonly Operator RsubScalarOp = new("aten::rsub", "Scalar");
    private static readonly Operator MulOp = new("aten::mul", "Tensor");
    private static readonly Operator MulScalarOp = new("aten::mul", "Scalar");
    private static readonly Operator DivOp = new("aten::div", "Tensor");
    private static readonly Operator DivScalarOp = new("aten::div", "Scalar");
    private static readonly Operator NegOp = new("aten::neg");
    private static readonly Operator MatMulOp = new("aten::matmul");
    private static readonly Operator ExpOp = new("aten::exp");
    private static readonly Operator Expm1Op = new("aten::expm1");
    private static readonly Operator LogOp = new("aten::log");
    private static readonly Operator SqrtOp = new("aten::sqrt");
    private static readonly Operator SquareOp = new("aten::square");
    private static readonly Operator AbsOp = new("aten::abs");
    private static readonly Operator SinOp = new("aten::sin");
    private static readonly Operator CosOp = new("aten::cos");
    private static readonly Operator ClampOp = new("aten::clamp");
    private static readonly Operator MinimumOp = new("aten::minimum");
    private static readonly Operator MaximumOp = new("aten::maximum");
    private static readonly Operator RoundOp = new("aten::round");
    private static readonly Operator SumOp = new("aten::sum");
    private static readonly Operator SumDimOp = new("aten::sum", "dim_IntList");
    private static readonly Operator MeanOp = new("aten::mean");
    private static readonly Operator MeanDimOp = new("aten::mean", "dim");
    private static readonly Operator MaxOp = new("aten::max");
    private static readonly Operator AmaxOp = new("aten::amax");
    private static readonly Operator MinOp = new("aten::min");
    private static readonly Operator ArgMinOp = new("aten::argmin");
    private static readonly Operator WhereOp = new("aten::where", "self");
    private static readonly Operator GreaterOp = new("aten::gt", "Scalar");
    private static readonly Operator EqualScalarOp = new("aten::eq", "Scalar");
    private static readonly Operator CumProdOp = new("aten::cumprod");
    private static readonly Operator IsFiniteOp = new("aten::isfinite");

    /// <summary>Sum.</summary>
    public static Tensor operator +(Tensor a, Tensor b) => AddOp.Call(a, b);

    /// <summary>Sum.</summary>
    public static Tensor operator +(Tensor a, double b) => AddScalarOp.Call(a, b);

    /// <summary>Difference.</summary>
    public static Tensor operator -(Tensor a, Tensor b) => SubOp.Call(a, b);

    /// <summary>Difference.</summary>
    public static Tensor operator -(Tensor a, double b) => SubScalarOp.Call(a, b);

    /// <summary>Difference.</summary>
    public static Tensor operator -(double a, Tensor b) => RsubScalarOp.Call(b, a);

    /// <summary>Product of elements.</summary>
    public static Tensor operator *(Tensor a, Tensor b) => MulOp.Call(a, b);

    /// <summary>Product.</summary>
    public static Tensor operator *(Tensor a, double b) => MulScalarOp.Call(a, b);

    /// <summary>Product.</summary>
    public static Tensor operator *(double a, Tensor b) => MulScalarOp.Call(b, a);

    /// <summary>Quotient of elements.</summary>
    public static Tensor operator /(Tensor a, Tensor b) => DivOp.Call(a, b);

    /// <summary>Quotient.</summary>
    public static Tensor operator /(Tensor a, double b) => DivScalarOp.Call(a, b);

    /// <summary>Negative.</summary>
    public static Tensor operator -(Tensor a) => NegOp.Call(a);

    /// <summary>Matrix product over the last two dimensions.</summary>
    public Tensor MatMul(Tensor other) => MatMulOp.Call(this, other);

    /// <summary>e to the power of each element.</summary>
    public Tensor Exp() => ExpOp.Call(this);

    /// <summary>e to the power of each element, less 1, exact near 0.</summary>
    public Tensor Expm1() => Expm1Op.Call(this);

    /// <summary>Natural logarithm.</summary>
    public Tensor Log() => LogOp.Call(this);

    /// <summary>Square root.</summary>
    public Tensor Sqrt() => SqrtOp.Call(this);

    /// <summary>Square.</summary>
    public Tensor Square() => SquareOp.Call(this);

    /// <summary>Absolute value.</summary>
    public Tensor Abs() => AbsOp.Call(this);

    /// <summary>Sine.</summary>
    public Tensor Sin() => SinOp.Call(this);

    /// <summary>Cosine.</summary>
    public Tensor Cos() => CosOp.Call(this);

    /// <summary>Nearest integer, halves to even.</summary>
    public Tensor Round() => RoundOp.Call(this);

    /// <summary>Elements kept between bounds; null leaves a side open.</summary>
    public Tensor Clamp(double? low, double? high) => ClampOp.Call(this, low, high);

    /// <summary>The smaller of two, element by element.</summary>
    public static Tensor Minimum(Tensor a, Tensor b) => MinimumOp.Call(a, b);

    /// <summary>The larger of two, element by element.</summary>
    public static Tensor Maximum(Tensor a, Tensor b) => MaximumOp.Call(a, b);

    /// <summary>Sum of all elements.</summary>
    public Tensor Sum() => SumOp.Call(this);

    /// <summary>Sum over dimensions.</summary>
    public Tensor Sum(long[] dims, bool keepDims = false) => SumDimOp.Call(this, dims, keepDims);

    /// <summary>Mean of all elements.</summary>
    public Tensor Mean() => MeanOp.Call(this);

    /// <summary>Mean over dimensions.</summary>
    public Tensor Mean(long[] dims, bool keepDims = false) => MeanDimOp.Call(this, dims, keepDims);

    /// <summary>Largest element.</summary>
    public Tensor Max() => MaxOp.Call(this);

    /// <summary>The largest element along dimensions; equal ones share the gradient.</summary>
    public Tensor Max(long[] dims, bool keepDims = false) => AmaxOp.Call(this, dims, keepDims);

    /// <summary>Smallest element.</summary>
    public Tensor Min() => MinOp.Call(this);

    /// <summary>Where the smallest element along a dimension is, int64; the first of equal ones on a CPU.</summary>
    public Tensor ArgMin(long dim) => ArgMinOp.Call(this, dim, false);

    /// <summary>Running product along a dimension.</summary>
    public Tensor CumulativeProduct(long dim) => CumProdOp.Call(this, dim);

    /// <summary>Elements of <paramref name="a"/> where the condition (bool) holds, else of <paramref name="b"/>.</summary>
    public static Tensor Where(Tensor condition, Tensor a, Tensor b) => WhereOp.Call(condition, a, b);

    /// <summary>Whether each element is above a number.</summary>
    public Tensor IsGreater(double than) => GreaterOp.Call(this, than);

    /// <summary>Whether each element equals a number.</summary>
    public Tensor IsEqual(double to) => EqualScalarOp.Call(this, to);

    /// <summary>Whether each element is neither infinite nor NaN.</summary>
    public Tensor IsFinite() => IsFiniteOp.Call(this);
}
