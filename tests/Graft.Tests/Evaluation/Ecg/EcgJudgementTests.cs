using Graft.Data.Ecg;
using Graft.Evaluation;
using Graft.Evaluation.Ecg;
using Graft.Networks;
using Graft.Tests.Data.Ecg;
using Graft.Training;

namespace Graft.Tests.Evaluation.Ecg;

public sealed class EcgJudgementTests
{
    private static readonly EcgItems Real = new(TinyEcgs.Set(12, EcgSplit.Train).ForTraining());
    private static readonly EcgItems Test = new(TinyEcgs.Set(10, EcgSplit.Test, seed: 2, "t"));

    private static readonly EcgUtilityOptions Quick = new()
    {
        Network = XResNet1dOptions.Small with { StemChannels = [8, 8, 8], StageChannels = [8, 8], StageBlocks = [1, 1], HeadChannels = 8 },
        Training = EcgUtilityOptions.DefaultTraining with { Steps = 30, BatchSize = 8, WarmupSteps = 3, LearningRate = 1e-2, CheckpointEvery = 0 },
        Resamples = 200,
    };

    [Fact]
    public void A_distance_is_that_of_the_best_shift()
    {
        // A record and the same 0.1 s later, doubled and moved up: a copy. The third is another one.
        var card = CraftedEcg.Card(100, "mV", "I", "V1");
        double Wave(int lead, double t) => Math.Sin(2 * Math.PI * (lead + 1) * t) + (0.5 * Math.Sin(2 * Math.PI * 0.7 * (lead + 2) * t * t));
        var set = CraftedEcg.Set(card, 400, Wave, (lead, t) => 3 + (2 * Wave(lead, t - 0.1)), (lead, t) => Math.Cos(2 * Math.PI * 3.3 * t * (lead + 1)));
        var source = new EcgItems(set);
        var found = new EcgDistance().Between(source, source);
        for (var i = 0; i < 3; i++)
            found[i, i].ShouldBe(0);
        for (var i = 0; i < 3; i++)
        {
            for (var j = 0; j < 3; j++)
                found[i, j].ShouldBe(Plain(set, i, j, 25), 1e-4);
        }

        found[0, 1].ShouldBe(Plain(set, 0, 1, 25), 1e-9); // near ones in double precision
        found[0, 1].ShouldBeLessThan(0.1);
        new EcgDistance(0).Between(source, source)[0, 1].ShouldBe(Plain(set, 0, 1, 0), 1e-4);
        Plain(set, 0, 1, 0).ShouldBeGreaterThan(0.5);
        new EcgDistance().Name.ShouldBe("root mean square of z-scored leads, best shift within 0.25 s");
        var other = new EcgItems(CraftedEcg.Set(CraftedEcg.Card(50, "mV", "I", "V1"), 400, Wave));
        Should.Throw<InputException>(() => new EcgDistance().Between(source, other)).Message.ShouldContain("in their rate (100 and 50 Hz)");
    }

    [Fact]
    public void Copies_are_found_and_other_records_are_not()
    {
        // Four copies of training records, moved by 0.1 s at most, and six that are new.
        EcgRecord[] copies = [.. Enumerable.Range(0, 4).Select(i => new EcgRecord($"c{i}", Moved(Real.Set[i], 3 * i), 12, EcgSplit.Train))];
        EcgSet samples = new(Real.Set.Card, [.. copies, .. TinyEcgs.Set(6, EcgSplit.Train, seed: 7, "n").Records]);
        var input = new EvaluationInput { Samples = new EcgItems(samples), Target = Test, Training = Real, Seed = 1 };
        var found = new MemorisationMetric(new MemorisationOptions { Distance = new EcgDistance(0.1) }).Measure(input);
        var share = found.Values.Single(v => v.Name == "memorised_share");
        share.Value!.Value.ShouldBe(0.4, 1e-12);
        share.N.ShouldBe(10);
        found.Pictures.Keys.Order().ShouldBe(["memorisation.png", "nearest.png"]);
        found.Pictures["nearest.png"].Width.ShouldBeGreaterThan(2 * 265 * 3);
        found.Notes[0].ShouldContain("12 training records");
    }

