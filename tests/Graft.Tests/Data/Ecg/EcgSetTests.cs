using System.Reflection;
using System.Text.Json.Nodes;
using Graft.Data.Ecg;

namespace Graft.Tests.Data.Ecg;

public class EcgSetTests
{
    private static readonly EcgCard TwoLeads = CraftedEcg.Card(100, "mV", "I", "II");

    [Fact]
    public void Labels_are_multi_hot_and_one_class_where_there_is_one()
    {
        var set = new EcgSet(TwoLeads with { Classes = ["a", "b", "c"] }, [Record("x", ["b"]), Record("y", ["c", "a", "other"]), Record("z", [])]);
        Enumerable.Range(0, 3).Select(i => string.Join(' ', set.MultiHot(i))).ShouldBe(["0 1 0", "1 0 1", "0 0 0"]);
        Enumerable.Range(0, 3).Select(set.Label).ShouldBe([1, null, null]);
        set.WithClasses("other").Label(1).ShouldBe(0);
        var rhythm = set.Relabel(["sick"], r => r.Statements.Contains("a") ? ["sick"] : []);
        Enumerable.Range(0, 3).Select(rhythm.Label).ShouldBe([null, 0, null]);
        set.ToString().ShouldBe("3 records of crafted: 2 leads, 100 Hz, 4 samples, in mV");
        Should.Throw<ArgumentException>(() => new EcgSet(TwoLeads, [Record("x", []), Record("x", [])])).Message.ShouldContain("two records are called 'x'");
        Should.Throw<ArgumentException>(() => new EcgSet(CraftedEcg.Card(), [Record("x", [])])).Message.ShouldContain("2 leads and the set 12");
        Should.Throw<InputException>(() => set.LeadIndex("V9")).Message.ShouldContain("has no lead 'V9', but I, II");
    }

    [Fact]
    public void Nothing_for_judging_comes_into_a_training_set()
    {
        var set = new EcgSet(TwoLeads, [Record("t", [], EcgSplit.Train), Record("v", [], EcgSplit.Validation), Record("j", [], EcgSplit.Test), Record("n", [])]);
        set.ForTraining().Records.Select(r => r.Name).ShouldBe(["t"]);
        set.Prepare(new Multiply(2, "x"), new FitLength(3)).ForTraining().Records.Select(r => r.Name).ShouldBe(["t"]);
        set.Relabel(["a"], _ => ["a"]).WithClasses("b").Where(_ => true).ForTraining().Count.ShouldBe(1);
        Should.Throw<InputException>(() => set.Of(EcgSplit.Test).ForTraining()).Message.ShouldContain("No record of crafted is marked for training");
        // A split cannot be changed: neither by holding out, nor by anything that can be called or set.
        Should.Throw<InputException>(() => set.HoldOut(1, 1)).Message.ShouldContain("'t' of crafted is marked Train already");
        typeof(EcgRecord).GetProperty(nameof(EcgRecord.Split))!.CanWrite.ShouldBeFalse();
        typeof(EcgTrainingSet).GetConstructors(BindingFlags.Public | BindingFlags.Instance).ShouldBeEmpty();
    }

    [Fact]
    public void Holding_out_is_a_function_of_the_seed()
    {
        var set = new EcgSet(TwoLeads, [.. Enumerable.Range(0, 20).Select(i => Record($"r{i}", []))]);
        var (a, b, c) = (set.HoldOut(5, 1), set.HoldOut(5, 1), set.HoldOut(5, 2));
        a.ForTraining().Count.ShouldBe(5);
        a.Of(EcgSplit.Test).Count.ShouldBe(15);
        Names(a).ShouldBe(Names(b));
        Names(a).ShouldNotBe(Names(c));

        static string[] Names(EcgSet s) => [.. s.ForTraining().Records.Select(r => r.Name)];
    }

    [Fact]
    public void Steps_do_what_they_say_and_are_written_down()
    {
        var set = CraftedEcg.Set(TwoLeads, 500, (lead, t) => (lead + 1) * Math.Sin(2 * Math.PI * (1 + lead) * t), (lead, t) => 5 + (lead * t));
        EcgStep[] steps = [new FillMissing(), new Resample(50), new BandPass(0.5, 20), new ZScore(), new FitLength(300, EcgAlignment.Centre, Pad: true), new ChooseLeads(["II", "I"])];
        var prepared = set.Prepare(steps);
        prepared.Leads.ShouldBe(["II", "I"]);
        (prepared.SamplingRate, prepared.SampleCount, prepared.Unit).ShouldBe((50, 300, ZScore.UnitName));
        prepared.Card.Steps.ShouldBe(steps);
        prepared[0].Lead(0)[..25].ToArray().ShouldAllBe(v => v == 0);
        prepared[0].Lead(0)[25..275].ToArray().Average(v => (double)v).ShouldBe(0, 1e-6);
        prepared[0].Lead(1)[25..275].ToArray().Average(v => (double)v * v).ShouldBe(1, 1e-5);

        // The record goes through JSON as it is, and says the same again.
        var json = prepared.Card.ToJson();
        ((string)json["steps"]![1]!["step"]!).ShouldBe("resample");
        ((string)json["steps"]![4]!["keep"]!).ShouldBe("centre");
        var again = EcgCard.FromJson(JsonNode.Parse(json.ToJsonString())!.AsObject());
        again.Steps.ShouldBe(steps);
        again.ToJson().ToJsonString().ShouldBe(json.ToJsonString());
        set.Prepare(again.Steps)[0].Samples.ToArray().ShouldBe(prepared[0].Samples.ToArray());
        Should.Throw<InputException>(() => EcgCard.FromJson(JsonNode.Parse("""{"name": "x", "steps": [{"step": "burn"}]}""")!.AsObject())).Message.ShouldContain("does not say what it should");
    }

