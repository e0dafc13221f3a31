using Graft.Torch;

namespace Graft.Tests;

public class AutogradTests
{
    [Fact]
    public void Modes_nest_and_are_restored() => InScope(() =>
    {
        var x = Leaf(1, 2);
        Autograd.IsEnabled.ShouldBeTrue();
        using (Autograd.NoGrad())
        {
            (x * 2.0).RequiresGrad.ShouldBeFalse();
            using (Autograd.WithGrad())
            {
                (x * 2.0).RequiresGrad.ShouldBeTrue();
                using (Autograd.NoGrad())
                    (x * 2.0).RequiresGrad.ShouldBeFalse();
                (x * 2.0).RequiresGrad.ShouldBeTrue();
            }

            (x * 2.0).RequiresGrad.ShouldBeFalse();
            // conditional: the default scope changes nothing
            using (default(Autograd.ModeScope))
                Autograd.IsEnabled.ShouldBeFalse();
            Autograd.IsEnabled.ShouldBeFalse();
        }

        using (default(Autograd.ModeScope))
            Autograd.IsEnabled.ShouldBeTrue();
        Autograd.IsEnabled.ShouldBeTrue();
        (x * 2.0).RequiresGrad.ShouldBeTrue();
    });

    [Fact]
    public void A_mode_ends_with_an_exception_too() => InScope(() =>
    {
        Should.Throw<TorchException>(() =>
        {
            using var mode = Autograd.NoGrad();
            _ = Tensor.Ones([2]).MatMul(Tensor.Ones([3]));
        });
        Autograd.IsEnabled.ShouldBeTrue();
    });

    [Fact]
    public void Gradients_sum_up_until_they_are_dropped() => InScope(() =>
    {
        var x = Leaf(1, 2);
        x.Grad.ShouldBeNull();
        Autograd.Backward((x * x).Sum());
        Autograd.Backward((x * 3.0).Sum());
        x.Grad!.ToArray<double>().ShouldBe([5.0, 7.0]);
        x.Grad = null;
        x.Grad.ShouldBeNull();
        Autograd.Backward((x * 3.0).Sum());
        x.Grad!.ToArray<double>().ShouldBe([3.0, 3.0]);
        x.Grad = Tensor.From([1.0, 1.0], 2);
        Autograd.Backward((x * 3.0).Sum());
        x.Grad!.ToArray<double>().ShouldBe([4.0, 4.0]);
    });

    [Fact]
    public void A_gradient_that_does_not_fit_is_refused() => InScope(() =>
    {
        var x = Leaf(1, 2);
        Should.Throw<TorchException>(() => x.Grad = Tensor.Zeros([3], DType.Float64))
            .Message.ShouldBe("the gradient of Double[2] cannot be Double[3]");
        Should.Throw<TorchException>(() => x.Grad = Tensor.Zeros([2])).Message.ShouldContain("cannot be Float[2]");
        x.Grad.ShouldBeNull();
    });

    [Fact]
    public void Gradients_touch_no_leaf() => InScope(() =>
    {
        var x = Leaf(1, 2);
        var y = Leaf(3, 4);
        var g = Autograd.Gradients((x * y).Sum(), [y, x]);
        g[0].ToArray<double>().ShouldBe([1.0, 2.0]);
        g[1].ToArray<double>().ShouldBe([3.0, 4.0]);
        x.Grad.ShouldBeNull();
        g[0].RequiresGrad.ShouldBeFalse();
    });

    [Fact]
    public void A_seed_makes_a_vector_Jacobian_product() => InScope(() =>
    {
        var x = Leaf(1, 2);
        Autograd.Gradients(x * x, [x], seed: Tensor.From([10.0, 100.0], 2))[0].ToArray<double>().ShouldBe([20.0, 400.0]);
        Should.Throw<TorchException>(() => Autograd.Gradients(x * x, [x])).Message.ShouldContain("scalar");
        Should.Throw<TorchException>(() => Autograd.Backward(x * x)).Message.ShouldContain("scalar");
        Should.Throw<TorchException>(() => Autograd.Gradients(x * x, [x], seed: Tensor.Ones([3], DType.Float64)));
    });

    [Fact]
    public void An_input_that_was_not_used_is_refused_by_number() => InScope(() =>
    {
        var x = Leaf(1, 2);
        var other = Leaf(1, 2, 3);
        var before = TorchRuntime.LiveTensors;
        using (new TensorScope())
        {
            Should.Throw<TorchException>(() => Autograd.Gradients((x * x).Sum(), [x, other]))
                .Message.ShouldBe("gradients: input 1, Double[3], was not used to compute the output");
            Should.Throw<TorchException>(() => Autograd.Gradients((x * x).Sum(), [x, Tensor.Ones([2])]))
                .Message.ShouldBe("gradients: input 1, Float[2], does not require a gradient");
        }

        TorchRuntime.LiveTensors.ShouldBe(before);
    });

    [Fact]
    public void A_graph_serves_once_unless_it_is_kept() => InScope(() =>
    {
        var x = Leaf(1, 2);
        var y = (x * x).Sum();
        Autograd.Backward(y, retainGraph: true);
        Autograd.Backward(y);
        x.Grad!.ToArray<double>().ShouldBe([4.0, 8.0]);
        Should.Throw<TorchException>(() => Autograd.Backward(y)).Message.ShouldContain("second time");

        var z = (x * x).Sum();
        var g = Autograd.Gradients(z, [x], retainGraph: true)[0];
        g.RequiresGrad.ShouldBeFalse();
        Autograd.Gradients(z, [x])[0].ToArray<double>().ShouldBe(g.ToArray<double>());
        Should.Throw<TorchException>(() => Autograd.Gradients(z, [x])).Message.ShouldContain("second time");
    });

    [Fact]
    public void A_recorded_backward_pass_can_be_differentiated_again() => InScope(() =>
    {
        var x = Leaf(2, 3);
        var y = (x * x * x).Sum();
        var g = Autograd.Gradients(y, [x], createGraph: true)[0];
        g.RequiresGrad.ShouldBeTrue();
        Autograd.Backward((g * g).Sum()); // d(9x^4)/dx
        x.Grad!.ToArray<double>().ShouldBe([36.0 * 8, 36.0 * 27]);

        x.Grad = null;
        Autograd.Backward((x * x * x).Sum(), createGraph: true);
        var third = x.Grad!;
        x.Grad = null; // the gradient holds the graph, and the graph the leaf
        Autograd.Gradients(third.Sum(), [x])[0].ToArray<double>().ShouldBe([12.0, 18.0]);
    });

    [Fact]
    public void Only_leaves_change_whether_they_record() => InScope(() =>
    {
        var x = Leaf(1);
        var y = x * 2.0;
        Should.Throw<TorchException>(() => y.RequiresGrad = false).Message.ShouldContain("leaf");
        y.Detach().RequiresGrad.ShouldBeFalse();
        Should.Throw<TorchException>(() => new Operator("aten::add_", "Scalar").Apply(x, 1.0)).Message.ShouldContain("leaf");
    });

    private static Tensor Leaf(params double[] values)
    {
        var x = Tensor.From(values, values.Length);
        x.RequiresGrad = true;
        return x;
    }

    private static void InScope(Action work) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        work();
    });
}
