using System.Numerics;
using System.Runtime.InteropServices;
using Graft.Torch;

namespace Graft.Tests;

public class ElementTypeTests
{
    private static readonly DType[] Numbers =
    [
        DType.UInt8, DType.Int8, DType.Int16, DType.Int32, DType.Int64, DType.Float16, DType.BFloat16, DType.Float32, DType.Float64,
        DType.Complex64, DType.Complex128,
    ];

    public static TheoryData<DType> Types => [.. Numbers, DType.Bool];

    public static TheoryData<DType> NumberTypes => [.. Numbers];

    [Fact]
    public void Values_of_every_type_go_in_and_come_out() => InScope(() =>
    {
        RoundTrip(DType.Float32, 1.5f, -0f, float.NaN, float.MaxValue, float.Epsilon);
        RoundTrip(DType.Float64, 1.5, -0.0, double.NegativeInfinity, double.Epsilon);
        RoundTrip(DType.Float16, (Half)1.5, Half.MaxValue, Half.Epsilon);
        RoundTrip(DType.BFloat16, (ushort)0x3FC0, (ushort)0x7F7F);
        RoundTrip(DType.Int64, long.MinValue, long.MaxValue);
        RoundTrip(DType.Int32, int.MinValue, int.MaxValue);
        RoundTrip(DType.Int16, short.MinValue, short.MaxValue);
        RoundTrip(DType.Int8, sbyte.MinValue, sbyte.MaxValue);
        RoundTrip(DType.UInt8, (byte)0, (byte)255);
        RoundTrip(DType.Bool, true, false);
        RoundTrip(DType.Complex128, new Complex(1, -2), new Complex(0, 3));
    });

    [Theory]
    [MemberData(nameof(Types))]
    public void Bytes_go_in_and_come_out(DType type) => InScope(() =>
    {
        var bytes = Enumerable.Range(0, 3 * type.Size()).Select(i => (byte)(type == DType.Bool ? i & 1 : i)).ToArray();
        var x = Tensor.FromBytes(bytes, type, 3);
        x.Type.ShouldBe(type);
        x.ToBytes().ShouldBe(bytes);
        x.Clone().ToBytes().ShouldBe(bytes);
        x.WithBytes((_, count) => count.ShouldBe(bytes.Length));
    });

    [Theory]
    [MemberData(nameof(NumberTypes))]
    public void Conversions_go_there_and_back(DType type) => InScope(() =>
    {
        double[] values = [0, 1, 2, 100];
        var x = Tensor.From(values, 4).To(type);
        foreach (var other in Numbers)
            x.To(other).To(type).To(DType.Float64).ToArray<double>().ShouldBe(values, $"{type} to {other} and back");
        x.To(DType.Bool).ToArray<bool>().ShouldBe([false, true, true, true]);
        Tensor.Full(3, [2], type).To(DType.Float64).ToArray<double>().ShouldBe([3.0, 3.0]);
        Tensor.Zeros([2], type).Type.ShouldBe(type);
    });

    [Fact]
    public void Half_types_round_to_nearest_even() => InScope(() =>
    {
        // one half of the last place above 1, and three halves
        Tensor.From([1 + MathF.Pow(2, -8), 1 + (3 * MathF.Pow(2, -8))], 2).To(DType.BFloat16).ToArray<ushort>()
            .ShouldBe([(ushort)0x3F80, (ushort)0x3F82]);
        Tensor.From([1 + MathF.Pow(2, -11), 1 + (3 * MathF.Pow(2, -11))], 2).To(DType.Float16).ToArray<Half>()
            .ShouldBe([(Half)1, (Half)(1 + (4 * MathF.Pow(2, -11)))]);
        Tensor.From([70000f], 1).To(DType.Float16).To(DType.Float32).ToArray<float>().ShouldBe([float.PositiveInfinity]);
    });

    [Fact]
    public void Complex_numbers_multiply() => InScope(() =>
    {
        var a = Tensor.From([new Complex(1, 2), new Complex(0, 1)], 2);
        var b = Tensor.From([new Complex(3, -1), new Complex(0, 1)], 2);
        (a * b).ToArray<Complex>().ShouldBe([new Complex(5, 5), new Complex(-1, 0)]);

        float[] parts = [1, 2, 0, 1];
        var single = Tensor.FromBytes(MemoryMarshal.AsBytes(parts.AsSpan()), DType.Complex64, 2);
        MemoryMarshal.Cast<byte, float>((single * b.To(DType.Complex64)).ToBytes()).ToArray().ShouldBe([5f, 5, -1, 0]);
        Should.Throw<InvalidOperationException>(() => a.Select(0, 0).Item()).Message.ShouldContain("Complex128[]");
    });