    [Fact]
    public void Rhythms_are_held_against_each_other()
    {
        // All samples beat twice as fast as half of the target's records; one has no beats at all.
        var fast = TinyEcgs.Set(8, EcgSplit.Train, seed: 3).Where(r => r.Statements.Count > 0);
        EcgSet samples = new(fast.Card, [.. fast.Records, new EcgRecord("flat", new float[12 * 500], 12)]);
        var found = new RhythmMetric().Measure(new EvaluationInput { Samples = new EcgItems(samples), Target = Test, Training = Real });
        double Value(string name) => found.Values.Single(v => v.Name == name).Value!.Value;
        Value("no_rhythm_share").ShouldBe(0.2, 1e-12);
        Value("no_rhythm_share_of_target").ShouldBe(0);
        var (own, theirs) = (RrIntervals.Of(fast).Select(r => r.HeartRate).ToArray(), RrIntervals.Of(Test.Set).Select(r => r.HeartRate).ToArray());
        Value("heart_rate_distance").ShouldBe(Wasserstein1D.Of(own, theirs), 1e-12);
        Value("heart_rate_distance").ShouldBe(30, 5); // half of the target's beat at 60, the others at 120
        Value("heart_rate_distance_of_training").ShouldBeLessThan(5);
        Value("heart_rate_median").ShouldBe(120, 5);
        ((double)found.Details["heart_rate"]!["target"]!["1"]!).ShouldBe(theirs.Max(), 1e-9);
        found.Pictures.Keys.ShouldBe(["heart-rates.png"]);
        RhythmMetric.Lead(["V1", "V5", "I"]).ShouldBe("V5");
        RrIntervals.Of([0, 80, 180, 260], 100).Sdnn.ShouldBe(Math.Sqrt(((2 * 0.0044444444) + 0.0177777778) / 2), 1e-6);
        RrIntervals.Of([0, 80, 180, 260], 100).Rmssd.ShouldBe(0.2, 1e-12);
    }

    [Fact]
    public void Records_that_break_the_lead_equations_are_counted()
    {
        var good = TinyEcgs.Set(4, EcgSplit.Train, seed: 3);
        // The noise of these records is independent in each lead: only the share matters that the beats' energy leaves it.
        EcgRecord bad = new("bad", [.. good[0].Samples.ToArray().Select((v, k) => k / 500 == 2 ? (float)Math.Sin(k) : v)], 12);
        EcgSet samples = new(good.Card, [.. good.Records, bad]);
        var found = new LeadEquationsMetric().Measure(new EvaluationInput { Samples = new EcgItems(samples), Target = Test, Training = Real });
        var due = LeadEquations.Of(samples).Refitted;
        found.Values[0].Value!.Value.ShouldBe(due.Count(r => r > 1e-3) / 5.0, 1e-12);
        due[4].ShouldBeGreaterThan(0.01);
        due[0].ShouldBeLessThan(0.01);
        var eight = new EcgItems(samples.Prepare(new ChooseLeads(EcgLeads.Independent)));
        found = new LeadEquationsMetric().Measure(new EvaluationInput { Samples = eight, Target = eight, Training = eight });
        found.Values[0].Value.ShouldBeNull();
        found.Notes[0].ShouldContain("not all six limb leads");
    }

    [Fact]
    public void Good_samples_are_of_use_and_wrongly_labelled_ones_do_harm()
    {
        var (real, test) = (Real.Set.ForTraining(), Test.Set);
        var good = TinyEcgs.Set(16, EcgSplit.Train, seed: 5, "g").ForTraining();
        var found = EcgUtility.Measure(real, good, test, Quick);
        found.Real.Auc.Value.ShouldBe(1);
        found.Synthetic.Auc.Value.ShouldBe(1);
        found.Both.Records.ShouldBe(28);
        found.Real.Rhythm.ShouldBe([1.0]);
        found.SyntheticLessReal.ShouldBe(new BootstrapInterval(0, 0, 0, 200, 0));
        found.Real.Weights.ShouldNotBe(found.Both.Weights);

        var wrong = TinyEcgs.Set(16, EcgSplit.Train, seed: 5, "g", isFast: i => i % 2 == 1).ForTraining();
        found = EcgUtility.Measure(real, wrong, test, Quick);
        found.Synthetic.Auc.Value.ShouldBeLessThan(0.2);
        found.Synthetic.Rhythm.ShouldBe([0.0]);
        found.SyntheticLessReal.High!.Value.ShouldBeLessThan(0);
    }

    [Fact]
    public void Nothing_is_judged_on_what_may_be_trained_on()
    {
        var (real, test) = (Real.Set.ForTraining(), Test.Set);
        Refused(real, real, Real.Set).ShouldContain("marked for training");
        var twin = new EcgSet(test.Card, [.. test.Records, new EcgRecord("twin", real[3].Samples.ToArray(), 12, EcgSplit.Test)]);
        Refused(real, real, twin).ShouldContain("'twin'");
        var unlabelled = TinyEcgs.Set(4, EcgSplit.Train, seed: 5, "u", _ => false).ForTraining();
        Refused(real, unlabelled, test).ShouldContain("has a label");
        Refused(real, real, test.Where(r => r.Statements.Count > 0)).ShouldContain("nothing to tell");
        Refused(real, real.Prepare(new ZScore()).ForTraining(), test).ShouldContain("in their unit");

        static string Refused(EcgTrainingSet real, EcgTrainingSet synthetic, EcgSet test) =>
            Should.Throw<InputException>(() => EcgUtility.Measure(real, synthetic, test, Quick)).Message;
    }

