using Graft.Data.Ecg;
using Graft.Evaluation.Ecg;
using Graft.Tests.Formats.Ecg;

namespace Graft.Tests.Data.Ecg;

public sealed class FolderTests : IDisposable
{
    private const string Header = "ecg_id,patient_id,age,sex,scp_codes,strat_fold,filename_lr,filename_hr\n";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Codes_of_ptbxl_have_the_places_of_sssd()
    {
        ScpCodes.All.Count.ShouldBe(71);
        ScpCodes.All.ShouldBe(ScpCodes.All.Distinct().Order(StringComparer.Ordinal));
        // Of PTB-XL's codes for the nine classes of ICBEB-2018, as TGDP's released code maps them to SSSD-ECG's labels.
        ScpCodes.Cpsc2018.Select(c => ScpCodes.All.ToList().IndexOf(c)).Order().ShouldBe(new[] { 46, 4, 0, 11, 12, 49, 54, 63, 64 }.Order());
    }

    [Fact]
    public void Ptbxl_is_opened_with_its_folds()
    {
        WritePtbXl();
        EcgFolder.KindOf(_folder.Path).ShouldBe("PTB-XL");
        var set = EcgFolder.Open(_folder.Path);
        set.Records.Select(r => (r.Name, r.Fold, r.Split, r.Sex, r.Age)).ShouldBe(
            [("00001", 3, EcgSplit.Train, "F", 56), ("00002", 9, EcgSplit.Validation, "M", 19), ("00003", 10, EcgSplit.Test, "M", null), ("00004", 8, EcgSplit.Train, null, 300)]);
        set.Records[0].Statements.ShouldBe(["NORM", "SR"]);
        set.Classes.ShouldBe(ScpCodes.All);
        set.MultiHot(3).Index().Where(p => p.Item == 1).Select(p => set.Classes[p.Index]).ShouldBe(["AFIB"]);
        (set.SamplingRate, set.SampleCount, set.Unit).ShouldBe((100, 50, "mV"));
        set.Leads.ShouldBe(EcgLeads.Standard);
        set[1].Lead(5)[7].ShouldBe(CraftedEcg.Digital(12, 50, 2)[5][7] / 1000f);
        set.ForTraining().Records.Select(r => r.Name).ShouldBe(["00001", "00004"]);

        var fast = PtbXl.Open(_folder.Path, new EcgOpenOptions { Rate = 500, Where = name => name != "00002", MaxCount = 2, Steps = [new Resample(100)] });
        fast.Records.Select(r => r.Name).ShouldBe(["00001", "00003"]);
        (fast.SamplingRate, fast.SampleCount).ShouldBe((100, 50));
        Should.Throw<InputException>(() => PtbXl.Open(_folder.Path, new EcgOpenOptions { Rate = 200 })).Message.ShouldContain("100 and 500");
        Should.Throw<InputException>(() => PtbXl.Open(_folder.Path, new EcgOpenOptions { Where = _ => false })).Message.ShouldContain("None of the records");

        File.WriteAllText(_folder["scp_statements.csv"], ",description\nSR,sinus rhythm\nNORM,normal\n");
        PtbXl.Open(_folder.Path).Classes.ShouldBe(["NORM", "SR"]);
    }

    [Theory]
    [InlineData("1,1,5,0,{'NORM': 100.0},11,a,b", "strat_fold, which must be 1 to 10")]
    [InlineData("1,1,5,0,{'NORM': 100.0},,a,b", "strat_fold")]
    [InlineData("x,1,5,0,{'NORM': 100.0},1,a,b", "ecg_id")]
    [InlineData("1,1,5,0,{},1,a,b\n1,1,5,0,{},1,a,b", "Line 3 of")]
    [InlineData("1,1,5,0,NORM,1,a,b", "scp_codes")]
    [InlineData("1,1,5,0,{'NORM': 101},1,a,b", "scp_codes")]
    [InlineData("1,1,5,0,\"{'NORM': 1, 'NORM': 2}\",1,a,b", "scp_codes")]
    [InlineData("1,1,5,0,{},1,../a,b", "within the folder")]
    [InlineData("1,1,5,0,{},1,/a,b", "within the folder")]
    [InlineData("1,1,5,0,{},1", "has 6 fields and the header 8")]
    [InlineData("1,1,5,0,{},1,none,none", "no such file")]
    public void Tables_that_are_wrong_are_refused(string rows, string words)
    {
        File.WriteAllText(_folder[PtbXl.TableFile], Header + rows + "\n");
        Should.Throw<InputException>(() => PtbXl.Open(_folder.Path)).Message.ShouldContain(words);
    }