    [Fact]
    public void The_Fourier_transform_is_that_of_its_definition() => InScope(() =>
    {
        var x = Enumerable.Range(0, 6).Select(i => new Complex(i * i, 1 - i)).ToArray();
        var y = new Operator("aten::fft_fft").Call(Tensor.From(x, 6)).ToArray<Complex>();
        for (var k = 0; k < 6; k++)
        {
            var sum = Complex.Zero;
            for (var n = 0; n < 6; n++)
                sum += x[n] * Complex.FromPolarCoordinates(1, -2 * Math.PI * k * n / 6);
            (y[k] - sum).Magnitude.ShouldBeLessThan(1e-12);
        }

        var back = new Operator("aten::fft_ifft").Call(Tensor.From(y, 6)).ToArray<Complex>();
        back.Zip(x, (a, b) => (a - b).Magnitude).Max().ShouldBeLessThan(1e-12);
    });

    [Fact]
    public void Conjugates_and_negatives_come_out_as_such() => InScope(() =>
    {
        var x = Tensor.From([new Complex(1, 2)], 1);
        var conjugate = new Operator("aten::conj").Call(x);
        conjugate.ToArray<Complex>().ShouldBe([new Complex(1, -2)]);
        new Operator("aten::imag").Call(conjugate).ToArray<double>().ShouldBe([-2.0]);
        new Operator("aten::imag").Call(conjugate).Item().ShouldBe(-2);
    });

    [Fact]
    public void The_wrong_type_is_refused_with_a_sentence() => InScope(() =>
    {
        var x = Tensor.Ones([2]);
        Should.Throw<InvalidOperationException>(() => x.ToArray<int>()).Message.ShouldBe("Float32[2] cannot be read as Int32.");
        Should.Throw<InvalidOperationException>(() => x.ToArray<double>());
        Should.Throw<InvalidOperationException>(() => x.CopyTo<float>(new float[3])).Message.ShouldContain("does not fit 3 values");
        Should.Throw<ArgumentException>(() => Tensor.From([1f, 2], 3)).Message.ShouldContain("2 values do not fill");
        Should.Throw<ArgumentException>(() => Tensor.From(['x'], 1)).Message.ShouldContain("Char");
        Should.Throw<ArgumentException>(() => Tensor.FromBytes([1, 2, 3], DType.Int16, 2));
        Should.Throw<InvalidOperationException>(() => x.Item());
        Should.Throw<TorchException>(() => Tensor.Ones([1], DType.Int64).RequiresGrad = true).Message.ShouldContain("floating point");
    });

    [Fact]
    public void Empty_tensors_and_scalars_are_carried() => InScope(() =>
    {
        Tensor.From(Array.Empty<float>(), 0, 3).ToArray<float>().ShouldBeEmpty();
        Tensor.Zeros([0]).ToBytes().ShouldBeEmpty();
        Tensor.From([4f]).Dims.ShouldBe(0);
        Tensor.Scalar(2.5).Item().ShouldBe(2.5);
    });

    [Fact]
    public void What_an_operator_changed_in_place_is_seen() => InScope(() =>
    {
        var x = Tensor.Ones([1, 4]);
        x.Shape.ToArray().ShouldBe([1, 4]);
        new Operator("aten::squeeze_", "dim").Apply(x, 0);
        x.Shape.ToArray().ShouldBe([4]);
        new Operator("aten::resize_").Apply(x, new long[] { 2 });
        x.ToArray<float>().ShouldBe([1f, 1f]);
        x.RequiresGrad.ShouldBeFalse();
        new Operator("aten::requires_grad_").Apply(x, true);
        x.RequiresGrad.ShouldBeTrue();
        new Operator("aten::detach_").Apply(x);
        x.RequiresGrad.ShouldBeFalse();
        x.RequiresGrad = true;
        x.RequiresGrad.ShouldBeTrue();
    });

    [Fact]
    public void CopyFrom_writes_values_and_records_nothing() => InScope(() =>
    {
        var leaf = Tensor.From([1f, 2], 2);
        leaf.RequiresGrad = true;
        var source = Tensor.From([3.0, 4.0], 2);
        source.RequiresGrad = true;
        leaf.CopyFrom(source * 2.0).RequiresGrad.ShouldBeTrue();
        leaf.ToArray<float>().ShouldBe([6f, 8f]);
        Autograd.Backward((leaf * leaf).Sum());
        leaf.Grad!.ToArray<float>().ShouldBe([12f, 16f]);
        source.Grad.ShouldBeNull();

        var plain = Tensor.Zeros([2]);
        plain.CopyFrom(source);
        plain.RequiresGrad.ShouldBeFalse();
        // a graph that still needs the old values is not run on the new ones
        var late = (leaf * leaf).Sum();
        leaf.CopyFrom(plain);
        Should.Throw<TorchException>(() => Autograd.Backward(late)).Message.ShouldContain("modified by an inplace operation");
        Should.Throw<TorchException>(() => plain.CopyFrom(Tensor.Zeros([3])));
    });

    private static void RoundTrip<T>(DType type, params T[] values)
        where T : unmanaged
    {
        var x = Tensor.From(values, values.Length);
        x.Type.ShouldBe(type);
        x.ToArray<T>().ShouldBe(values);
        x.Reshape(1, -1).Expand(2, -1).ToArray<T>().ShouldBe([.. values, .. values]);
    }

    private static void InScope(Action work) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        work();
    });
}
