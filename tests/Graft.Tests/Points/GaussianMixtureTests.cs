using Graft.Data;
using Graft.Evaluation;

namespace Graft.Tests.Points;

/// <summary>Mixtures against sums, quadrature and differences that know nothing of how they are computed.</summary>
public sealed class GaussianMixtureTests
{
    [Fact]
    public void The_density_of_spheres_is_the_sum_of_their_formulas()
    {
        var mixture = GaussianMixture.Spheres([3, 1], [[1, 2], [-1, 0]], 0.25);
        double Sphere(double x, double y, double a, double b, double variance) =>
            Math.Exp(-(((x - a) * (x - a)) + ((y - b) * (y - b))) / (2 * variance)) / (2 * Math.PI * variance);
        foreach (var (x, y) in ((double, double)[])[(0, 0), (1, 2), (-1.3, 0.4)])
        {
            Math.Exp(mixture.LogDensity([x, y])).ShouldBe((0.75 * Sphere(x, y, 1, 2, 0.25)) + (0.25 * Sphere(x, y, -1, 0, 0.25)), 1e-14);
            // Of 0.6·x_0 + 0.8·ε: means times 0.6, variance 0.36·0.25 + 0.64.
            Math.Exp(mixture.LogDensity([x, y], 0.6, 0.8)).ShouldBe((0.75 * Sphere(x, y, 0.6, 1.2, 0.73)) + (0.25 * Sphere(x, y, -0.6, 0, 0.73)), 1e-14);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void The_score_is_the_gradient_of_the_log_density(int dimensions)
    {
        var random = new SplitMix(7);
        for (var round = 0; round < 40; round++)
        {
            var mixture = Mixtures.Random(random, dimensions);
            var (alpha, sigma) = Level(random);
            var x = Enumerable.Range(0, dimensions).Select(_ => (4 * Mixtures.Uniform(random)) - 2).ToArray();
            var score = new double[dimensions];
            mixture.Score(x, score, alpha, sigma);
            for (var k = 0; k < dimensions; k++)
            {
                double At(double by) => mixture.LogDensity([.. x.Select((v, i) => i == k ? v + by : v)], alpha, sigma);
                // Richardson's fourth-order difference.
                var difference = ((8 * (At(1e-3) - At(-1e-3))) - (At(2e-3) - At(-2e-3))) / 12e-3;
                score[k].ShouldBe(difference, 1e-8 * (1 + Math.Abs(difference)));
            }
        }
    }

    [Fact]
    public void The_posterior_mean_is_the_integral_and_Tweedie_s()
    {
        var random = new SplitMix(8);
        for (var round = 0; round < 40; round++)
        {
            var mixture = Mixtures.Random(random, 1);
            var (alpha, sigma) = Level(random);
            var x = (4 * Mixtures.Uniform(random)) - 2;
            var (mass, moment) = (0.0, 0.0);
            for (var x0 = -8.0; x0 <= 8; x0 += 1e-3)
            {
                var joint = Math.Exp(mixture.LogDensity([x0]) - ((x - (alpha * x0)) * (x - (alpha * x0)) / (2 * sigma * sigma)));
                (mass, moment) = (mass + joint, moment + (joint * x0));
            }

            var (mean, score) = (new double[1], new double[1]);
            mixture.PosteriorMean([x], mean, alpha, sigma);
            mixture.Score([x], score, alpha, sigma);
            mean[0].ShouldBe(moment / mass, 1e-9);
            mean[0].ShouldBe((x + (sigma * sigma * score[0])) / alpha, 1e-9 / alpha); // Tweedie: E[x_0 | x] = (x + σ²∇ log p)/α
        }
    }

    [Fact]
    public void Eigenvectors_and_Cholesky_s_factor_give_the_matrix_back()
    {
        var random = new SplitMix(9);
        foreach (var n in (int[])[1, 2, 3, 8])
        {
            var matrix = Mixtures.Covariance(random, n, 0.01);
            var factor = SymmetricMatrix.Cholesky(matrix);
            var (values, vectors) = SymmetricMatrix.Eigen(matrix);
            for (var i = 0; i < n; i++)
            {
                for (var j = 0; j < n; j++)
                {
                    Enumerable.Range(0, n).Sum(k => factor[i, k] * factor[j, k]).ShouldBe(matrix[i, j], 1e-14);
                    Enumerable.Range(0, n).Sum(k => vectors[i, k] * values[k] * vectors[j, k]).ShouldBe(matrix[i, j], 1e-13);
                    Enumerable.Range(0, n).Sum(k => vectors[k, i] * vectors[k, j]).ShouldBe(i == j ? 1 : 0, 1e-13);
                }
            }
        }
    }

    [Fact]
    public void Points_have_the_mixture_s_shares_means_and_covariances()
    {
        var covariance = new double[,] { { 0.5, 0.2 }, { 0.2, 0.3 } };
        var mixture = new GaussianMixture([0.2, 0.8], [[2, 0], [-1, 1]], [covariance, covariance]);
        var points = mixture.Draw(40_000, seed: 3, label: true);
        var second = Enumerable.Range(0, points.Count).Where(i => points.Label(i) == 1).ToArray();
        (second.Length / 40_000.0).ShouldBe(0.8, 0.01);
        double Mean(Func<float[], double> of) => second.Average(i => of(points[i].ToArray()));
        Mean(p => p[0]).ShouldBe(-1, 0.015);
        Mean(p => p[1]).ShouldBe(1, 0.015);
        Mean(p => (p[0] + 1) * (p[0] + 1)).ShouldBe(0.5, 0.02);
        Mean(p => (p[0] + 1) * (p[1] - 1)).ShouldBe(0.2, 0.015);
        Mean(p => (p[1] - 1) * (p[1] - 1)).ShouldBe(0.3, 0.015);
        points.Density.ShouldBeSameAs(mixture);
    }

    [Fact]
    public void A_point_is_a_function_of_seed_and_number()
    {
        var (few, many, other) = (Mixtures.Target.Draw(10, 1), Mixtures.Target.Draw(1000, 1), Mixtures.Target.Draw(10, 2));
        many.Values[..20].ToArray().ShouldBe(few.Values.ToArray());
        other.Values.ToArray().ShouldNotBe(few.Values.ToArray());
        few.Description.ShouldBe("10 points of a mixture of 2 Gaussians at (0.5, -0.5), (-0.5, 0.5), seed 1");
    }

    /// <summary>E_q[q] = Σ w_i·w_j·N(μ_i − μ_j; 0, 2σ²I): 0.40 for the paper's target.</summary>
    [Fact]
    public void True_samples_have_the_likelihood_that_the_closed_form_says()
    {
        var due = 0.5 / (2 * Math.PI * 0.2) * (1 + Math.Exp(-2 / 0.4));
        due.ShouldBe(0.4006, 1e-4);
        LikelihoodMetric.Of(Mixtures.Target, Mixtures.Target.Draw(20_000, 4)).Plain.ShouldBe(due, 0.005);
    }

    [Fact]
    public void What_is_no_mixture_is_refused()
    {
        Should.Throw<InputException>(() => GaussianMixture.Spheres([1], [[0, 0], [1, 1]], 1)).Message.ShouldContain("1 weights has 2 means");
        Should.Throw<InputException>(() => GaussianMixture.Spheres([0.5, -0.5], [[0], [1]], 1)).Message.ShouldContain("above 0");
        Should.Throw<InputException>(() => GaussianMixture.Spheres([1, 1], [[0], [1, 2]], 1)).Message.ShouldContain("one dimension");
        Should.Throw<InputException>(() => GaussianMixture.Spheres([1], [[0, 0]], 0)).Message.ShouldContain("positive definite");
        Should.Throw<InputException>(() => new GaussianMixture([1], [[0, 0]], [new double[,] { { 1, 2 }, { 2, 1 } }])).Message.ShouldContain("positive definite");
        Should.Throw<InputException>(() => new GaussianMixture([1], [[0, 0]], [new double[,] { { 1, 0.5 }, { 0, 1 } }])).Message.ShouldContain("symmetric");
    }

    private static (double Alpha, double Sigma) Level(SplitMix random)
    {
        var signal = 0.05 + (0.9 * Mixtures.Uniform(random));
        return (Math.Sqrt(signal), Math.Sqrt(1 - signal));
    }
}
