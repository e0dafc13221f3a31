using Graft.Torch;

namespace Graft.Tests;

public class MarshallingTests
{
    private static readonly Operator Add = new("aten::add", "Tensor");
    private static readonly Operator Neg = new("aten::neg");
    private static readonly Operator Permute = new("aten::permute");
    private static readonly Operator Cat = new("aten::cat");
    private static readonly Operator Index = new("aten::index", "Tensor");
    private static readonly Operator AvgPool = new("aten::avg_pool2d");
    private static readonly Operator LayerNorm = new("aten::layer_norm");
    private static readonly Operator ConvolutionBackward = new("aten::convolution_backward");
    private static readonly Operator BatchNorm = new("aten::_batch_norm_impl_index");
    private static readonly Operator Histogram = new("aten::histogramdd");

    [Fact]
    public void An_int_is_taken_for_a_float() => InScope(() =>
        LayerNorm.Call(Tensor.From([1.0, 3.0], 2), new long[] { 2 }, Argument.None, Argument.None, 0L).ToArray<double>()
            .ShouldBe([-1.0, 1.0]));

    [Fact]
    public void An_int_is_taken_for_a_fixed_number_of_ints() => InScope(() =>
    {
        var x = Tensor.Arange(0, 16).Reshape(1, 1, 4, 4);
        AvgPool.Call(x, 2).ToArray<float>().ShouldBe(AvgPool.Call(x, new long[] { 2, 2 }).ToArray<float>());
    });

    [Fact]
    public void Ints_are_taken_for_floats() => InScope(() =>
        new Operator("aten::upsample_nearest2d", "vec").Call(Tensor.Ones([1, 1, 1, 1]), Argument.None, new long[] { 2, 3 })
            .Shape.ToArray().ShouldBe([1, 1, 2, 3]));

    [Fact]
    public void Strings_floats_bools_and_devices_are_carried() => InScope(() =>
    {
        new Operator("aten::div", "Tensor_mode").Call(Tensor.From([7.0, -7.0], 2), Tensor.Scalar(2, DType.Float64), "floor")
            .ToArray<double>().ShouldBe([3.0, -4.0]);
        new Operator("aten::upsample_nearest2d", "vec").Call(Tensor.Ones([1, 1, 1, 1]), Argument.None, new[] { 2.0, 2.0 })
            .Shape.ToArray().ShouldBe([1, 1, 2, 2]);
        new Operator("aten::add", "Scalar").Call(Tensor.From([1L], 1), true).ToArray<long>().ShouldBe([2L]);
        new Operator("aten::argmax").Call(Tensor.From([1f, 5f], 1, 2), 1, true).Shape.ToArray().ShouldBe([1, 1]);
    });

    [Fact]
    public void Arguments_left_out_take_their_defaults() => InScope(() =>
        Add.Call(Tensor.From([1.0], 1), Tensor.From([2.0], 1), Argument.Default).Item().ShouldBe(3));

    [Fact]
    public void A_surplus_argument_is_refused() =>
        Refusal(() => Neg.Call(Tensor.Ones([2]), 1)).ShouldContain("aten::neg(Float[2], 1): takes 1 arguments and was given 2");

    [Fact]
    public void A_missing_argument_is_refused() =>
        Refusal(() => Add.Call(Tensor.Ones([2]))).ShouldContain("argument 'other' is missing and has no default");

    [Fact]
    public void A_wrong_kind_is_refused_by_name()
    {
        Refusal(() => Permute.Call(Tensor.Ones([2]), Tensor.Ones([2]))).ShouldContain("argument 'dims' takes int[] and was given a tensor");
        Refusal(() => Permute.Call(1L, new long[] { 0 })).ShouldContain("argument 'self' takes Tensor and was given an int");
        Refusal(() => Permute.Call(Argument.None, new long[] { 0 })).ShouldContain("argument 'self' takes Tensor and was given nothing");
        Refusal(() => Permute.Call(Tensor.Ones([2]), new[] { 0.5 })).ShouldContain("argument 'dims' takes int[] and was given floats");
        Refusal(() => Permute.Call(Tensor.Ones([2]), 0.5)).ShouldContain("argument 'dims' takes int[] and was given a float");
        Refusal(() => LayerNorm.Call(Tensor.Ones([2]), new long[] { 2 }, Argument.None, Argument.None, "x"))
            .ShouldContain("argument 'eps' takes float and was given a string");
        Refusal(() => LayerNorm.Call(Tensor.Ones([2]), new long[] { 2 }, Argument.None, Argument.None, 0.0, 1L))
            .ShouldContain("argument 'cudnn_enable' takes bool and was given an int");
        Refusal(() => Cat.Call(Tensor.Ones([2]))).ShouldContain("argument 'tensors' takes Tensor[] and was given a tensor");
    }