    [Fact]
    public void Challenge_records_of_ptbxl_keep_its_test_fold_out_of_training()
    {
        WritePtbXl();
        var challenge = _folder["challenge"];
        foreach (var (name, key) in new[] { ("HR00001", 1), ("HR00003", 3), ("E07500", 5) })
            CraftedEcg.WriteWfdb(Path.Combine(challenge, "g1"), name, EcgLeads.Standard, CraftedEcg.Digital(12, 50, key), comments: "# Age: 61\n# Sex: Female\n# Dx: 426783006,164889003\n");
        EcgFolder.KindOf(challenge).ShouldBe("CinC-2021");

        // Without PTB-XL's table nobody knows, so none of them may train anything.
        var alone = Cinc2021.Open(challenge);
        alone.Records.Select(r => (r.Name, r.Split)).ShouldBe([("E07500", EcgSplit.None), ("HR00001", EcgSplit.Test), ("HR00003", EcgSplit.Test)]);
        alone.Classes.ShouldBe(["164889003", "426783006"]);
        (alone[0].Age, alone[0].Sex, string.Join(' ', alone[0].Statements)).ShouldBe((61, "F", "426783006 164889003"));

        var known = Cinc2021.Open(challenge, new EcgOpenOptions { PtbXl = PtbXlTable.Read(_folder[PtbXl.TableFile]) });
        known.Records.Select(r => (r.Name, r.Split, r.Fold)).ShouldBe([("E07500", EcgSplit.None, null), ("HR00001", EcgSplit.Train, 3), ("HR00003", EcgSplit.Test, 10)]);
    }

    [Fact]
    public void Records_that_do_not_fit_together_are_refused()
    {
        CraftedEcg.WriteWfdb(_folder.Path, "a", ["I", "II"], CraftedEcg.Digital(2, 20, 1));
        CraftedEcg.WriteWfdb(_folder.Path, "b", ["I", "II"], CraftedEcg.Digital(2, 20, 2), rate: 257);
        var fault = Should.Throw<InputException>(() => Cinc2021.Open(_folder.Path));
        fault.Message.ShouldContain("(I II, 257 Hz, 'mV') are not those of a.hea (I II, 100 Hz, 'mV')");
        fault.Message.ShouldContain("open such records apart");
        Cinc2021.Open(_folder.Path, new EcgOpenOptions { Where = n => n == "b" }).SamplingRate.ShouldBe(257);
        CraftedEcg.WriteWfdb(_folder["twice"], "a", ["I", "i"], CraftedEcg.Digital(2, 20, 1));
        Should.Throw<InputException>(() => Cinc2021.Open(_folder["twice"])).Message.ShouldContain("a name of their own");
    }

    [Fact]
    public void Ludb_is_opened_with_its_diagnoses()
    {
        for (var i = 1; i <= 2; i++)
            CraftedEcg.WriteWfdb(_folder["data"], $"{i}", [.. EcgLeads.Standard.Select(l => l.ToLowerInvariant())], CraftedEcg.Digital(12, 40, i), 500);
        File.WriteAllText(_folder[Ludb.TableFile], "ID,Sex,Age,Rhythms,Hypertrophies\n1,\"F\n\",\"51\n\",Sinus bradycardia,\n2,\"M\n\",>89,\"Atrial fibrillation\nAberrant conduction\",Left\n");
        EcgFolder.KindOf(_folder.Path).ShouldBe("LUDB");
        var set = EcgFolder.Open(_folder.Path);
        set.Leads.ShouldBe(EcgLeads.Standard);
        set.Records.Select(r => (r.Name, r.Sex, r.Age, r.Split)).ShouldBe([("1", "F", 51, EcgSplit.None), ("2", "M", null, EcgSplit.None)]);
        set.Records[1].Statements.ShouldBe(["Atrial fibrillation", "Aberrant conduction", "Left"]);
        set.Classes.ShouldBe(["Aberrant conduction", "Atrial fibrillation", "Left", "Sinus bradycardia"]);
        File.WriteAllText(_folder[Ludb.TableFile], "ID,Sex,Age,Rhythms\n1,F,51,x\n1,F,51,x\n");
        Should.Throw<InputException>(() => Ludb.Open(_folder.Path)).Message.ShouldContain("Line 3 of");
    }

