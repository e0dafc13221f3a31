using Graft.Torch;

namespace Graft.Tests;

public class RecomputationTests
{
    /// <summary>Two blocks, one of two outputs that both are used later, with plain operators before, between and behind.</summary>
    [Fact]
    public void Gradients_are_those_of_the_plain_pass() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var (plain, _) = Gradients(recompute: false);
        var (again, runs) = Gradients(recompute: true);
        for (var i = 0; i < plain.Length; i++)
            again[i].Zip(plain[i], (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(1e-14);
        runs.ShouldBe(4); // each block once forwards and once more
        plain.SelectMany(g => g).ShouldAllBe(v => v != 0);
    });

    private static (double[][] Gradients, int Runs) Gradients(bool recompute)
    {
        var runs = 0;
        var (u, v, w, x) = (Parameter("u"), Parameter("v"), Parameter("w"), Parameter("x"));
        using var recomputation = recompute ? new Recomputation() : null;
        var given = x.Square(); // what a block takes need not be a leaf
        var halves = Recomputation.Of(
            z =>
            {
                runs++;
                return (Tensor[])[(z[0] * u).Exp(), z[0].Sin()];
            },
            given);
        var between = halves[0] * w;
        var last = Recomputation.Of(
            z =>
            {
                runs++;
                return (z[0] * z[1] * v).Cos();
            },
            between, halves[1]);
        var loss = (last * halves[1] * w).Sum();
        if (recomputation is null)
            Autograd.Backward(loss);
        else
            recomputation.Backward(loss);
        return (Array.ConvertAll((Tensor[])[u, v, w, x], p => p.Grad!.ToArray<double>()), runs);

        Tensor Parameter(string name)
        {
            var value = new KeyedRandom(3, name).Normal(0, [0], [5], DType.Float64).Squeeze(0) * 0.3;
            value = value.Detach();
            value.RequiresGrad = true;
            return value;
        }
    }

    [Fact]
    public void Blocks_keep_their_outputs_only() => TorchRuntime.Run(() =>
    {
        const int Blocks = 10, Layers = 8, Bytes = 4 << 16;
        var plain = Peak(null);
        long recomputed;
        using (var recomputation = new Recomputation())
            recomputed = Peak(recomputation);
        plain.ShouldBeGreaterThan(Blocks * Layers * Bytes);
        recomputed.ShouldBeLessThan((Blocks + (4 * Layers)) * Bytes); // outputs, and one block's pass: product and sine of each layer, and their gradients

        static long Peak(Recomputation? recomputation)
        {
            using var scope = new TensorScope();
            var weight = Tensor.Ones([1 << 16]);
            weight.RequiresGrad = true;
            using var meter = new AllocationMeter();
            var x = Tensor.Zeros([1 << 16]);
            for (var i = 0; i < Blocks; i++)
            {
                x = Recomputation.Of(
                    given => TensorScope.Of(() =>
                    {
                        var y = given[0];
                        for (var k = 0; k < Layers; k++)
                            y = (y * weight).Sin();
                        return y;
                    }),
                    x);
            }

            if (recomputation is null)
                Autograd.Backward(x.Sum());
            else
                recomputation.Backward(x.Sum());
            return meter.Read().Peak;
        }
    });

    [Fact]
    public void What_needs_no_gradient_runs_once_and_is_forgotten() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var weight = Tensor.Ones([3]);
        weight.RequiresGrad = true;
        var frozen = 0;
        using var recomputation = new Recomputation();
        var before = Recomputation.Of(
            given =>
            {
                frozen++;
                return given[0] + 1.0;
            },
            Tensor.Ones([3]));
        before.RequiresGrad.ShouldBeFalse();
        var after = Recomputation.Of(given => given[0] * weight, before);
        recomputation.Backward(after.Sum());
        frozen.ShouldBe(1);
        weight.Grad!.ToArray<float>().ShouldBe([2f, 2f, 2f]);

        // The list is empty again: another pass adds its own gradients and no more.
        recomputation.Backward(Recomputation.Of(given => given[0] * weight, before).Sum());
        weight.Grad!.ToArray<float>().ShouldBe([4f, 4f, 4f]);
    });

    [Fact]
    public void Blocks_inside_blocks_and_without_gradients_just_run() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var weight = Tensor.Ones([3]);
        weight.RequiresGrad = true;
        var inner = 0;
        using var recomputation = new Recomputation();
        using (Autograd.NoGrad())
            Outer().RequiresGrad.ShouldBeFalse();
        inner.ShouldBe(1);
        recomputation.Backward(Outer().Sum());
        inner.ShouldBe(3);
        weight.Grad!.ToArray<float>().ShouldBe([1f, 1f, 1f]);

        Tensor Outer() => Recomputation.Of(
            given => Recomputation.Of(
                z =>
                {
                    inner++;
                    return z[0] * weight;
                },
                given[0]),
            Tensor.Ones([3]));
    });

    [Fact]
    public void Mistakes_are_loud() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var weight = Tensor.Ones([3]);
        weight.RequiresGrad = true;
        using (var recomputation = new Recomputation())
        {
            Should.Throw<InvalidOperationException>(() => new Recomputation()).Message.ShouldContain("open already");
            var shared = weight.Exp(); // two blocks take it, and no block made it
            var sum = Recomputation.Of(given => given[0] * 2.0, shared) + Recomputation.Of(given => given[0] * 3.0, shared);
            Should.Throw<TorchException>(() => recomputation.Backward(sum.Sum())).Message.ShouldContain("a second time");
        }

        // One that ended so is closed, and the next is whole.
        weight.Grad = null;
        using (var recomputation = new Recomputation())
            recomputation.Backward(Recomputation.Of(given => given[0] * weight, Tensor.Ones([3])).Sum());
        weight.Grad!.ToArray<float>().ShouldBe([1f, 1f, 1f]);
    });
}