    [Fact]
    public void A_hole_is_taken_where_the_operator_takes_one() => InScope(() =>
    {
        var x = Tensor.From([1f, 2, 3, 4], 2, 2);
        x.Index(null, Tensor.From([1L], 1)).ToArray<float>().ShouldBe([2f, 4f]);
        Index.Call(x, new Tensor?[] { Tensor.From([1L], 1), null }).ToArray<float>().ShouldBe([3f, 4f]);
        Should.Throw<TorchException>(() => Cat.Call(new Tensor?[] { x, null })).Message.ShouldContain("argument 'tensors'");
    });

    [Fact]
    public void A_disposed_tensor_is_refused() => InScope(() =>
    {
        var dead = Tensor.Ones([1]);
        Argument early = dead;
        dead.Dispose();
        dead.IsDisposed.ShouldBeTrue();
        dead.ToString().ShouldBe("disposed");
        Should.Throw<ObjectDisposedException>(() => Neg.Call(dead));
        Should.Throw<ObjectDisposedException>(() => Neg.Call(early));
        Should.Throw<ObjectDisposedException>(() => Tensor.Cat([Tensor.Ones([1]), dead]));
        Should.Throw<ObjectDisposedException>(() => dead.Shape.Length);
    });

    [Fact]
    public void An_unknown_operator_is_refused_each_time() => InScope(() =>
    {
        var op = new Operator("aten::nonsense", "some");
        for (var i = 0; i < 2; i++)
            Should.Throw<TorchException>(() => op.Call()).Message.ShouldContain("has no operator aten::nonsense.some");
    });

    [Fact]
    public void Long_lists_are_carried_whole() => InScope(() =>
    {
        var parts = Enumerable.Range(0, 1000).Select(i => Tensor.From([(long)i], 1)).ToArray();
        Tensor.Cat(parts).ToArray<long>().ShouldBe(Enumerable.Range(0, 1000).Select(i => (long)i));
        Tensor.Cat(parts).Split(1).Length.ShouldBe(1000);
    });

    [Fact]
    public void Too_many_dimensions_are_refused() => InScope(() =>
        Should.Throw<TorchException>(() => Tensor.Ones([1]).Reshape([.. Enumerable.Repeat(1L, 13)]).Shape.Length)
            .Message.ShouldContain("13 dimensions"));

    [Fact]
    public void A_refused_result_releases_its_tensors() => InScope(() =>
    {
        var x = Tensor.Ones([1, 2, 4, 4]);
        var weight = Tensor.Ones([2, 2, 3, 3]);
        var grad = Tensor.Ones([1, 2, 2, 2]);
        long[] one = [1, 1], zero = [0, 0];
        Tensor[] Backward(bool[] mask) =>
            ConvolutionBackward.CallMany(grad, x, weight, new long[] { 2 }, one, zero, one, false, zero, 1, mask);
        Backward([true, true, true]).Length.ShouldBe(3);

        var before = TorchRuntime.LiveTensors;
        // an undefined tensor would shift those behind it
        Should.Throw<TorchException>(() => Backward([false, true, true])).Message.ShouldContain("no tensor as its result 0");
        Should.Throw<TorchException>(() => BatchNorm.CallMany(
            x, Argument.None, Argument.None, Argument.None, Argument.None, true, 0.1, 1e-5, false)).Message.ShouldContain("as its result 4");
        Should.Throw<TorchException>(() => new Operator("aten::chunk").Call(x, 2, 1)).Message.ShouldContain("gave no tensor first");
        Should.Throw<TorchException>(() => Histogram.CallMany(Tensor.Ones([3, 2]), new long[] { 2, 2 }))
            .Message.ShouldContain("as its result 1");
        new Operator("aten::chunk").Apply(x, 2, 1);
        TorchRuntime.LiveTensors.ShouldBe(before + 1); // the histogram's input
    });

    private static void InScope(Action work) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        work();
    });

    private static string Refusal(Func<Tensor> call)
    {
        var message = "";
        InScope(() =>
        {
            var before = TorchRuntime.LiveTensors;
            message = Should.Throw<TorchException>(call).Message;
            message.ShouldNotContain("INTERNAL ASSERT");
            message.ShouldContain("[schema: aten::");
            TorchRuntime.LiveTensors.ShouldBeLessThanOrEqualTo(before + 2);
        });
        return message;
    }
}
