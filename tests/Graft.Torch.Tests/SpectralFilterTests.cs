using Graft.Torch;
using Xunit.Abstractions;

namespace Graft.Tests;

/// <summary>The filter in single precision, whose transforms are our own, against libtorch's transforms in double.</summary>
public class SpectralFilterTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(8, 64, 1000)]
    [InlineData(3, 16, 8)]
    [InlineData(1, 32, 15)]
    [InlineData(5, 16, 50)]
    [InlineData(2, 16, 1)]
    [InlineData(2, 16, 7)] // a prime that libtorch does
    [InlineData(2, 5, 8)] // channels that fill no vector
    public void Values_and_gradients_are_those_of_the_definition(long n, long channels, long length) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.WithGrad();
        var (x, pairs, direction) = (Normal(0, n, channels, length), Normal(1, channels, length + 1, 2), Normal(2, n, channels, length));
        var (y, gradients) = Run(x, pairs, Fourier.Filter, DType.Float32);
        var (due, references) = Run(x, pairs, Plain, DType.Float64);
        Difference("value", y, due);
        Difference("gradient of x", gradients[0], references[0]);
        Difference("gradient of the spectrum", gradients[1], references[1]);

        (Tensor Value, Tensor[] Gradients) Run(Tensor items, Tensor spectrum, Func<Tensor, Tensor, Tensor> filter, DType type)
        {
            Tensor[] leaves = [Leaf(items, type), Leaf(spectrum, type)];
            var value = filter(leaves[0], ComplexTensor.Of(leaves[1]));
            return (value, Autograd.Gradients((value * direction.To(type)).Sum(), leaves));
        }
    });

    [Fact]
    public void Second_derivatives_go_through() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.WithGrad();
        var (x, pairs) = (Normal(0, 2, 16, 10), Normal(1, 16, 11, 2));
        Difference("second", Second(Fourier.Filter, DType.Float32), Second(Plain, DType.Float64));

        Tensor Second(Func<Tensor, Tensor, Tensor> filter, DType type)
        {
            var (items, spectrum) = (Leaf(x, type), Leaf(pairs, type));
            var first = Autograd.Gradients(filter(items, ComplexTensor.Of(spectrum)).Square().Sum(), [items], createGraph: true)[0];
            return Autograd.Gradients(first.Square().Sum(), [spectrum])[0];
        }
    });

    [Fact]
    public void It_does_not_wrap() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        // A kernel that is one at time 3: what enters at the end leaves nothing at the beginning.
        var kernel = new float[20];
        kernel[3] = 1;
        var spectrum = Fourier.Forward(Tensor.From(kernel, 1, 20).Expand(16, -1).Contiguous(), 20);
        var x = Tensor.Arange(1, 11, type: DType.Float32).Reshape(1, 1, 10).Expand(2, 16, -1).Contiguous();
        var y = Fourier.Filter(x, spectrum).Select(0, 1).Select(0, 15).ToArray<float>();
        y.ShouldBe([0, 0, 0, 1, 2, 3, 4, 5, 6, 7], 1e-5f);
    });

    [Fact]
    public void Shapes_that_do_not_belong_together_are_a_sentence() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        Should.Throw<TorchException>(() => Fourier.Filter(Normal(0, 2, 16, 10), ComplexTensor.Of(Normal(1, 16, 10, 2)))).Message.ShouldContain("[H, L + 1]");
    });

    private static Tensor Plain(Tensor x, Tensor spectrum) => Fourier.Inverse(Fourier.Forward(x, 2 * x.Size(2)) * spectrum, 2 * x.Size(2)).Slice(2, 0, x.Size(2));

    private static Tensor Normal(long stream, params long[] shape) => new KeyedRandom(1, "spectral filter").Normal(stream, [0], shape).Reshape(shape);

    private static Tensor Leaf(Tensor x, DType type)
    {
        var leaf = x.Detach().To(type).Clone();
        leaf.RequiresGrad = true;
        return leaf;
    }

    private void Difference(string what, Tensor actual, Tensor expected)
    {
        var difference = (actual.To(DType.Float64) - expected).Abs().Max().Item() / expected.Abs().Max().Item();
        output.WriteLine($"{what}: {difference:E1} of the largest");
        difference.ShouldBeLessThan(2e-6, what);
    }
}