    [Fact]
    public void Gains_of_ludb_that_are_ranges_are_left_out()
    {
        int[][] digital = [[0, 1500, -200, 10], [100, 400, 300, 150]];
        CraftedEcg.WriteWfdb(_folder["data"], "1", ["i", "ii"], digital, 500);
        File.WriteAllText(_folder[Ludb.TableFile], "ID,Sex,Age,Rhythms\n1,F,51,x\n");
        var header = Path.Combine(_folder["data"], "1.hea");
        var lines = File.ReadAllLines(header);
        File.WriteAllLines(header, [lines[0], lines[1].Replace("1000(0)", "1700(3)", StringComparison.Ordinal), lines[2].Replace("1000(0)", "300(-7)", StringComparison.Ordinal)]);
        var set = Ludb.Open(_folder.Path);
        set[0].Samples.ToArray().ShouldBe([0, 1.5f, -0.2f, 0.01f, 0.1f, 0.4f, 0.3f, 0.15f]);
        set.Card.Published.ShouldContain("microvolts");
        File.WriteAllLines(header, [lines[0], lines[1].Replace("1000(0)", "1700(0)", StringComparison.Ordinal), lines[2].Replace("1000(0)", "301(0)", StringComparison.Ordinal)]);
        Ludb.Open(_folder.Path)[0].Lead(0)[1].ShouldBe((float)(1500 / 1700.0));
    }

    [Fact]
    public void Cpsc2018_is_opened_with_its_reference()
    {
        File.WriteAllBytes(_folder["A0001.mat"], CraftedMatlab.Cpsc("Male", 74, 30, (lead, t) => lead + (t / 100.0)));
        File.WriteAllBytes(_folder["A0002.mat"], CraftedMatlab.Cpsc("Female", 40, 50, (lead, t) => -lead));
        EcgFolder.KindOf(_folder.Path).ShouldBe("CPSC-2018");
        Cpsc2018.Open(_folder.Path).Records.ShouldAllBe(r => r.Statements.Count == 0);
        File.WriteAllText(_folder["REFERENCE.csv"], "Recording,First_label,Second_label,Third_label\nA0001,5,,\nA0002,8,2,\n");
        var set = EcgFolder.Open(_folder.Path);
        set.Records.Select(r => (r.Name, r.Sex, r.Age, r.SampleCount, string.Join(' ', r.Statements))).ShouldBe([("A0001", "M", 74, 30, "CRBBB"), ("A0002", "F", 40, 50, "STD_ AFIB")]);
        (set.SamplingRate, set.SampleCount, set.Unit).ShouldBe((500, null, "mV"));
        set[0].Lead(11)[29].ShouldBe(11.29f);
        set.Prepare(new FitLength(30)).SampleCount.ShouldBe(30);

        foreach (var (text, words) in new[] { ("A0001,10,,\nA0002,1,,\n", "must be 1 to 9"), ("A0001,1,,\n", "does not name it"), ("A0001,,,\n", "its class"), ("A0001,1,,\nA0001,1,,\n", "Line 3 of") })
        {
            File.WriteAllText(_folder["REFERENCE.csv"], "Recording,First_label,Second_label,Third_label\n" + text);
            Should.Throw<InputException>(() => Cpsc2018.Open(_folder.Path)).Message.ShouldContain(words);
        }

        File.Delete(_folder["REFERENCE.csv"]);
        File.WriteAllBytes(_folder["A0003.mat"], CraftedMatlab.Level5(CraftedMatlab.Struct("ECG", ("data", CraftedMatlab.Doubles("", 2, 1, 1, 2)))));
        Should.Throw<InputException>(() => Cpsc2018.Open(_folder.Path)).Message.ShouldContain("2 x 1");
        Should.Throw<InputException>(() => EcgFolder.Open(_folder["none"])).Message.ShouldContain("no ECGs that are known");
    }

