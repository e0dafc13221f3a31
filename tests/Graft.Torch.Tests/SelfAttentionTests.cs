using Graft.Torch;

namespace Graft.Tests;

/// <summary>Our own attention in single precision against libtorch's operators in double; on processors without it both are libtorch's.</summary>
public class SelfAttentionTests
{
    /// <summary>Pictures, channels, heads, height, width.</summary>
    public static TheoryData<long[]> Shapes => new()
    {
        { [3, 64, 8, 7, 7] },
        { [2, 24, 3, 4, 4] },
        { [1, 32, 1, 16, 16] },
        { [2, 12, 2, 9, 11] },
        { [1, 16, 2, 18, 18] },
        { [1, 4, 1, 46, 45] }, // narrower blocks
        { [2, 5, 5, 13, 5] }, // a channel a head
        { [2, 8, 2, 3, 5] }, // fewer positions than a vector has
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Values_and_gradients_are_those_of_the_definition(long[] sizes) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.WithGrad();
        var (heads, scale) = (sizes[2], 1 / Math.Sqrt((double)sizes[1] / sizes[2]));
        var (single, both) = Leaves(sizes, 2);
        var (y, reference) = (Functional.SelfAttention(single, heads, scale), Defined(both, heads, scale));
        Near(y, reference, 1e-5);

        var direction = Normal([sizes[0], sizes[1], sizes[3], sizes[4]], 2);
        var gradient = Autograd.Gradients((y * direction.To(DType.Float32)).Sum(), [single])[0];
        Near(gradient, Autograd.Gradients((reference * direction).Sum(), [both])[0], 1e-5);
        Near(Functional.SelfAttention(single.Detach(), heads, scale), reference, 1e-5);
    });

    [Fact]
    public void Scores_may_be_large() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.WithGrad();
        var (single, both) = Leaves([1, 16, 2, 5, 5], 40); // scores beyond a thousand: all but the greatest are nothing beside it
        var (y, reference) = (Functional.SelfAttention(single, 2, 1), Defined(both, 2, 1));
        Near(y, reference, 1e-4); // rounding of a score of a thousand is 6e-5 of its exponential
        var gradient = Autograd.Gradients(y.Sum(), [single])[0];
        gradient.ToArray<float>().ShouldAllBe(g => float.IsFinite(g));
    });

    [Fact]
    public void Second_derivatives_go_through() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.WithGrad();
        var (single, both) = Leaves([2, 16, 2, 4, 5], 1);
        Near(Second(single, x => Functional.SelfAttention(x, 2, 0.4)), Second(both, x => Defined(x, 2, 0.4)), 1e-5);

        static Tensor Second(Tensor x, Func<Tensor, Tensor> f)
        {
            var first = Autograd.Gradients(f(x).Square().Sum(), [x], createGraph: true)[0];
            return Autograd.Gradients(first.Square().Sum(), [x])[0];
        }
    });

    [Fact]
    public void Both_derivatives_agree_with_differences() => TorchRuntime.Run(() => GradientCheck.Verify(x => Functional.SelfAttention(x[0], 2, 0.7), [2, 12, 2, 3]));

    [Fact]
    public void Channels_that_are_not_three_for_every_head_are_a_sentence() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        Should.Throw<TorchException>(() => Functional.SelfAttention(Tensor.Ones([1, 12, 4, 4]), 5, 1)).Message.ShouldContain("queries, keys and values of 5 heads");
    });

    private static Tensor Defined(Tensor qkv, long heads, double scale)
    {
        long n = qkv.Size(0), c = qkv.Size(1) / 3, positions = qkv.Size(2) * qkv.Size(3);
        var rows = qkv.Reshape(n, 3, heads, c / heads, positions).Transpose(-1, -2).Reshape(n, 3, heads, positions, c / heads);
        var (q, k, v) = (Of(0), Of(1), Of(2));
        return Functional.Attention(q, k, v, scale).Reshape(n, heads, positions, c / heads).Transpose(-1, -2).Reshape(n, c, qkv.Size(2), qkv.Size(3));

        Tensor Of(int part) => rows.Select(1, part).Reshape(n * heads, positions, c / heads);
    }

    private static (Tensor Single, Tensor Double) Leaves(long[] sizes, double spread)
    {
        var x = Normal([sizes[0], 3 * sizes[1], sizes[3], sizes[4]], 1) * spread;
        return (Leaf(x.To(DType.Float32)), Leaf(x.To(DType.Float32).To(DType.Float64)));

        static Tensor Leaf(Tensor x)
        {
            var leaf = x.Detach();
            leaf.RequiresGrad = true;
            return leaf;
        }
    }

    private static Tensor Normal(long[] shape, int stream) => new KeyedRandom(6, "self-attention").Normal(stream, [0], shape, DType.Float64).Reshape(shape);

    private static void Near(Tensor found, Tensor expected, double tolerance)
    {
        found.Shape.ToArray().ShouldBe(expected.Shape.ToArray());
        var difference = (found.To(DType.Float64) - expected).Abs().Max().Item() / expected.Abs().Max().Item();
        difference.ShouldBeLessThan(tolerance);
    }
}
