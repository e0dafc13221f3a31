using Graft.Torch.Native;

namespace Graft.Torch;

/// <summary>
/// Randomness as a function instead of a state: every number is a function of (seed, purpose, step, item, position), drawn by
/// Philox4x32-10 (Salmon et al. 2011). Batch order, ranks, resumed runs and devices change nothing.
/// </summary>
public sealed unsafe class KeyedRandom
{
    private readonly ulong _key;

    /// <summary>Draws for one purpose.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="purpose">What the numbers are for; different purposes are independent.</param>
    public KeyedRandom(long seed, string purpose)
    {
        Seed = seed;
        Purpose = purpose;
        _key = Mix(Mix((ulong)seed) ^ Hash(purpose));
    }

    private enum Distribution
    {
        Uniform = 0,
        Normal = 1,
        Integer = 2,
    }

    /// <summary>The run's seed.</summary>
    public long Seed { get; }

    /// <summary>What the numbers are for.</summary>
    public string Purpose { get; }

    /// <summary>Standard normal numbers, [items, ...itemShape]. Row i depends on <c>items[i]</c> only.</summary>
    public Tensor Normal(long step, ReadOnlySpan<long> items, ReadOnlySpan<long> itemShape, DType type = DType.Float32) =>
        Fill(Distribution.Normal, step, items, itemShape, type, 0, 1);

    /// <summary>Uniform numbers in [0, 1), [items, ...itemShape].</summary>
    public Tensor Uniform(long step, ReadOnlySpan<long> items, ReadOnlySpan<long> itemShape, DType type = DType.Float32) =>
        Fill(Distribution.Uniform, step, items, itemShape, type, 0, 1);

    /// <summary>Integers from <paramref name="low"/> to below <paramref name="high"/>, int64 [items, ...itemShape].</summary>
    public Tensor Integers(long step, ReadOnlySpan<long> items, long low, long high, params ReadOnlySpan<long> itemShape) =>
        Fill(Distribution.Integer, step, items, itemShape, DType.Int64, low, high);

    /// <summary>One uniform number in [0, 1), without libtorch: equal to the first of <see cref="Uniform(long, ReadOnlySpan{long}, ReadOnlySpan{long}, DType)"/>.</summary>
    public double Uniform(long step, long item, int position = 0) => (Bits(step, item, position) >> 8) * (1.0 / (1 << 24));

    /// <summary>One integer from <paramref name="low"/> to below <paramref name="high"/>, without libtorch.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is empty or holds more than 2³²-1 integers.</exception>
    public long Integer(long step, long item, long low, long high, int position = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(low, high);
        var range = unchecked((ulong)high - (ulong)low);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(range, uint.MaxValue, nameof(high));
        return low + (long)((Bits(step, item, position) * range) >> 32);
    }

    /// <summary>A permutation of 0 … count-1 that depends on <paramref name="step"/> only (Fisher-Yates).</summary>
    public int[] Permutation(long step, int count)
    {
        var order = new int[count];
        for (var i = 0; i < count; i++)
            order[i] = i;
        for (var i = count - 1; i > 0; i--)
        {
            var j = (int)Integer(step, i, 0, i + 1);
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }

    /// <summary>32 random bits, without libtorch. The lower 48 bits of step and item count, so that both fit one counter.</summary>
    public uint Bits(long step, long item, int position = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        var block = Philox(
            _key, (uint)(position / 4), (uint)item, (uint)step, ((uint)(item >> 32) << 16) | ((uint)(step >> 32) & 0xffff));
        return (position % 4) switch
        {
            0 => block.X0,
            1 => block.X1,
            2 => block.X2,
            _ => block.X3,
        };
    }

    /// <summary>Philox4x32-10: one block of 128 random bits from a key and a counter.</summary>
    internal static (uint X0, uint X1, uint X2, uint X3) Philox(ulong key, uint c0, uint c1, uint c2, uint c3)
    {
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (var round = 0; round < 10; round++)
        {
            ulong p0 = (ulong)0xD2511F53 * c0, p1 = (ulong)0xCD9E8D57 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }

        return (c0, c1, c2, c3);
    }

    private static ulong Mix(ulong z) // splitmix64
    {
        z += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    private static ulong Hash(string text) // FNV-1a over UTF-16 units
    {
        var hash = 0xcbf29ce484222325;
        foreach (var c in text)
            hash = (hash ^ c) * 0x100000001b3;
        return hash;
    }

    private Tensor Fill(
        Distribution distribution, long step, ReadOnlySpan<long> items, ReadOnlySpan<long> itemShape, DType type, long low, long high)
    {
        var output = Tensor.FromMemory(null, type, [items.Length, .. itemShape]);
        fixed (long* p = items)
        {
            var code = NativeMethods.graft_random_fill(
                (int)distribution, _key, (ulong)step, p, items.Length, low, high, output.Handle);
            if (code >= 0)
                return output;
            var error = TorchException.Last();
            output.Dispose();
            throw error;
        }
    }
}
