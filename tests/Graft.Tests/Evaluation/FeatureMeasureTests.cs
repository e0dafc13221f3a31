using Graft.Evaluation;
using static Graft.Tests.Evaluation.EvaluationFixtures;

namespace Graft.Tests.Evaluation;

/// <summary>Fréchet distance, KID, precision and recall: other people's numbers, and such as can be had by hand.</summary>
public class FeatureMeasureTests
{
    [Fact]
    public void Frechet_distances_in_the_repository_are_exact() => CheckFrechet(InRepository("frechet"), 4);

    [SharedFact("reference/fid/frechet.safetensors")]
    public void Frechet_distances_are_exact() => CheckFrechet(SharedFiles.Reference("fid", "frechet"), 7);

    [Fact]
    public void Kernel_distances_are_those_of_the_kit()
    {
        var cases = 0;
        ForEachCase(InRepository("kid"), (c, read, fixture) =>
        {
            cases++;
            var (x, y) = (read("features1"), read("features2"));
            var (i, j, due) = (read("subset_indices1"), read("subset_indices2"), read("subset_values").Flat(v => v));
            var subsets = Enumerable.Range(0, due.Length).Select(s => (Index(i, s), Index(j, s))).ToArray();
            var values = KernelDistance.OfSubsets(x, y, subsets);
            for (var s = 0; s < due.Length; s++)
            {
                Close(values[s], due[s], $"subset {s}");
                // One subset at a time takes the path of sets too large for a kernel of all.
                Close(KernelDistance.OfSubsets(x, y, [subsets[s]])[0], due[s], $"subset {s} alone");
            }

            Close(values.Average(), (double)c["kid_mean"]!, "mean");
            Close(Math.Sqrt(values.Average(v => Math.Pow(v - values.Average(), 2))), (double)c["kid_std_population"]!, "deviation");
            Close(KernelDistance.Unbiased(x, y), (double)c["mmd2_unbiased_all"]!, "all");

            void Close(double actual, double expected, string what) =>
                actual.ShouldBe(expected, (double)fixture["tolerance"]!["abs"]! + ((double)fixture["tolerance"]!["rel"]! * Math.Abs(expected)), what);
        });
        cases.ShouldBe(2);

        static int[] Index(double[,] x, int row) => [.. Enumerable.Range(0, x.GetLength(1)).Select(k => (int)x[row, k])];
    }

    [Fact]
    public void Precision_and_recall_are_those_of_the_kit()
    {
        var cases = 0;
        ForEachCase(InRepository("precision_recall"), (c, read, _) =>
        {
            cases++;
            var k = (int)c["k"]!;
            var (real, fake) = (read("real"), read("fake"));
            var result = PrecisionRecall.Of(real, fake, k);
            result.Precision.ShouldBe((double)c["precision"]!);
            result.Recall.ShouldBe((double)c["recall"]!);
            var (realRadii, fakeRadii) = (PrecisionRecall.Radii(real, k), PrecisionRecall.Radii(fake, k));
            Near(realRadii, read("radii_real"));
            Near(fakeRadii, read("radii_fake"));
            PrecisionRecall.Inside(fake, real, realRadii).ShouldBe(read("fake_inside").Flat(v => v != 0));
            PrecisionRecall.Inside(real, fake, fakeRadii).ShouldBe(read("real_inside").Flat(v => v != 0));
        });
        cases.ShouldBe(3);

        static void Near(double[] actual, double[,] expected)
        {
            var due = expected.Flat(v => v);
            actual.Length.ShouldBe(due.Length);
            for (var i = 0; i < due.Length; i++)
                actual[i].ShouldBe(due[i], 1e-5 * due[i]);
        }
    }

    [Fact]
    public void In_one_dimension_the_Frechet_distance_is_that_of_means_and_deviations()
    {
        // Means 2 and 7, deviations 1 and 3 (divisor n - 1): (7 - 2)² + (3 - 1)².
        var result = FrechetDistance.Of(Of([1], [2], [3]), Of([4], [7], [10]));
        result.Distance.ShouldBe(29, 1e-12);
        result.MeanTerm.ShouldBe(25, 1e-12);
        result.CovarianceTerm.ShouldBe(4, 1e-12);
        result.Caution.ShouldBeNull();
        FrechetDistance.OfStatistics([2], Of([1]), [7], Of([9])).ShouldBe(29, 1e-12);
    }

