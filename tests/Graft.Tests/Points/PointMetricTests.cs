using Graft.Data;
using Graft.Evaluation;

namespace Graft.Tests.Points;

/// <summary>Distances between distributions of points, against sums and closed form.</summary>
public sealed class PointMetricTests
{
    [Fact]
    public void The_energy_distance_is_its_formula()
    {
        var (a, b) = (Set(0, 0, 3, 4, 1, 1), Set(0, 1, 6, 8));
        double[] across = [1, 10, D(3, 4, 0, 1), 5, 1, D(1, 1, 6, 8)];
        var due = (2 * across.Average()) - ((5 + Math.Sqrt(2) + D(3, 4, 1, 1)) / 3) - D(0, 1, 6, 8);
        EnergyDistance.Of(a, b).ShouldBe(due, 1e-12);
        EnergyDistance.Of(b, a).ShouldBe(due, 1e-12);

        static double D(double x, double y, double u, double v) => Math.Sqrt(((x - u) * (x - u)) + ((y - v) * (y - v)));
    }

    /// <summary>Of one distribution it is 0 but for chance; of N(0, 1) and N(d, 1) on a line it is 2E|X − Y| − 2E|X − X′| in closed form.</summary>
    [Fact]
    public void The_energy_distance_of_normal_sets_is_the_closed_form_s()
    {
        var (a, b) = (GaussianMixture.Spheres([1], [[0]], 1).Draw(4000, 1), GaussianMixture.Spheres([1], [[1]], 1).Draw(4000, 2));
        // X − Y ~ N(1, 2): E|X − Y| = 2√(1/π)e^(−1/4) + erf(1/2); E|X − X′| = 2/√π.
        const double ErfHalf = 0.5204998778130465;
        var due = (2 * ((2 / Math.Sqrt(Math.PI) * Math.Exp(-0.25)) + ErfHalf)) - (4 / Math.Sqrt(Math.PI));
        EnergyDistance.Of(a, b).ShouldBe(due, 0.05);
        Math.Abs(EnergyDistance.Of(a, GaussianMixture.Spheres([1], [[0]], 1).Draw(4000, 3))).ShouldBeLessThan(0.004);
    }

    [Fact]
    public void The_distance_on_a_line_is_that_of_quantiles_whatever_the_sizes()
    {
        SlicedWasserstein.SquaredOnLine([3, 1, 2], [11, 13, 12]).ShouldBe(100, 1e-12);
        // {0, 6} against {1, 2, 3}: quantiles 0 → 1, 0 → 2, 6 → 2, 6 → 3 with shares 1/3, 1/6, 1/6, 1/3.
        SlicedWasserstein.SquaredOnLine([6, 0], [1, 2, 3]).ShouldBe((1 / 3.0) + (4 / 6.0) + (16 / 6.0) + (9 / 3.0), 1e-12);
        SlicedWasserstein.SquaredOnLine([6, 0, 0, 6], [3, 1, 2, 2, 3, 1]).ShouldBe(SlicedWasserstein.SquaredOnLine([6, 0], [1, 2, 3]), 1e-12);
    }

    /// <summary>A shift by d moves every projection by its share of d: the mean of its square is |d|²/D.</summary>
    [Fact]
    public void A_shift_is_found_as_long_as_it_is()
    {
        var points = Mixtures.Source.Draw(500, 1);
        var shifted = new SampleSet(new ItemShape(2), [.. points.Values.ToArray().Select((v, i) => i % 2 == 0 ? v + 3 : v + 4)], "shifted");
        SlicedWasserstein.Of(points, shifted, projections: 20_000).ShouldBe(5 / Math.Sqrt(2), 0.02);
        SlicedWasserstein.Of(points, points).ShouldBe(0);
        SlicedWasserstein.Of(points, shifted, 100, seed: 1).ShouldBe(SlicedWasserstein.Of(points, shifted, 100, seed: 1));
        SlicedWasserstein.Of(points, shifted, 100, seed: 1).ShouldNotBe(SlicedWasserstein.Of(points, shifted, 100, seed: 2));
    }

    /// <summary>10,000 against 10,000 true points: what a perfect model would reach.</summary>
    [Fact]
    public void True_points_lie_as_near_each_other_as_chance_leaves_them()
    {
        for (var seed = 0; seed < 3; seed++)
            SlicedWasserstein.Of(Mixtures.Target.Draw(10_000, 100 + seed), Mixtures.Target.Draw(10_000, 200 + seed)).ShouldBeInRange(0.005, 0.03);
    }

    [Fact]
    public void A_report_holds_every_measure_with_its_numbers()
    {
        var (target, training) = (Mixtures.Target.Draw(300, 1), Mixtures.Target.Draw(10, 2));
        var input = new EvaluationInput { Samples = Mixtures.Target.Draw(200, 3), Target = target, Training = training, Seed = 4 };
        var report = EvaluationReport.Of(input);
        report.Reports.Select(r => r.Metric).ShouldBe(["energy", "sliced_wasserstein", "likelihood", "memorisation"]);
        var sliced = report.Reports[1];
        (sliced.Values[0].N, (int)sliced.Settings["target"]!, (int)sliced.Settings["projections"]!, (long)sliced.Settings["seed"]!).ShouldBe((200, 300, 500, 4));
        report.Reports[2].Notes[0].ShouldContain("not trusted");
        report.Reports[2].Values[0].Value!.Value.ShouldBe(report.Reports[2].Values[2].Value!.Value, 0.2);
        report.Reports.SelectMany(r => r.Pictures.Keys).ShouldBe(["samples.png", "memorisation.png"]);
        report.ToJsonText().ShouldContain("\"sliced_w2\"");

        EvaluationReport.Of(input with { Samples = training }).Reports[3].Values[0].Value.ShouldBe(1); // all are copies
        var unknown = new SampleSet(new ItemShape(2), [0, 1, 2, 3], "of unknown origin");
        EvaluationReport.Of(input with { Target = unknown, Training = unknown }).Reports.Select(r => r.Metric).ShouldBe(["energy", "sliced_wasserstein", "memorisation"]);
        Should.Throw<InputException>(() => new LikelihoodMetric().Measure(input with { Target = unknown })).Message.ShouldContain("not known");
        Should.Throw<InputException>(() => EvaluationReport.Of(input with { Target = Set(1) })).Message.ShouldContain("2 numbers");
        Should.Throw<InputException>(() => EnergyDistance.Of(target, new SampleSet(new ItemShape(2), [0, 1], "one point"))).Message.ShouldContain("at least 2");
    }

    private static SampleSet Set(params float[] values) => new(new ItemShape(values.Length == 1 ? 1 : 2), values, "a set");
}
