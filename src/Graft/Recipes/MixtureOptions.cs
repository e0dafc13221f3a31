using Graft.Data;

namespace Graft.Recipes;

/// <summary>Points drawn from a Gaussian mixture, as recipes say it.</summary>
public sealed record MixtureOptions
{
    private const int MaximalComponents = 10_000;
    private const int MaximalDimensions = 1024;
    private const int MaximalPoints = 100_000_000;

    /// <summary>The components' means.</summary>
    public required IReadOnlyList<IReadOnlyList<double>> Means { get; init; }

    /// <summary>The components' weights; null: all the same.</summary>
    public IReadOnlyList<double>? Weights { get; init; }

    /// <summary>The variance of every component along every axis; this or <see cref="Covariances"/>.</summary>
    public double? Variance { get; init; }

    /// <summary>The components' covariances, each a list of rows.</summary>
    public IReadOnlyList<IReadOnlyList<IReadOnlyList<double>>>? Covariances { get; init; }

    /// <summary>How many points are drawn.</summary>
    public int Count { get; init; } = 10_000;

    /// <summary>Which: the same seed draws the same points, and more of them begin with the same.</summary>
    public long Seed { get; init; }

    /// <summary>Whether a point's class is its component.</summary>
    public bool LabelComponents { get; init; }

    /// <summary>The mixture.</summary>
    /// <exception cref="InputException">The numbers do not fit together.</exception>
    public GaussianMixture Create()
    {
        if (Means.Count is 0 or > MaximalComponents || Means.Any(m => m.Count is 0 or > MaximalDimensions))
            throw new InputException($"A mixture takes 1 to {MaximalComponents} means of 1 to {MaximalDimensions} numbers.");
        if (Variance is null == Covariances is null)
            throw new InputException("A mixture takes either variance (one number for all components) or covariances (a matrix for each).");
        if (Count is < 1 or > MaximalPoints)
            throw new InputException($"The mixture's count is {Count}: give 1 to {MaximalPoints} points.");
        var weights = Weights ?? [.. Means.Select(_ => 1.0)];
        double[][] means = [.. Means.Select(m => m.ToArray())];
        return Variance is { } variance
            ? GaussianMixture.Spheres(weights, means, variance)
            : new GaussianMixture(weights, means, [.. Covariances!.Select(Matrix)]);
    }

    /// <summary>Draws the points.</summary>
    /// <exception cref="InputException">The numbers do not fit together.</exception>
    public SampleSet Draw() => Create().Draw(Count, Seed, LabelComponents);

    private static double[,] Matrix(IReadOnlyList<IReadOnlyList<double>> rows)
    {
        var matrix = new double[rows.Count, rows.Count];
        for (var i = 0; i < rows.Count; i++)
        {
            if (rows[i].Count != rows.Count)
                throw new InputException($"A covariance of the mixture has {rows.Count} rows, and row {i + 1} {rows[i].Count} numbers: it must be square.");
            for (var j = 0; j < rows.Count; j++)
                matrix[i, j] = rows[i][j];
        }

        return matrix;
    }
}