    [Fact]
    public void The_Frechet_distance_is_the_closed_form_of_independent_numbers_however_they_are_turned()
    {
        // Corners of a square: mean 0 and covariance 4/3 I; stretched by 3 and 0.5 and moved by (1, 2). Both turned by 30 degrees.
        double[][] square = [[1, 1], [1, -1], [-1, 1], [-1, -1]];
        double[][] other = [.. square.Select(p => new[] { (3 * p[0]) + 1, (0.5 * p[1]) + 2 })];
        var (c, s) = (Math.Cos(Math.PI / 6), Math.Sin(Math.PI / 6));
        double[][] Turned(double[][] rows) => [.. rows.Select(p => new[] { (c * p[0]) - (s * p[1]), (s * p[0]) + (c * p[1]) })];
        var due = 1 + 4 + (4 / 3.0 * (Math.Pow(3 - 1, 2) + Math.Pow(0.5 - 1, 2)));
        FrechetDistance.Of(Of(square), Of(other)).Distance.ShouldBe(due, 1e-12);
        FrechetDistance.Of(Of(Turned(square)), Of(Turned(other))).Distance.ShouldBe(due, 1e-12);
        FrechetDistance.Of(Of(other), Of(other)).Distance.ShouldBe(0, 1e-12);
    }

    [Fact]
    public void Fewer_pictures_than_dimensions_are_measured_exactly_and_with_a_caution()
    {
        // Three points of the plane each, in 40 dimensions: what the plane gives, the space must give.
        var (x, y) = (Normal(3, 2, 1), Normal(4, 2, 2));
        var plane = FrechetDistance.Of(x, y);
        plane.Caution.ShouldBeNull();
        var space = FrechetDistance.Of(Embed(x), Embed(y));
        space.Distance.ShouldBe(plane.Distance, 1e-10);
        space.Caution!.ShouldStartWith("3 and 4 pictures do not determine a covariance of 40 dimensions");

        static double[,] Embed(double[,] plane)
        {
            var space = new double[plane.GetLength(0), 40];
            for (var i = 0; i < plane.GetLength(0); i++)
                (space[i, 5], space[i, 33]) = (plane[i, 0], plane[i, 1]);
            return space;
        }
    }

