using Graft.Torch;

namespace Graft.Tests;

public class TensorTests
{
    [Fact]
    public void Values_go_in_and_come_out() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var x = Tensor.From([1f, 2, 3, 4, 5, 6], 2, 3);
        x.Transpose(0, 1).ToArray<float>().ShouldBe([1f, 4, 2, 5, 3, 6]);
        (x * 2.0 + 1.0).Sum().Item().ShouldBe(48);
        x.ToString().ShouldBe("Float32[2, 3]");
    });

    [Fact]
    public void A_refusal_names_operator_shapes_and_schema() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var x = Tensor.Zeros([2, 3]);
        var error = Should.Throw<TorchException>(() => x.MatMul(Tensor.Zeros([2, 4])));
        error.Message.ShouldContain("aten::matmul(Float[2, 3], Float[2, 4])");
        error.Message.ShouldContain("schema: aten::matmul(Tensor self, Tensor other) -> Tensor");
    });

    [Fact]
    public void Double_backward() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var x = Tensor.From([2.0, 3.0], 2);
        x.RequiresGrad = true;
        var y = (x * x * x).Sum();
        var g = Autograd.Gradients(y, [x], createGraph: true)[0];
        var h = Autograd.Gradients(g.Sum(), [x])[0];
        h.ToArray<double>().ShouldBe([12.0, 18.0]);
    });

    [Fact]
    public void Conv_and_random() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var random = new KeyedRandom(1, "test");
        var x = random.Normal(3, [5, 7], [3, 8, 8]);
        var y = random.Normal(3, [7], [3, 8, 8]);
        x.Select(0, 1).ToArray<float>().ShouldBe(y.Select(0, 0).ToArray<float>());
        random.Uniform(3, [9], [6], DType.Float64).ToArray<double>()[5].ShouldBe(random.Uniform(3, 9, 5));
        using var conv = new Conv2d(3, 4, 3, padding: 1);
        conv.Initialise(0);
        conv.Forward(x).Shape.ToArray().ShouldBe([2, 4, 8, 8]);
    });

    [Fact]
    public void The_version_rises_with_every_change_in_place() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var x = Tensor.Zeros([2, 3]);
        var version = x.Version;
        _ = x + 1.0;
        _ = x.To(DType.Float64);
        x.Version.ShouldBe(version);
        foreach (var change in (Action[])[() => x.Fill(1), () => x.CopyFrom(Tensor.Ones([3])), () => x.Select(0, 1).Fill(2), () => x.Detach().Fill(3)])
        {
            change();
            x.Version.ShouldBeGreaterThan(version);
            version = x.Version;
        }

        x.RequiresGrad = true;
        using var optimiser = new AdamW([new NamedTensor("x", x)], new AdamWOptions(), average: true);
        Autograd.Backward(x.Square().Sum());
        optimiser.Step(0.1);
        x.Version.ShouldBeGreaterThan(version);
    });
}
