using Graft.Data.Ecg;
using Graft.Evaluation;
using Graft.Evaluation.Ecg;
using Graft.Tests.Data.Ecg;

namespace Graft.Tests.Evaluation.Ecg;

public class RhythmTests
{
    [Theory]
    [InlineData(100, 1)]
    [InlineData(360, 1)]
    [InlineData(500, -1)]
    public void Beats_are_found_where_they_are(double rate, int sign)
    {
        double[] beats = [0.6, 1.4, 2.05, 2.5, 3.5, 4.1, 5.3, 6.0, 6.42, 7.5, 8.4, 9.3];
        float[] lead = [.. Enumerable.Range(0, (int)(10 * rate)).Select(t =>
            (float)((sign * CraftedEcg.Beat(1, t / rate, beats)) + (0.3 * Math.Sin(2 * Math.PI * 0.3 * t / rate)) + (0.03 * Math.Sin(t * 12.9898 * 43758.5453))))];
        var peaks = RPeaks.Detect(lead, rate);
        peaks.Length.ShouldBe(beats.Length);
        peaks.Zip(beats, (p, b) => Math.Abs((p / rate) - b)).Max().ShouldBeLessThan(0.012 + (1 / rate));
    }

    [Fact]
    public void A_high_t_wave_is_no_beat_and_a_low_beat_is_found_again()
    {
        // T waves of a third of the R wave's height and wide; one beat of a third of the others' height.
        float[] lead = [.. Enumerable.Range(0, 5000).Select(t => (float)Enumerable.Range(0, 12).Sum(b =>
            ((b == 6 ? 0.35 : 1) * Bump(t / 500.0, 0.5 + (0.8 * b), 0.012)) + (0.4 * Bump(t / 500.0, 0.78 + (0.8 * b), 0.045))))];
        var peaks = RPeaks.Detect(lead, 500);
        peaks.Select(p => (int)Math.Round(((p / 500.0) - 0.5) / 0.8)).ShouldBe(Enumerable.Range(0, 12));

        static double Bump(double t, double centre, double width) => Math.Exp(-0.5 * Math.Pow((t - centre) / width, 2));
    }

    [Fact]
    public void Nothing_is_found_in_nothing()
    {
        RPeaks.Detect(new float[1000], 100).ShouldBeEmpty();
        RPeaks.Detect(new float[20], 100).ShouldBeEmpty();
        RPeaks.Detect([], 100).ShouldBeEmpty();
        Should.Throw<ArgumentException>(() => RPeaks.Detect([1, float.NaN], 100));
        Should.Throw<ArgumentOutOfRangeException>(() => RPeaks.Detect(new float[100], 20));
    }

    [Fact]
    public void Intervals_follow_their_definitions()
    {
        var rr = RrIntervals.Of([0, 80, 180, 260], 100);
        rr.Seconds.ShouldBe([0.8, 1.0, 0.8], 1e-12);
        rr.HeartRate.ShouldBe(60 / (2.6 / 3), 1e-9);
        rr.Variation.ShouldBe(Math.Sqrt((0.16 / 12 * 2) / 2) / (2.6 / 3), 1e-9); // deviations -1/15, 2/15, -1/15: squares sum to 6/225
        rr.RelativeRmssd.ShouldBe(0.2 / (2.6 / 3), 1e-9);
        rr.Nn50.ShouldBe(1);
        RrIntervals.Of([5], 100).HeartRate.ShouldBe(double.NaN);
        RrIntervals.Of([5, 105], 100).Variation.ShouldBe(double.NaN);
    }

    [Fact]
    public void The_area_under_the_curve_counts_pairs()
    {
        RocAuc.Of([1, 2, 3, 4], [false, false, true, true]).ShouldBe(1);
        RocAuc.Of([1, 2, 3, 4], [true, true, false, false]).ShouldBe(0);
        RocAuc.Of([1, 1, 1], [true, false, false]).ShouldBe(0.5);
        RocAuc.Of([1, 2, 2, 3], [false, true, false, true]).ShouldBe(3.5 / 4);
        Should.Throw<ArgumentException>(() => RocAuc.Of([1, 2], [true, true]));
        Should.Throw<ArgumentException>(() => RocAuc.Of([1, double.NaN], [true, false]));
    }

