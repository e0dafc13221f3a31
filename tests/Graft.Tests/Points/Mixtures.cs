using Graft.Data;

namespace Graft.Tests.Points;

/// <summary>Mixtures for tests.</summary>
internal static class Mixtures
{
    /// <summary>The source of the paper's two-dimensional experiment.</summary>
    public static GaussianMixture Source { get; } = GaussianMixture.Spheres([0.5, 0.5], [[0.5, 0.5], [-0.5, -0.5]], 0.1);

    /// <summary>Its target.</summary>
    public static GaussianMixture Target { get; } = GaussianMixture.Spheres([0.5, 0.5], [[0.5, -0.5], [-0.5, 0.5]], 0.1);

    /// <summary>One to three components of any form.</summary>
    public static GaussianMixture Random(SplitMix random, int dimensions, double narrowest = 0.15)
    {
        var count = 1 + random.Next(3);
        return new GaussianMixture(
            [.. Enumerable.Range(0, count).Select(_ => 0.2 + Uniform(random))],
            [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, dimensions).Select(_ => (2 * Uniform(random)) - 1).ToArray())],
            [.. Enumerable.Range(0, count).Select(_ => Covariance(random, dimensions, narrowest))]);
    }

    public static double Uniform(SplitMix random) => random.Next(1 << 20) / (double)(1 << 20);

    /// <summary>A·Aᵀ + n·I.</summary>
    public static double[,] Covariance(SplitMix random, int dimensions, double narrowest)
    {
        var a = new double[dimensions, dimensions];
        for (var i = 0; i < dimensions; i++)
        {
            for (var j = 0; j < dimensions; j++)
                a[i, j] = 0.5 * ((2 * Uniform(random)) - 1);
        }

        var product = new double[dimensions, dimensions];
        for (var i = 0; i < dimensions; i++)
        {
            for (var j = 0; j < dimensions; j++)
                product[i, j] = (i == j ? narrowest : 0) + Enumerable.Range(0, dimensions).Sum(k => a[i, k] * a[j, k]);
        }

        return product;
    }
}
