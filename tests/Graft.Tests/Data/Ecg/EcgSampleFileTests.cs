using Graft.Data;
using Graft.Data.Ecg;
using Graft.Formats;
using Graft.Tests.Evaluation.Ecg;
using Graft.Torch;

namespace Graft.Tests.Data.Ecg;

public sealed class EcgSampleFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_set_comes_back_and_is_for_training()
    {
        var set = TinyEcgs.Set(5, EcgSplit.Train);
        EcgSampleFile.Write(_folder["a.safetensors"], set);
        var back = EcgSampleFile.Read(_folder["a.safetensors"]);
        (back.Leads, back.SamplingRate, back.Unit, back.Classes).ShouldBe((set.Leads, 100, "mV", set.Classes), new Parts());
        for (var i = 0; i < 5; i++)
        {
            back[i].Samples.ToArray().ShouldBe(set[i].Samples.ToArray());
            back.MultiHot(i).ShouldBe(set.MultiHot(i));
            back[i].Split.ShouldBe(EcgSplit.Train);
        }

        EcgSampleFile.Read(_folder["a.safetensors"], new EcgSampleOptions { MaxCount = 2 }).Count.ShouldBe(2);
        // It is a file of samples as others are.
        SampleFile.Holds(_folder["a.safetensors"]).ShouldBeTrue();
    }

    [Fact]
    public void What_the_file_does_not_say_is_as_the_real_records_have_it()
    {
        var path = _folder["b.safetensors"];
        SampleFile.Write(path, new SampleSet(new ItemShape(2, 3), [.. Enumerable.Range(0, 12).Select(i => (float)i)], "two", labels: [1, 0]));
        Should.Throw<InputException>(() => EcgSampleFile.Read(path)).Message.ShouldContain("--leads");
        var like = new EcgCard { Name = "real", Leads = ["I", "II"], SamplingRate = 250, Unit = "mV", Classes = ["A", "B"] };
        var set = EcgSampleFile.Read(path, new EcgSampleOptions { Like = like });
        (set.SamplingRate, set[0].Statements[0], set[1].Statements[0]).ShouldBe((250, "B", "A"));
        set = EcgSampleFile.Read(path, new EcgSampleOptions { Like = like, Leads = ["lead v1", "avf"], SamplingRate = 100 });
        set.Leads.ShouldBe(["V1", "aVF"]);
        set[1].Lead(0).ToArray().ShouldBe([6, 7, 8]);
        Should.Throw<InputException>(() => EcgSampleFile.Read(path, new EcgSampleOptions { Like = like with { Classes = ["A"] } })).Message.ShouldContain("beyond the 1");
        Should.Throw<InputException>(() => EcgSampleFile.Read(path, new EcgSampleOptions { Like = like, Leads = ["I"] })).Message.ShouldContain("1 are named");
    }

    [Fact]
    public void Labels_may_lie_in_a_table_beside_the_file()
    {
        SampleFile.Write(_folder["c.safetensors"], new SampleSet(new ItemShape(8, 4), new float[96], "three"));
        File.WriteAllText(_folder["c.csv"], "AFIB,NORM\n1,0\n0,0\n1,1\n");
        var set = EcgSampleFile.Read(_folder["c.safetensors"], new EcgSampleOptions { SamplingRate = 100 });
        set.Leads.ShouldBe(EcgLeads.Independent);
        set.Records.Select(r => string.Join('+', r.Statements)).ShouldBe(["AFIB", "", "AFIB+NORM"]);
        File.WriteAllText(_folder["c.csv"], "AFIB,NORM\n1,0\n0,2\n1,1\n");
        Refused().ShouldContain("'2'");
        File.WriteAllText(_folder["c.csv"], "AFIB,NORM\n1,0\n");
        Refused().ShouldContain("1 lines for 3 samples");

        string Refused() => Should.Throw<InputException>(() => EcgSampleFile.Read(_folder["c.safetensors"], new EcgSampleOptions { SamplingRate = 100 })).Message;
    }

    [Theory]
    [InlineData(DType.Float32, 2L, 2L)]
    [InlineData(DType.Int64, 2L, 2L)]
    public void Multi_hot_labels_may_be_floats_or_integers(DType type, long rows, long columns)
    {
        double[] values = [1, 0, 1, 1];
        byte[] labels = type == DType.Int64
            ? [.. values.SelectMany(v => BitConverter.GetBytes((long)v))]
            : [.. values.SelectMany(v => BitConverter.GetBytes((float)v))];
        Write(new TensorData("labels", type, [rows, columns], labels));
        var like = new EcgCard { Name = "real", Leads = ["I"], SamplingRate = 100, Unit = "mV", Classes = ["A", "B"] };
        EcgSampleFile.Read(_folder["d.safetensors"], new EcgSampleOptions { Like = like }).Records.Select(r => string.Join('+', r.Statements)).ShouldBe(["A", "A+B"]);
        Should.Throw<InputException>(() => EcgSampleFile.Read(_folder["d.safetensors"], new EcgSampleOptions { Like = like with { Classes = ["A"] } })).Message.ShouldContain("for 1 classes (A)");
    }

    [Fact]
    public void Broken_files_are_refused()
    {
        Write(new TensorData("labels", DType.Int64, [3], new byte[24]));
        Refused().ShouldContain("int64 [2]");
        Write(new TensorData("labels", DType.UInt8, [2, 1], new byte[] { 1, 7 }));
        Refused().ShouldContain("other numbers than 0 and 1");
        SampleFile.Write(_folder["d.safetensors"], new SampleSet(new ItemShape(4), new float[8], "points"));
        Refused().ShouldContain("[N, leads, samples] is due");
        Write(null, float.NaN);
        Refused().ShouldContain("not finite");

        string Refused() => Should.Throw<InputException>(() => EcgSampleFile.Read(
            _folder["d.safetensors"], new EcgSampleOptions { Like = new EcgCard { Name = "real", Leads = ["I"], SamplingRate = 100, Unit = "mV", Classes = ["A"] } })).Message;
    }

    private void Write(TensorData? labels, float value = 0)
    {
        var samples = new TensorData("samples", DType.Float32, [2, 1, 3], Enumerable.Repeat(value, 6).SelectMany(BitConverter.GetBytes).ToArray());
        SafetensorsWriter.Write(_folder["d.safetensors"], null, labels is null ? [samples] : [samples, labels]);
    }

    private sealed class Parts : IEqualityComparer<(IReadOnlyList<string> Leads, double Rate, string Unit, IReadOnlyList<string> Classes)>
    {
        public bool Equals((IReadOnlyList<string> Leads, double Rate, string Unit, IReadOnlyList<string> Classes) x, (IReadOnlyList<string> Leads, double Rate, string Unit, IReadOnlyList<string> Classes) y) =>
            x.Leads.SequenceEqual(y.Leads) && x.Rate == y.Rate && x.Unit == y.Unit && x.Classes.SequenceEqual(y.Classes);

        public int GetHashCode((IReadOnlyList<string> Leads, double Rate, string Unit, IReadOnlyList<string> Classes) obj) => 0;
    }
}