    [Fact]
    public void An_irregular_rhythm_is_told_from_a_regular_one()
    {
        var records = Enumerable.Range(0, 40).Select(r =>
        {
            var (sick, beats, at) = (r % 2 == 0, new List<double>(), 0.4);
            for (var b = 0; at < 9.8; b++)
            {
                beats.Add(at);
                at += 0.6 + (0.01 * (r % 7)) + (sick ? 0.35 * Math.Abs(Math.Sin((r * 78.233) + (b * 12.9898))) : 0);
            }

            return new EcgRecord($"r{r}", [.. Enumerable.Range(0, 1000).Select(t => (float)CraftedEcg.Beat(1, t / 100.0, beats))], 1, r < 20 ? EcgSplit.Train : EcgSplit.Test) { Statements = sick ? ["AFIB"] : [] };
        });
        var set = new EcgSet(CraftedEcg.Card(100, "mV", "II") with { Classes = ["AFIB"] }, [.. records]);
        var classifier = RhythmClassifier.Fit(set.ForTraining(), "AFIB");
        var test = set.Of(EcgSplit.Test);
        RocAuc.Of(classifier.Score(test), RhythmClassifier.Labels(test, "AFIB")).ShouldBe(1);
        Should.Throw<InputException>(() => RhythmClassifier.Fit(set.ForTraining(), "none")).Message.ShouldContain("has no class 'none'");
        Should.Throw<InputException>(() => RhythmClassifier.Fit(set.Where(r => r.Statements.Count == 0).ForTraining(), "AFIB")).Message.ShouldContain("or none");
    }

    [Fact]
    public void Lead_equations_are_measured_with_and_without_scales()
    {
        var set = CraftedEcg.Set(CraftedEcg.Card(), 500, (lead, t) => CraftedEcg.Beat(lead, t, [0.5, 1.4, 2.2, 3.1, 4.4]), (lead, t) => Math.Sin((lead + 1) * (t + lead)));
        var residual = LeadEquations.Of(set);
        residual.AsTheyAre[0].ShouldBeLessThan(1e-12);
        var scored = LeadEquations.Of(set.Prepare(new ZScore()));
        scored.AsTheyAre[0].ShouldBeGreaterThan(0.02);
        scored.Refitted[0].ShouldBeLessThan(1e-10);
        scored.Refitted[1].ShouldBeGreaterThan(1e-3); // sines of other frequencies obey nothing
    }

    /// <summary>On real records: what the data's publisher and the issue say of rhythm and leads.</summary>
    [SharedFact("data/ecg/ptbxl-subset")]
    public void The_subset_of_ptbxl_shows_fibrillation_in_its_rhythm_and_obeys_the_lead_equations()
    {
        var set = PtbXl.OpenSubset(SharedFiles.Data("ecg", "ptbxl-subset"));
        var (intervals, labels) = (RrIntervals.Of(set), RhythmClassifier.Labels(set, "AFIB"));
        double Median(bool sick) => Quantiles.Median(intervals.Where((rr, i) => labels[i] == sick && double.IsFinite(rr.Variation)).Select(rr => rr.Variation));
        Median(true).ShouldBeInRange(0.18, 0.25);
        Median(false).ShouldBeInRange(0.015, 0.03);
        intervals.Count(rr => rr.HeartRate is > 25 and < 220).ShouldBeGreaterThan(1810);

        var test = set.Of(EcgSplit.Test);
        var auc = RocAuc.Of(RhythmClassifier.Fit(set.ForTraining(), "AFIB").Score(test), RhythmClassifier.Labels(test, "AFIB"));
        auc.ShouldBeGreaterThan(0.93);

        var residual = LeadEquations.Of(set);
        Quantiles.Median(residual.Refitted).ShouldBeLessThan(1e-5);
        Quantiles.Median(residual.AsTheyAre).ShouldBeGreaterThan(0.05);
    }
}
