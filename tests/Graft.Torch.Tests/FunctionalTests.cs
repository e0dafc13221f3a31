using Graft.Torch;

namespace Graft.Tests;

public class FunctionalTests
{
    [Fact]
    public void Attention_never_reads_memory_that_was_not_set() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var random = new KeyedRandom(7, "attention");
        var q = random.Normal(0, [0, 1], [2, 3]);
        var k = random.Normal(1, [0, 1], [3, 3]);
        var expected = Functional.Attention(q, k, k, 0.6).ToArray<float>();
        for (var i = 0; i < 3000; i++)
        {
            using var inner = new TensorScope();
            // leaves NaN in the memory that the allocator gives out next
            for (var n = 0; n < 4; n++)
                Tensor.Full(double.NaN, [2, 2, 3]).Dispose();
            Functional.Attention(q, k, k, 0.6).ToArray<float>().ShouldBe(expected);
        }
    });

    [Fact]
    public void Attention_is_that_of_its_definition() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var random = new KeyedRandom(8, "attention");
        double[] q = random.Normal(0, [0], [2, 3], DType.Float64).ToArray<double>(), k = random.Normal(1, [0], [4, 3], DType.Float64).ToArray<double>();
        var v = random.Normal(2, [0], [4, 2], DType.Float64).ToArray<double>();
        var result = Functional.Attention(Tensor.From(q, 1, 2, 3), Tensor.From(k, 1, 4, 3), Tensor.From(v, 1, 4, 2), 0.7).ToArray<double>();
        for (var i = 0; i < 2; i++)
        {
            var weights = Enumerable.Range(0, 4)
                .Select(j => Math.Exp(0.7 * Enumerable.Range(0, 3).Sum(d => q[(i * 3) + d] * k[(j * 3) + d]))).ToArray();
            for (var d = 0; d < 2; d++)
                result[(i * 2) + d].ShouldBe(Enumerable.Range(0, 4).Sum(j => weights[j] * v[(j * 2) + d]) / weights.Sum(), 1e-12);
        }
    });

    /// <summary>Single precision, where libtorch 1.13's own gradient of GELU is wrong, with all orders in memory that gradients and inputs come in.</summary>
    [Fact]
    public void The_gradient_of_mixed_gelu_stands_in_any_layout() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var random = new KeyedRandom(9, "gelu");
        var rows = random.Normal(0, [0, 1, 2], [5, 70]);
        var weight = random.Normal(1, [0], [5, 5]).Reshape(5, 5);
        var seed = random.Normal(2, [0, 1, 2], [5, 70]);
        foreach (var x in (Tensor[])[rows, rows.Transpose(1, 2).Contiguous().Transpose(1, 2), rows.Transpose(0, 1).Contiguous().Transpose(0, 1)])
        {
            foreach (var given in (Tensor[])[seed, seed.Transpose(1, 2).Contiguous().Transpose(1, 2), Tensor.Ones([1, 1, 1]).Expand(3, 5, 70)])
            {
                var (single, wide) = (x.Detach(), x.Detach().To(DType.Float64));
                (single.RequiresGrad, wide.RequiresGrad) = (true, true);
                var due = weight.To(DType.Float64).MatMul(Functional.Gelu(wide));
                var own = Functional.MixedGelu(single, weight);
                (own.To(DType.Float64) - due).Abs().Max().Item().ShouldBeLessThan(1e-5);
                var gradient = Autograd.Gradients(own, [single], given)[0];
                var expected = Autograd.Gradients(due, [wide], given.To(DType.Float64))[0];
                (gradient.To(DType.Float64) - expected).Abs().Max().Item().ShouldBeLessThan(1e-5);
            }
        }
    });
}
