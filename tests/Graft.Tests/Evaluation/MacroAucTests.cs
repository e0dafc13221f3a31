using Graft.Evaluation;
using Graft.Torch;

namespace Graft.Tests.Evaluation;

public class MacroAucTests
{
    [Fact]
    public void It_is_the_mean_over_classes_that_have_both_kinds()
    {
        // Class 0: scores 3 and 1 of positives beat 2 of three and one of four pairs with 2 and 0: (3>2, 3>0, 1<2, 1>0) = 3/4.
        // Class 1: all positive, so it does not count. Class 2: one tie of two pairs, (0.5 + 1 + 1)/3.
        var auc = new MacroAuc(new[,] { { true, true, true }, { false, true, false }, { true, true, false }, { false, true, false } });
        double[,] scores = { { 3, 0, 5 }, { 2, 1, 5 }, { 1, 2, 1 }, { 0, 3, 2 } };
        auc.Classes.ShouldBe([0, 2]);
        auc.OfClasses(scores).ShouldBe([0.75, 2.5 / 3], 1e-12);
        auc.Of(scores).ShouldBe((0.75 + (2.5 / 3)) / 2, 1e-12);
        Should.Throw<ArgumentException>(() => auc.Of(new double[4, 2]));
        Should.Throw<InputException>(() => new MacroAuc(new[,] { { true }, { true } }).Of(new double[2, 1])).Message.ShouldContain("No class");
    }

    [Fact]
    public void A_resample_has_the_auc_that_repeated_records_have()
    {
        // One positive among three: AUC of a resample depends on how often each negative is there only; by hand over all drawings.
        var labels = new[,] { { true }, { false }, { false } };
        double[,] scores = { { 1 }, { 0 }, { 2 } };
        var found = new MacroAuc(labels).Bootstrap(scores, resamples: 4000, seed: 3);
        found.Value.ShouldBe(0.5);
        // Share of resamples by AUC a: numbers (n0, n1, n2) of 27 equally likely drawings with n0 > 0 and n1 + n2 > 0; AUC = n1 / (n1 + n2).
        // n0 = 2: (2,1,0) 3 of 18, (2,0,1) 3 of 18; n0 = 1: (1,2,0) 3, (1,0,2) 3, (1,1,1) 6. So a third each at 0, 1/2, 1.
        (found.Low, found.High).ShouldBe((0.0, 1.0));
    }

    [Fact]
    public void A_paired_difference_is_surer_than_two_values()
    {
        var random = new KeyedRandom(5, "test");
        const int N = 200;
        var labels = new bool[N, 1];
        var (good, better) = (new double[N, 1], new double[N, 1]);
        for (var i = 0; i < N; i++)
        {
            labels[i, 0] = i % 3 == 0;
            good[i, 0] = (labels[i, 0] ? 0.6 : 0) + random.Uniform(0, i);
            better[i, 0] = good[i, 0] + (labels[i, 0] ? 0.1 : 0);
        }

        var auc = new MacroAuc(labels);
        var (alone, paired) = (auc.Bootstrap(good, seed: 1), auc.Bootstrap(better, good, seed: 1));
        paired.Value.ShouldBe(auc.Of(better) - auc.Of(good), 1e-12);
        paired.Low!.Value.ShouldBeGreaterThan(0);
        (paired.High!.Value - paired.Low.Value).ShouldBeLessThan(0.6 * (alone.High!.Value - alone.Low!.Value));
        alone.Low.Value.ShouldBeLessThan(alone.Value);
        auc.Bootstrap(good, good).ShouldBe(new BootstrapInterval(0, 0, 0, 1000, 0));
        auc.Bootstrap(better, good, seed: 1).ShouldBe(paired);
        auc.Bootstrap(better, good, seed: 2).ShouldNotBe(paired);
    }

    [Theory]
    [InlineData(new double[] { 0, 1, 3 }, new double[] { 5, 6, 8 }, 5)] // SciPy's own example
    [InlineData(new double[] { 0, 1 }, new double[] { 0, 1 }, 0)]
    [InlineData(new double[] { 1 }, new double[] { 0, 1, 5 }, 5 / 3.0)] // a third each moves by 1, 0 and 4
    [InlineData(new double[] { 2, 0, 0 }, new double[] { 1 }, 1)]
    public void Wassersteins_distance_is_the_area_between_distribution_functions(double[] a, double[] b, double due)
    {
        Wasserstein1D.Of(a, b).ShouldBe(due, 1e-12);
        Wasserstein1D.Of(b, a).ShouldBe(due, 1e-12);
        Should.Throw<ArgumentException>(() => Wasserstein1D.Of(a, []));
        Should.Throw<ArgumentException>(() => Wasserstein1D.Of([double.NaN], b));
    }
}