    [Theory]
    [InlineData(EcgAlignment.Start, new float[] { 1, 2 }, new float[] { 1, 2, 3, 4, 5, 0, 0 })]
    [InlineData(EcgAlignment.Centre, new float[] { 2, 3 }, new float[] { 0, 1, 2, 3, 4, 5, 0 })]
    [InlineData(EcgAlignment.End, new float[] { 4, 5 }, new float[] { 0, 0, 1, 2, 3, 4, 5 })]
    public void Lengths_are_cut_and_filled(EcgAlignment keep, float[] two, float[] seven)
    {
        var set = new EcgSet(CraftedEcg.Card(1, "mV", "I"), [new EcgRecord("x", [1, 2, 3, 4, 5], 1)]);
        set.Prepare(new FitLength(2, keep))[0].Samples.ToArray().ShouldBe(two);
        set.Prepare(new FitLength(7, keep, Pad: true))[0].Samples.ToArray().ShouldBe(seven);
        Should.Throw<InputException>(() => set.Prepare(new FitLength(7, keep))).Message.ShouldContain("'x' of crafted has 5 samples and 7 are wanted");
    }

    [Fact]
    public void Missing_values_are_filled_in_or_refused()
    {
        float[] holes = [float.NaN, 1, float.NaN, float.NaN, 4, float.NaN];
        var set = new EcgSet(CraftedEcg.Card(1, "mV", "V2"), [new EcgRecord("x", holes, 1)]);
        set.Prepare(new FillMissing(0.7))[0].Samples.ToArray().ShouldBe([1, 1, 2, 3, 4, 4]);
        Should.Throw<InputException>(() => set.Prepare(new FillMissing())).Message.ShouldContain("no value for 4 of 6 samples in lead V2");
        Should.Throw<InputException>(() => set.Prepare(new ZScore())).Message.ShouldContain("put the step fill_missing before the others");
        Should.Throw<InputException>(() => set.Prepare(new BandPass(null, 0.3))).Message.ShouldContain("fill_missing");
    }

    [Fact]
    public void Leads_do_not_follow_from_z_scored_ones_until_their_scales_are_back()
    {
        var whole = CraftedEcg.Set(CraftedEcg.Card(), 600, (lead, t) => CraftedEcg.Beat(lead, t, [0.5, 1.4, 2.2, 3.1, 4.4, 5.2]));
        var scored = whole.Prepare(new ZScore());
        Should.Throw<InputException>(() => scored.Prepare(new ChooseLeads(["I", "II"]), new ChooseLeads(["III"]))).Message.ShouldContain("restore_limb_scales");
        Should.Throw<InputException>(() => scored.Prepare(new ChooseLeads(EcgLeads.Independent), new RestoreLimbScales())).Message.ShouldContain("has no II");
        var restored = scored.Prepare(new RestoreLimbScales());
        var twelve = restored.Prepare(new ChooseLeads(EcgLeads.Independent), new ChooseLeads(EcgLeads.Standard));
        twelve[0].Samples.ToArray().Zip(restored[0].Samples.ToArray(), (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(1e-5f);
        // One factor brings all limb leads back to millivolts.
        var factors = Enumerable.Range(0, 6).Select(lead => whole[0].Lead(lead)[50] - Mean(whole[0], lead)).Zip(Enumerable.Range(0, 6).Select(lead => restored[0].Lead(lead)[50]), (mv, r) => mv / r).ToArray();
        factors.ShouldAllBe(f => Math.Abs((f / factors[0]) - 1) < 1e-3);

        static float Mean(EcgRecord record, int lead) => record.Lead(lead).ToArray().Average();
    }

    [Fact]
    public void A_lead_that_does_not_change_is_0_after_scoring()
    {
        var set = CraftedEcg.Set(TwoLeads, 100, (lead, t) => lead == 0 ? 3 : t);
        set.Prepare(new ZScore())[0].Lead(0).ToArray().ShouldAllBe(v => v == 0);
    }

    private static EcgRecord Record(string name, string[] statements, EcgSplit split = EcgSplit.None) => new(name, [1, 2, 3, 4, 5, 6, 7, 8], 2, split) { Statements = statements };
}
