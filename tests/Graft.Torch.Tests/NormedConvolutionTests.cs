using Graft.Torch;
using Xunit.Abstractions;

namespace Graft.Tests;

/// <summary>Our own convolutions in single precision against libtorch's operators in double; on processors without them both are libtorch's.</summary>
public class NormedConvolutionTests(ITestOutputHelper output)
{
    private const double Epsilon = 1e-5;

    /// <summary>Pictures, channels in and out, height, width, groups; whether there are shift, scale and offset, and residual.</summary>
    public static TheoryData<long[], bool, bool, bool> Shapes => new()
    {
        { [3, 32, 48, 28, 28, 8], true, false, true },
        { [2, 64, 64, 14, 14, 8], false, true, false },
        { [5, 96, 32, 7, 7, 32], true, true, true },
        { [1, 16, 32, 9, 20, 4], false, false, false },
        { [2, 32, 16, 3, 2, 1], true, false, true },
        { [3, 32, 1, 28, 28, 8], false, false, false }, // a network's last layer: its channels out fill no vector
        { [2, 48, 20, 9, 5, 8], true, true, true },
        { [2, 24, 32, 8, 8, 4], true, false, true }, // 24 channels fill no vectors
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Values_and_gradients_are_those_of_the_operators_in_a_row(long[] sizes, bool shift, bool scale, bool residual) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.WithGrad();
        var inputs = Inputs(sizes, shift, scale, residual);
        var (single, both) = (Leaves(inputs, DType.Float32), Leaves(inputs, DType.Float64));
        var (y, reference) = (Fused(single, sizes[5]), Plain(both, sizes[5]));
        Difference("value", y, reference);

        var direction = new KeyedRandom(2, "direction").Normal(0, [0], y.Shape.ToArray()).Reshape(y.Shape.ToArray());
        var given = Enumerable.Range(0, inputs.Length).Where(i => inputs[i] is not null).ToArray();
        var gradients = Autograd.Gradients((y * direction).Sum(), [.. given.Select(i => single[i]!)]);
        var references = Autograd.Gradients((reference * direction.To(DType.Float64)).Sum(), [.. given.Select(i => both[i]!)]);
        for (var k = 0; k < given.Length; k++)
        {
            if (!(given[k] == 1 && sizes[5] == sizes[1])) // a norm of each channel alone does not see the shift
                Difference($"gradient {given[k]}", gradients[k], references[k]);
        }
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Second_derivatives_go_through(bool scale) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.WithGrad();
        long[] sizes = [2, 32, 32, 8, 8, 8];
        var inputs = Inputs(sizes, true, scale, true);
        Difference("second", Second(Leaves(inputs, DType.Float32), Fused), Second(Leaves(inputs, DType.Float64), Plain));

        Tensor Second(Tensor?[] leaves, Func<Tensor?[], long, Tensor> f)
        {
            var first = Autograd.Gradients(f(leaves, sizes[5]).Square().Sum(), [leaves[0]!], createGraph: true)[0];
            return Autograd.Gradients(first.Square().Sum(), [leaves[6]!])[0];
        }
    });

    [Fact]
    public void Both_derivatives_agree_with_differences() => TorchRuntime.Run(() =>
        GradientCheck.Verify(
            x => Fused([x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8]], 2), [1, 4, 2, 3], [1, 4], [4], [4], [1, 4], [1, 4], [2, 4, 3, 3], [2], [1, 2, 2, 3]));

    [Theory]
    [InlineData(16, 32, 28, 28, false)]
    [InlineData(32, 16, 8, 8, false)]
    [InlineData(48, 48, 5, 5, false)]
    [InlineData(7, 32, 9, 9, false)]
    [InlineData(32, 3, 9, 4, false)]
    [InlineData(32, 48, 14, 14, true)]
    [InlineData(16, 16, 3, 5, true)]
    [InlineData(16, 4, 1, 7, true)]
    [InlineData(7, 32, 4, 4, true)]
    public void A_convolution_alone_too(long channels, long outputs, long height, long width, bool doubled) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.WithGrad();
        var inputs = Inputs([3, channels, outputs, height, width, 1], false, false, false);
        var (single, both) = (Leaves(inputs, DType.Float32), Leaves(inputs, DType.Float64));
        int[] places = [0, 6, 7];
        var (y, reference) = (Ours(single), Plain(both));
        Difference("value", y, reference);
        var gradients = Autograd.Gradients(y.Square().Sum(), [.. places.Select(i => single[i]!)]);
        var references = Autograd.Gradients(reference.Square().Sum(), [.. places.Select(i => both[i]!)]);
        for (var k = 0; k < places.Length; k++)
            Difference($"gradient {places[k]}", gradients[k], references[k]);

        using var none = Autograd.NoGrad();
        Difference("value without gradients", Ours(single), reference);

        Tensor Ours(Tensor?[] t) => doubled ? Functional.DoubledConv3x3(t[0]!, t[6]!, t[7]) : Functional.Conv3x3(t[0]!, t[6]!, t[7]);

        Tensor Plain(Tensor?[] t) => Functional.Conv2d(doubled ? Functional.UpsampleNearest(t[0]!, 2 * height, 2 * width) : t[0]!, t[6]!, t[7], padding: 1);
    });

    [Fact]
    public void Second_derivatives_of_a_doubled_one_go_through() => TorchRuntime.Run(() =>
        GradientCheck.Verify(x => Functional.DoubledConv3x3(x[0], x[1], x[2]).Square(), [1, 2, 2, 3], [2, 2, 3, 3], [2]));

    [Theory]
    [InlineData(32, 48, 28, 28, true, false)]
    [InlineData(160, 64, 14, 14, true, true)]
    [InlineData(96, 7, 7, 7, false, false)]
    [InlineData(16, 33, 4, 4, true, true)]
    [InlineData(16, 32, 5, 3, true, true)] // fewer places than a vector has
    [InlineData(24, 32, 8, 8, true, true)]
    public void Convolutions_of_single_places_too(long channels, long outputs, long height, long width, bool bias, bool activated) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.WithGrad();
        Tensor?[] inputs =
        [
            Normal([3, channels, height, width], 1), Normal([outputs, channels, 1, 1], 2), bias ? Normal([outputs], 3) : null,
            activated ? Normal([3, outputs, height, width], 4) : null,
        ];
        var (single, both) = (Leaves(inputs, DType.Float32), Leaves(inputs, DType.Float64));
        var (y, reference) = (Ours(single), Plain(both));
        Difference("value", y, reference);
        int[] places = [.. Enumerable.Range(0, 4).Where(i => inputs[i] is not null)];
        var gradients = Autograd.Gradients(y.Square().Sum(), [.. places.Select(i => single[i]!)]);
        var references = Autograd.Gradients(reference.Square().Sum(), [.. places.Select(i => both[i]!)]);
        for (var k = 0; k < places.Length; k++)
            Difference($"gradient {places[k]}", gradients[k], references[k]);

        Difference("second", Second(single, Ours), Second(both, Plain));

        static Tensor Normal(long[] sizes, int stream) => new KeyedRandom(5, "input").Normal(stream, [0], sizes).Reshape(sizes).To(DType.Float64);

        Tensor Ours(Tensor?[] t) =>
            activated ? Functional.SiluConv1x1(t[0]!, t[1]!, t[2], t[3]) : Functional.Conv1x1(t[0]!, t[1]!, t[2]);

        Tensor Plain(Tensor?[] t)
        {
            var found = Functional.Conv2d(activated ? Functional.Silu(t[0]!) : t[0]!, t[1]!, t[2]);
            return t[3] is null ? found : found + t[3]!;
        }

        static Tensor Second(Tensor?[] leaves, Func<Tensor?[], Tensor> f)
        {
            var first = Autograd.Gradients(f(leaves).Square().Sum(), [leaves[0]!], createGraph: true)[0];
            return Autograd.Gradients(first.Square().Sum(), [leaves[1]!])[0];
        }
    });

    [Fact]
    public void Frozen_weights_get_no_gradient_and_none_is_recorded_for_nothing() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.WithGrad();
        long[] sizes = [2, 32, 32, 8, 8, 8];
        var inputs = Inputs(sizes, true, false, false).Select(x => x?.To(DType.Float32)).ToArray();
        Fused(inputs, sizes[5]).RequiresGrad.ShouldBeFalse();
        inputs[3] = inputs[3]!.Detach();
        inputs[3]!.RequiresGrad = true;
        var y = Fused(inputs, sizes[5]);
        y.RequiresGrad.ShouldBeTrue();
        var (sum, alone) = (y.Square().Sum(), Autograd.Gradients(y.Square().Sum(), [inputs[3]!])[0]);
        Should.Throw<TorchException>(() => Autograd.Gradients(sum, [inputs[6]!]));
        inputs[6]!.RequiresGrad = true;
        var all = Autograd.Gradients(Fused(inputs, sizes[5]).Square().Sum(), [inputs[3]!, inputs[6]!]);
        all[0].ToArray<float>().ShouldBe(alone.ToArray<float>());
    });

    [Fact]
    public void What_does_not_fit_is_a_sentence() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        long[] sizes = [2, 32, 32, 8, 8, 8];
        var inputs = Inputs(sizes, true, true, false);
        Should.Throw<TorchException>(() => Fused(inputs, 5)).Message.ShouldContain("groups");
        inputs[5] = null;
        Should.Throw<TorchException>(() => Fused(inputs, 8)).Message.ShouldContain("scale and offset come together");
        inputs[4] = null;
        inputs[1] = Tensor.Ones([32]);
        Should.Throw<TorchException>(() => Fused(inputs, 8)).Message.ShouldContain("a value for each picture and channel");
    });

    [Fact]
    public void Where_kernels_are_there_they_are_what_runs() => TorchRuntime.Run(() =>
    {
        Functional.HasWinogradConvolution(2, 24, 32, 8, 8).ShouldBeFalse();
        var has = Functional.HasWinogradConvolution(2, 32, 32, 8, 8);
        has.ShouldBe(Functional.HasOwnConvolutions);
        output.WriteLine($"Winograd's convolutions: {has}");
        using var scope = new TensorScope();
        var x = Inputs([2, 32, 32, 8, 8, 8], false, false, false).Select(t => t?.To(DType.Float32)).ToArray();
        var difference = (Functional.Conv3x3(x[0]!, x[6]!, x[7]) - Functional.Conv2d(x[0]!, x[6]!, x[7], padding: 1)).Abs().Max().Item();
        (difference > 0).ShouldBe(has); // Winograd's rounding is its own
    });

    private static Tensor?[] Inputs(long[] sizes, bool shift, bool scale, bool residual)
    {
        var (n, channels, outputs, height, width) = (sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]);
        var stream = 0;
        return
        [
            (Normal([n, channels, height, width]) * 2.0) + 1.0,
            shift ? Normal([n, channels]) : null,
            Normal([channels]) + 1.0,
            Normal([channels]),
            scale ? Normal([n, channels]) * 0.3 : null,
            scale ? Normal([n, channels]) : null,
            Normal([outputs, channels, 3, 3]) * (1 / Math.Sqrt(9 * channels)),
            Normal([outputs]),
            residual ? Normal([n, outputs, height, width]) : null,
        ];

        Tensor Normal(long[] shape) => new KeyedRandom(1, "normed convolution").Normal(stream++, [0], shape, DType.Float64).Reshape(shape);
    }

    private static Tensor?[] Leaves(Tensor?[] inputs, DType type) => [.. inputs.Select(x =>
    {
        if (x is null)
            return null;
        var leaf = x.Detach().To(DType.Float32).To(type).Clone(); // the same numbers in both
        leaf.RequiresGrad = true;
        return leaf;
    })];

    private static Tensor Fused(Tensor?[] x, long groups) =>
        Functional.NormSiluConv3x3(x[0]!, groups, x[2]!, x[3]!, Epsilon, x[6]!, x[7], x[1], x[4], x[5], x[8]);

    private static Tensor Plain(Tensor?[] x, long groups)
    {
        var h = x[1] is null ? x[0]! : x[0]! + Wide(x[1]!);
        h = Functional.GroupNorm(h, groups, x[2], x[3], Epsilon);
        if (x[4] is not null)
            h = (h * (Wide(x[4]!) + 1.0)) + Wide(x[5]!);
        h = Functional.Conv2d(Functional.Silu(h), x[6]!, x[7], padding: 1);
        return x[8] is null ? h : h + x[8]!;

        static Tensor Wide(Tensor t) => t.Unsqueeze(-1).Unsqueeze(-1);
    }

    private void Difference(string what, Tensor actual, Tensor expected)
    {
        var difference = (actual.To(DType.Float64) - expected).Abs().Max().Item() / expected.Abs().Max().Item();
        output.WriteLine($"{what}: {difference:E1} of the largest");
        difference.ShouldBeLessThan(1e-5, what);
    }
}
