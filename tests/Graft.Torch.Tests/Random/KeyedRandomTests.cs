using Graft.Torch;

namespace Graft.Tests;

public class KeyedRandomTests
{
    private const int Many = 1_000_000;

    [Fact]
    public void Normal_numbers_are_normal() => InScope(() =>
    {
        var x = new KeyedRandom(11, "moments").Normal(0, [0], [Many], DType.Float64).ToArray<double>();
        var (mean, variance, kurtosis) = Moments(x);
        mean.ShouldBe(0, 4 / Math.Sqrt(Many));
        variance.ShouldBe(1, 4 * Math.Sqrt(2.0 / Many));
        kurtosis.ShouldBe(3, 4 * Math.Sqrt(24.0 / Many));
        Distance(x, NormalCdf).ShouldBeLessThan(1.95 / Math.Sqrt(Many)); // p = 0.001
    });

    [Fact]
    public void Uniform_numbers_are_uniform() => InScope(() =>
    {
        var x = new KeyedRandom(12, "moments").Uniform(0, [.. Enumerable.Range(0, 1000)], [Many / 1000], DType.Float64).ToArray<double>();
        var (mean, variance, kurtosis) = Moments(x);
        mean.ShouldBe(0.5, 4 * Math.Sqrt(1 / 12.0 / Many));
        variance.ShouldBe(1 / 12.0, 1e-3);
        kurtosis.ShouldBe(1.8, 0.01);
        x.Min().ShouldBeGreaterThanOrEqualTo(0);
        x.Max().ShouldBeLessThan(1);
        Distance(x, v => v).ShouldBeLessThan(1.95 / Math.Sqrt(Many));
    });

    [Fact]
    public void Integers_fill_their_range_evenly() => InScope(() =>
    {
        var counts = new int[10];
        foreach (var value in new KeyedRandom(13, "integers").Integers(0, [0], -3, 7, Many).ToArray<long>())
            counts[value + 3]++;
        counts.Sum(c => Math.Pow(c - (Many / 10.0), 2) / (Many / 10.0)).ShouldBeLessThan(27.9); // chi² of 9 degrees, p = 0.001
    });

    [Fact]
    public void Purposes_seeds_steps_and_items_are_independent() => InScope(() =>
    {
        const int n = 100_000;
        float[] Draw(long seed, string purpose, long step, long item) => new KeyedRandom(seed, purpose).Normal(step, [item], [n]).ToArray<float>();
        var x = Draw(1, "a", 0, 0);
        Draw(1, "a", 0, 0).ShouldBe(x);
        foreach (var y in (float[][])[
            Draw(2, "a", 0, 0), Draw(1, "b", 0, 0), Draw(1, "a", 1, 0), Draw(1, "a", 0, 1), Draw(1, "a", 1L << 32, 0), Draw(1, "a", 0, 1L << 32)])
            Math.Abs(x.Zip(y, (a, b) => (double)a * b).Average()).ShouldBeLessThan(4 / Math.Sqrt(n));
        Math.Abs(x.Zip(x.Skip(1), (a, b) => (double)a * b).Average()).ShouldBeLessThan(4 / Math.Sqrt(n));
    });

    [Fact]
    public void A_row_depends_on_its_item_only() => InScope(() =>
    {
        var random = new KeyedRandom(5, "rows");
        var all = random.Normal(9, [4, 8, 15, 16], [3, 5]);
        random.Normal(9, [16, 4], [3, 5]).ToArray<float>()
            .ShouldBe([.. all.Select(0, 3).ToArray<float>(), .. all.Select(0, 0).ToArray<float>()]);
        // and its beginning does not depend on how long it is
        random.Normal(9, [8], [2]).ToArray<float>().ShouldBe(all.Select(0, 1).Reshape(-1).Slice(0, 0, 2).ToArray<float>());
    });