    [Fact]
    public void Distances_in_a_classifiers_features_name_it()
    {
        using var network = XResNet1d.Create(Quick.Network.For(Real.Set.Card), 1);
        var space = new EcgFeatureSpace(network);
        var input = new EvaluationInput { Samples = new EcgItems(TinyEcgs.Set(6, EcgSplit.Train, seed: 4)), Target = Test, Training = Real };
        var reports = space.Metrics.Select(m => m.Measure(input)).ToArray();
        reports.Select(r => r.Metric).ShouldBe(["frechet_xresnet1d-small", "kernel_xresnet1d-small", "precision_recall_xresnet1d-small"]);
        reports.ShouldAllBe(r => r.SpaceHash == network.Fingerprint());
        reports[0].Values[0].Value!.Value.ShouldBe(FrechetDistance.Of(EcgClassification.Features(network, Test.Set), EcgClassification.Features(network, ((EcgItems)input.Samples).Set)).Distance, 1e-9);
        reports[0].Notes.ShouldContain("10 and 6 records do not determine a covariance of 8 dimensions: the distance is far too large and depends on the counts, so compare it at equal counts only, and trust KID instead.");
        space.Metrics[0].Measure(input with { Samples = Test }).Values[0].Value!.Value.ShouldBe(0, 1e-6);
        Should.Throw<InputException>(() => space.Of(new EcgItems(Test.Set.Prepare(new ZScore())))).Message.ShouldContain("sees mV");
    }

    [Fact]
    public void A_records_crops_are_put_together()
    {
        using var network = XResNet1d.Create(Quick.Network.For(Real.Set.Card), 1);
        var record = Test.Set[0];
        // 500 samples, crops of 250: they begin at 0, 125 and 250.
        double[] crops = [.. new[] { 0, 125, 250 }.Select(first => EcgClassification.Probabilities(network, Cut(first))[0, 0])];
        EcgClassification.Probabilities(network, Test.Set)[0, 0].ShouldBe(crops.Max(), 1e-6);
        EcgClassification.Probabilities(network, Test.Set, CropAggregate.Mean)[0, 0].ShouldBe(crops.Average(), 1e-6);

        EcgSet Cut(int first) => new(Test.Set.Card, [new EcgRecord("cut", [.. Enumerable.Range(0, 12).SelectMany(lead => record.Lead(lead).Slice(first, 250).ToArray())], 12)]);
    }

    [Fact]
    public void A_report_holds_all_of_it()
    {
        using var folder = new TemporaryFolder();
        var input = new EvaluationInput { Samples = new EcgItems(TinyEcgs.Set(6, EcgSplit.Train, seed: 4)), Target = Test, Training = Real, Seed = 2 };
        var quick = Quick with { Training = Quick.Training with { Steps = 3 } };
        var run = new TrainingRun { Folder = folder["trainings"], Resume = true };
        var report = EvaluationReport.Of(input, metrics: [.. EvaluationReport.MetricsOf(input), new EcgUtilityMetric(quick, run)]);
        report.Reports.Select(r => r.Metric).ShouldBe(["rhythm", "lead_equations", "memorisation", "utility"]);
        report.Write(folder["out"]).Select(Path.GetFileName).ShouldBe(["heart-rates.png", "nearest.png", "memorisation.png", "evaluation.json"]);
        var utility = report.ToJson()["metrics"]!["utility"]!;
        ((double)utility["values"]!["auc_real"]!["value"]!).ShouldBeInRange(0, 1);
        ((string)utility["settings"]!["weights_sha256"]!["both"]!).Length.ShouldBe(64);
        ((long)utility["settings"]!["seed"]!).ShouldBe(2);
        // The trainings lie in folders of their own; a second measurement takes them as they are.
        Directory.GetDirectories(folder["trainings"]).Select(Path.GetFileName).Order().ShouldBe(["both", "real", "synthetic"]);
        new EcgUtilityMetric(quick, run).Measure(input).Values.ShouldBe(report.Reports[3].Values);
    }

    private static float[] Moved(EcgRecord record, int by) =>
        [.. Enumerable.Range(0, record.LeadCount).SelectMany(lead => record.Lead(lead)[by..].ToArray().Concat(new float[by]))];

    /// <summary>By its definition.</summary>
    private static double Plain(EcgSet set, int i, int j, int shifts)
    {
        double[][] Scaled(EcgRecord record) => [.. Enumerable.Range(0, record.LeadCount).Select(lead =>
        {
            var values = Array.ConvertAll(record.Lead(lead).ToArray(), v => (double)v);
            var mean = values.Average();
            var deviation = Math.Sqrt(values.Average(v => (v - mean) * (v - mean)));
            return Array.ConvertAll(values, v => (double)(float)((v - mean) / deviation));
        })];
        var (a, b) = (Scaled(set[i]), Scaled(set[j]));
        return Enumerable.Range(-shifts, (2 * shifts) + 1).Min(shift => Math.Sqrt(
            Enumerable.Range(0, a.Length).SelectMany(lead => Enumerable.Range(0, a[0].Length).Where(t => t + shift >= 0 && t + shift < a[0].Length).Select(t => (a[lead][t + shift] - b[lead][t]) * (a[lead][t + shift] - b[lead][t]))).Average()));
    }
}