    [SharedFact("data/ecg/ptbxl-subset")]
    public void The_subset_is_opened_with_its_splits()
    {
        var set = EcgFolder.Open(SharedFiles.Data("ecg", "ptbxl-subset"));
        (set.Count, set.SampleCount, set.SamplingRate, set.Unit).ShouldBe((1819, 1000, 100, ZScore.UnitName));
        new[] { EcgSplit.Train, EcgSplit.Validation, EcgSplit.Test }.Select(s => (set.Of(s).Count, Enumerable.Range(0, set.Of(s).Count).Count(i => set.Of(s).Label(i) == 0)))
            .ShouldBe([(1442, 98), (183, 8), (194, 16)]);
        set.ForTraining().Count.ShouldBe(1442);
        set.Card.Published.ShouldContain("z-scored");
    }

    [SharedFact("data/ecg")]
    public void All_of_ludb_and_of_the_samples_are_read()
    {
        var ludb = EcgFolder.Open(SharedFiles.Data("ecg", "ludb"));
        (ludb.Count, ludb.SampleCount, ludb.SamplingRate, ludb.Unit).ShouldBe((200, 5000, 500, "mV"));
        ludb.Leads.ShouldBe(EcgLeads.Standard);
        Enumerable.Range(0, 200).Count(i => ludb[i].Statements.Contains("Atrial fibrillation")).ShouldBe(15);
        ludb.Records.Count(r => r.Sex == "F").ShouldBe(85);
        LeadEquations.Of(ludb).AsTheyAre.Max().ShouldBeLessThan(1e-4);

        var challenge = EcgFolder.Open(SharedFiles.Data("ecg", "cinc2021-samples"));
        (challenge.Count, challenge.SampleCount, challenge.SamplingRate).ShouldBe((50, 5000, 500));
        challenge.Records.Count(r => r.Split == EcgSplit.Test).ShouldBe(10);
        challenge.Records.ShouldAllBe(r => r.Statements.Count > 0);

        var cpsc = EcgFolder.Open(SharedFiles.Data("ecg", "cpsc2018-samples"), new EcgOpenOptions { Steps = [new Resample(100), new FitLength(1000, Pad: true)] });
        (cpsc.Count, cpsc.SampleCount, cpsc.SamplingRate).ShouldBe((10, 1000, 100));
        cpsc.Records.All(r => r.Samples.ToArray().All(v => Math.Abs(v) < 20)).ShouldBeTrue();
    }

    private void WritePtbXl()
    {
        File.WriteAllText(_folder[PtbXl.TableFile], Header
            + "1,15709.0,56.0,1,\"{'NORM': 100.0, 'SR': 0.0}\",3,records100/00000/00001_lr,records500/00000/00001_hr\n"
            + "2,13243.0,19.0,0,\"{'NORM': 80.0}\",9.0,records100/00000/00002_lr,records500/00000/00002_hr\n"
            + "3,20372.0,,0,\"{'LAO/LAE': 100.0}\",10,records100/00000/00003_lr,records500/00000/00003_hr\n"
            + "4,1.0,300.0,,\"{'AFIB': 0.0}\",8,records100/00000/00004_lr,records500/00000/00004_hr\n");
        for (var i = 1; i <= 4; i++)
        {
            CraftedEcg.WriteWfdb(_folder["records100/00000"], $"{i:00000}_lr", EcgLeads.Standard, CraftedEcg.Digital(12, 50, i));
            CraftedEcg.WriteWfdb(_folder["records500/00000"], $"{i:00000}_hr", [.. EcgLeads.Standard.Select(l => l.ToUpperInvariant())], CraftedEcg.Digital(12, 250, i), 500);
        }
    }
}