    [Fact]
    public void A_kernel_distance_is_that_of_its_definition_and_is_keyed_by_its_seed()
    {
        // D = 1: k(x, y) = (xy + 1)³. {0, 1} and {1, 2}: 1 + 27 - 2 (1 + 1 + 8 + 27) / 4.
        KernelDistance.Unbiased(Of([0], [1]), Of([1], [2])).ShouldBe(1 + 27 - 18.5, 1e-12);
        var (x, y) = (Normal(60, 4, 1), Normal(50, 4, 2));
        var result = KernelDistance.Of(x, y, subsets: 20, subsetSize: 30, seed: 5);
        (result.Subsets, result.SubsetSize, result.Seed).ShouldBe((20, 30, 5));
        KernelDistance.Of(x, y, 20, 30, 5).ShouldBe(result);
        KernelDistance.Of(x, y, 20, 30, 6).Mean.ShouldNotBe(result.Mean);
        result.StandardDeviation!.Value.ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Identical_sets_have_an_unbiased_kernel_distance_at_or_below_nought()
    {
        var x = Normal(40, 6, 3);
        var result = KernelDistance.Of(x, x);
        (result.Subsets, result.SubsetSize, result.StandardDeviation).ShouldBe((1, 40, null));
        // Without the diagonals, which hold the largest values, it falls below 0.
        result.Mean.ShouldBeLessThan(0);
        result.Mean.ShouldBe(KernelDistance.Unbiased(x, x), 1e-12);
        var shifted = (double[,])x.Clone();
        for (var i = 0; i < 40; i++)
            shifted[i, 0] += 3;
        KernelDistance.Of(x, shifted).Mean.ShouldBeGreaterThan(1);
    }

    [Fact]
    public void Precision_recall_density_and_coverage_of_a_line_are_as_counted_by_hand()
    {
        // Real: 0 1 2 10, k = 1: radii 1 1 1 8. Samples 1.5, 20, 21: radii 18.5, 1, 1.
        var result = PrecisionRecall.Of(Of([0], [1], [2], [10]), Of([1.5], [20], [21]), k: 1);
        result.Precision.ShouldBe(1 / 3.0); // 1.5 lies in the balls of 1 and 2, and 8.5 from 10; 20 and 21 lie in none
        result.Recall.ShouldBe(1); // all four lie within 18.5 of 1.5
        result.Density.ShouldBe(2 / 3.0);
        result.Coverage.ShouldBe(2 / 4.0); // of 1 and 2
        PrecisionRecall.Of(Of([0], [1], [2]), Of([0], [1], [2]), k: 1).ShouldSatisfyAllConditions(
            r => r.Precision.ShouldBe(1), r => r.Recall.ShouldBe(1), r => r.Coverage.ShouldBe(1));
        Should.Throw<InputException>(() => PrecisionRecall.Of(Of([0], [1], [2]), Of([0], [1], [2], [3]))).Message.ShouldContain("need more than 3 pictures");
    }

    [Fact]
    public void An_Inception_Score_is_that_of_its_definition()
    {
        // Certain and evenly spread over three classes: 3. Undecided: 1. One class only: 1.
        InceptionScore.Of(Of([500, 0, 0], [0, 500, 0], [0, 0, 500]), splits: 1).Mean.ShouldBe(3, 1e-12);
        InceptionScore.Of(Of([1, 1, 1], [2, 2, 2]), splits: 1).Mean.ShouldBe(1, 1e-12);
        var splits = InceptionScore.Of(Of([500, 0], [0, 500], [500, 0], [500, 0]), splits: 2);
        (splits.Mean, splits.StandardDeviation, splits.Splits, splits.Count).ShouldBe((1.5, 0.5, 2, 4), ScoreTolerance);

        // p = (3/4, 1/4) and (1/4, 3/4): exp of the mean of Σ p log (p / ½).
        var l = Math.Log(3);
        InceptionScore.Of(Of([l, 0], [0, l]), 1).Mean.ShouldBe(Math.Exp((0.75 * Math.Log(1.5)) + (0.25 * Math.Log(0.5))), 1e-12);
        Should.Throw<InputException>(() => InceptionScore.Of(Of([1, 2], [3, 4]))).Message.ShouldContain("over 10 splits needs a picture for each, and there are 2");
    }

    [Fact]
    public void Features_that_do_not_fit_each_other_or_are_no_numbers_are_refused()
    {
        Should.Throw<InputException>(() => FrechetDistance.Of(Of([1], [2]), Of([1, 2], [3, 4]))).Message.ShouldContain("one dimension");
        Should.Throw<InputException>(() => FrechetDistance.Of(Of([1], [2]), Of([1.0]))).Message.ShouldContain("two pictures or more");
        Should.Throw<InputException>(() => KernelDistance.Of(Of([1], [2]), Of([1], [double.NaN]))).Message.ShouldContain("picture 1 hold NaN");
        Should.Throw<InputException>(() => KernelDistance.Of(Of([1], [2]), Of([1.0]))).Message.ShouldContain("two pictures or more");
        var set = new FeatureSet { Values = Of([1], [2]), Network = "a", NetworkHash = "h", Preparation = "p", Source = "s" };
        Should.Throw<InputException>(() => KernelDistance.Of(set, set with { Network = "b" })).Message.ShouldContain("the networks a and b");
        Should.Throw<InputException>(() => PrecisionRecall.Of(set, set with { NetworkHash = "i" }, 1)).Message.ShouldContain("the weights h and i of a");
    }

    private static readonly IEqualityComparer<(double Mean, double Deviation, int Splits, int Count)> ScoreTolerance =
        EqualityComparer<(double Mean, double Deviation, int Splits, int Count)>.Create(
            (a, b) => Math.Abs(a.Mean - b.Mean) < 1e-12 && Math.Abs(a.Deviation - b.Deviation) < 1e-12 && a.Splits == b.Splits && a.Count == b.Count,
            _ => 0);

    private static void CheckFrechet(string stem, int count)
    {
        var cases = 0;
        ForEachCase(stem, (c, read, _) =>
        {
            cases++;
            var due = (double)c["frechet_exact"]!;
            var bound = (double)c["tolerance"]!["abs"]! + ((double)c["tolerance"]!["rel"]! * Math.Abs(due));
            FrechetDistance.Of(read("features1"), read("features2")).Distance.ShouldBe(due, bound, (string)c["name"]!);
            if (!(bool)c["statistics_stored"]!)
                return;
            FrechetDistance.OfStatistics(read("mu1").Flat(v => v), read("sigma1"), read("mu2").Flat(v => v), read("sigma2"))
                .ShouldBe(due, bound, $"{c["name"]} from statistics");
        });
        cases.ShouldBe(count);
    }
}
