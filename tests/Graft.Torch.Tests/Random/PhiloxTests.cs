using Graft.Torch;
using Graft.Torch.Native;

namespace Graft.Tests;

public class PhiloxTests
{
    /// <summary>The known answers that come with Random123, Philox4x32-10.</summary>
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0ul, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(
        0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xfffffffffffffffful, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(
        0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0x299f31d0a4093822ul, 0xd16cfe09u, 0x94fdcceb, 0x5001e420u, 0x24126ea1u)]
    public void Known_answers(uint c0, uint c1, uint c2, uint c3, ulong key, uint x0, uint x1, uint x2, uint x3) =>
        KeyedRandom.Philox(key, c0, c1, c2, c3).ShouldBe((x0, x1, x2, x3));

    [Fact]
    public void Known_answer_of_the_native_side() => TorchRuntime.Run(() =>
        // a range one short of 2^32 turns bits b into b - 1
        Native(0, 0, 0, 4).ShouldBe([0x6627e8d5L - 1, 0xe169c58dL - 1, 0xbc57ac4cL - 1, 0x9b00dbd8L - 1]));

    [Theory]
    [InlineData(0x299f31d0a4093822ul, 0x0344_13198a2eL, 0x0370_85a308d3L)]
    [InlineData(ulong.MaxValue, 0xffff_ffffffffL, 0xffff_ffffffffL)]
    [InlineData(1ul, -1L, -1L)]
    public void Native_and_managed_use_the_whole_counter_alike(ulong key, long step, long item) => TorchRuntime.Run(() =>
    {
        var native = Native(key, step, item, 40);
        for (var block = 0u; block < 10; block++)
        {
            var c3 = ((uint)(item >> 32) << 16) | ((uint)(step >> 32) & 0xffff);
            var (x0, x1, x2, x3) = KeyedRandom.Philox(key, block, (uint)item, (uint)step, c3);
            native.AsSpan((int)block * 4, 4).ToArray().ShouldBe([x0 - 1L, x1 - 1L, x2 - 1L, x3 - 1L]);
        }
    });

    [Fact]
    public void Native_and_managed_agree_on_many_draws() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        for (var n = 0; n < 100; n++)
        {
            var random = new KeyedRandom(n * 7919L - 50, $"purpose {n % 7}");
            long step = n * 104729L, item = n * 1_000_003L;
            var uniform = random.Uniform(step, [item, item + 1], [53], DType.Float64).ToArray<double>();
            var integers = random.Integers(step, [item, item + 1], -5, 1000 + n, 53).ToArray<long>();
            for (var k = 0; k < 106; k++)
            {
                uniform[k].ShouldBe(random.Uniform(step, item + (k / 53), k % 53));
                integers[k].ShouldBe(random.Integer(step, item + (k / 53), -5, 1000 + n, k % 53));
            }
        }
    });

    [Fact]
    public void Integers_beyond_what_a_double_holds_agree() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var random = new KeyedRandom(1, "wide");
        var low = (1L << 60) + 1;
        random.Integers(0, [3], low, low + 1000, 8).ToArray<long>()
            .ShouldBe(Enumerable.Range(0, 8).Select(k => random.Integer(0, 3, low, low + 1000, k)));
        random.Integers(0, [3], long.MinValue, long.MinValue + 2, 64).ToArray<long>()
            .Distinct().Order().ShouldBe([long.MinValue, long.MinValue + 1]);
    });

    [Fact]
    public void Types_differ_by_rounding_only() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var random = new KeyedRandom(1, "types");
        var wide = random.Normal(2, [5], [1001], DType.Float64).ToArray<double>();
        random.Normal(2, [5], [1001]).ToArray<float>().ShouldBe(wide.Select(x => (float)x));
    });

    private static unsafe long[] Native(ulong key, long step, long item, int count)
    {
        using var scope = new TensorScope();
        var output = Tensor.Zeros([count], DType.Int64);
        NativeMethods.graft_random_fill(2, key, (ulong)step, &item, 1, 0, uint.MaxValue, output.Handle).ShouldBe(0);
        return output.ToArray<long>();
    }
}
