using Graft.Torch;

namespace Graft.Tests;

public class LayerTests
{
    [Fact]
    public void Layers_give_the_shapes_of_PyTorch() => InScope(() =>
    {
        using var conv = new Conv2d(3, 4, 3, stride: 2, padding: 1, bias: false);
        conv.Bias.ShouldBeNull();
        conv.Forward(Tensor.Ones([2, 3, 8, 8])).Shape.ToArray().ShouldBe([2, 4, 4, 4]);
        using var linear = new Linear(3, 5);
        linear.Forward(Tensor.Ones([2, 7, 3])).Shape.ToArray().ShouldBe([2, 7, 5]);
        using var embedding = new Embedding(6, 4);
        embedding.Forward(Tensor.From([1L, 5], 2, 1)).Shape.ToArray().ShouldBe([2, 1, 4]);
        Should.Throw<TorchException>(() => embedding.Forward(Tensor.From([6L], 1))).Message.ShouldContain("out of range");
        Should.Throw<TorchException>(() => linear.Forward(Tensor.Ones([2, 4]))).Message.ShouldContain("aten::linear(Float[2, 4], Float[5, 3]");
    });

    [Fact]
    public void Norms_start_as_the_identity_after_normalising() => InScope(() =>
    {
        using var group = new GroupNorm(2, 4);
        using var layer = new LayerNorm(4);
        group.Initialise(0);
        layer.Initialise(0);
        var x = new KeyedRandom(1, "x").Normal(0, [0, 1], [4]);
        layer.Forward(x).Mean([1]).ToArray<float>().ShouldBe([0f, 0f], 1e-6f);
        group.Forward(x).Square().Mean().Item().ShouldBe(1, 1e-3);
    });

    [Fact]
    public void Dropout_is_a_function_of_the_item() => InScope(() =>
    {
        using var dropout = new Dropout(0.3);
        dropout.Train();
        float[] Mask(long seed, long step, params long[] items)
        {
            dropout.BeginBatch(seed, step, items);
            return dropout.Forward(Tensor.Ones([items.Length, 2000])).ToArray<float>();
        }

        var both = Mask(1, 5, 10, 20);
        Mask(1, 5, 20, 10).ShouldBe([.. both[2000..], .. both[..2000]]);
        Mask(1, 5, 20).ShouldBe(both[2000..]);
        Mask(1, 6, 10, 20).ShouldNotBe(both);
        Mask(2, 5, 10, 20).ShouldNotBe(both);
        both[..2000].ShouldNotBe(both[2000..]);
        both.ShouldAllBe(x => x == 0 || Math.Abs(x - (1 / 0.7f)) < 1e-6f);
        both.Count(x => x == 0).ShouldBeInRange(1200 - 120, 1200 + 120);
    });

    [Fact]
    public void Dropout_layers_differ_and_pass_gradients_by_their_mask() => InScope(() =>
    {
        using var pair = new Pair();
        pair.Train();
        pair.BeginBatch(1, 0, [3]);
        var x = Tensor.Ones([1, 100]);
        x.RequiresGrad = true;
        var a = pair.A.Forward(x);
        a.ToArray<float>().ShouldNotBe(pair.B.Forward(x).ToArray<float>());
        Autograd.Backward(a.Sum());
        x.Grad!.ToArray<float>().ShouldBe(a.ToArray<float>());
    });

    [Fact]
    public void Dropout_is_off_outside_training_and_needs_its_items() => InScope(() =>
    {
        using var dropout = new Dropout(0.5);
        var x = Tensor.Ones([2, 3]);
        dropout.Forward(x).ShouldBeSameAs(x);
        dropout.Train();
        Should.Throw<InvalidOperationException>(() => dropout.Forward(x)).Message.ShouldContain("BeginBatch");
        dropout.BeginBatch(0, 0, [1, 2, 3]);
        Should.Throw<InvalidOperationException>(() => dropout.Forward(x)).Message.ShouldContain("BeginBatch");
        dropout.Train(false);
        dropout.Forward(x).ShouldBeSameAs(x);

        using var none = new Dropout(0);
        none.Train();
        none.Forward(x).ShouldBeSameAs(x);
        using var all = new Dropout(1);
        all.Train();
        all.Forward(x).ToArray<float>().ShouldAllBe(v => v == 0);
        Should.Throw<ArgumentOutOfRangeException>(() => new Dropout(1.5));
        Should.Throw<ArgumentOutOfRangeException>(() => new Dropout(double.NaN));
    });

    private static void InScope(Action work) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        work();
    });

    private sealed class Pair : Module
    {
        public Pair()
        {
            A = Add("a", new Dropout(0.5));
            B = Add("b", new Dropout(0.5));
        }

        public Dropout A { get; }

        public Dropout B { get; }
    }
}