    [Fact]
    public void Threads_change_nothing() => InScope(() =>
    {
        var before = TorchRuntime.Threads;
        TorchRuntime.Threads = 1;
        var one = new KeyedRandom(5, "threads").Normal(0, [1, 2, 3], [10_001]).ToBytes();
        TorchRuntime.Threads = 2;
        TorchRuntime.Threads.ShouldBe(2);
        var two = new KeyedRandom(5, "threads").Normal(0, [1, 2, 3], [10_001]).ToBytes();
        TorchRuntime.Threads = before;
        two.ShouldBe(one);
    });

    [Fact]
    public void A_permutation_is_one()
    {
        var random = new KeyedRandom(3, "order");
        foreach (var count in (int[])[0, 1, 2, 1000])
            random.Permutation(0, count).Order().ShouldBe(Enumerable.Range(0, count));
        random.Permutation(4, 50).ShouldBe(random.Permutation(4, 50));
        random.Permutation(4, 50).ShouldNotBe(random.Permutation(5, 50));
        var counts = new int[24];
        for (var step = 0; step < 24_000; step++)
        {
            var p = random.Permutation(step, 4);
            counts[(p[0] * 6) + (p.Skip(1).Count(x => x < p[1]) * 2) + (p[2] > p[3] ? 1 : 0)]++;
        }

        counts.Sum(c => Math.Pow(c - 1000, 2) / 1000).ShouldBeLessThan(49.7); // chi² of 23 degrees, p = 0.001
    }

    [Fact]
    public void What_makes_no_sense_is_refused() => InScope(() =>
    {
        var random = new KeyedRandom(3, "refusals");
        Should.Throw<ArgumentOutOfRangeException>(() => random.Integer(0, 0, 5, 5));
        Should.Throw<ArgumentOutOfRangeException>(() => random.Integer(0, 0, long.MinValue, long.MaxValue));
        Should.Throw<ArgumentOutOfRangeException>(() => random.Bits(0, 0, -1));
        var before = TorchRuntime.LiveTensors;
        Should.Throw<TorchException>(() => random.Integers(0, [0], 5, 5)).Message.ShouldContain("empty or too wide");
        Should.Throw<TorchException>(() => random.Integers(0, [0], long.MinValue, long.MaxValue)).Message.ShouldContain("too wide");
        Should.Throw<TorchException>(() => random.Normal(0, [0], [2], DType.BFloat16)).Message.ShouldContain("float32");
        Should.Throw<TorchException>(() => random.Uniform(0, [0], [2], DType.Int64)).Message.ShouldContain("float32");
        TorchRuntime.LiveTensors.ShouldBe(before);
        random.Normal(0, [], [2, 3]).Shape.ToArray().ShouldBe([0, 2, 3]);
    });

    private static (double Mean, double Variance, double Kurtosis) Moments(double[] x)
    {
        var mean = x.Average();
        var variance = x.Average(v => (v - mean) * (v - mean));
        return (mean, variance, x.Average(v => Math.Pow(v - mean, 4)) / (variance * variance));
    }

    /// <summary>Kolmogorov and Smirnov's: the largest distance between the sample's distribution and the one expected.</summary>
    private static double Distance(double[] x, Func<double, double> cdf)
    {
        Array.Sort(x);
        var largest = 0.0;
        for (var i = 0; i < x.Length; i++)
        {
            var expected = cdf(x[i]);
            largest = Math.Max(largest, Math.Max(expected - ((double)i / x.Length), ((i + 1.0) / x.Length) - expected));
        }

        return largest;
    }

    /// <summary>Abramowitz and Stegun 26.2.17: to 7.5e-8.</summary>
    private static double NormalCdf(double x)
    {
        var t = 1 / (1 + (0.2316419 * Math.Abs(x)));
        var tail = Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI) * t *
            (0.319381530 + (t * (-0.356563782 + (t * (1.781477937 + (t * (-1.821255978 + (t * 1.330274429))))))));
        return x > 0 ? 1 - tail : tail;
    }

    private static void InScope(Action work) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        work();
    });
}
