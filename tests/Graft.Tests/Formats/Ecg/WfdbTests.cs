using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Graft.Formats.Ecg;
using Graft.Tests.Parity;

namespace Graft.Tests.Formats.Ecg;

public sealed class WfdbTests : IDisposable
{
    private static readonly string Fixtures = Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "ecg", "wfdb");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Good => [.. Directory.EnumerateFiles(Path.Combine(Fixtures, "good"), "*.hea").Select(f => Path.GetFileNameWithoutExtension(f)).Order()];

    public static TheoryData<string> Bad => [.. Directory.EnumerateDirectories(Path.Combine(Fixtures, "bad")).Select(f => Path.GetFileName(f)).Order()];

    [Theory]
    [MemberData(nameof(Good))]
    public void Good_records_are_read_to_the_bit(string name)
    {
        var record = WfdbRecord.Read(Path.Combine(Fixtures, "good", name + ".hea"));
        var described = FormatFiles.Json(Path.Combine(Fixtures, "good", "fixture.json")).GetProperty("records").EnumerateArray().Single(r => r.GetProperty("record").GetString() == name);
        record.Header.Name.ShouldBe(name);
        record.SampleCount.ShouldBe(described.GetProperty("samples").GetInt32());
        record.Header.SamplingRate.ShouldBe(described.GetProperty("fs").GetDouble());
        record.Header.Signals.Select(s => s.Description).ShouldBe(described.GetProperty("leads").EnumerateArray().Select(l => l.GetString()!));
        record.Header.Signals.Select(s => s.Units).ShouldBe(described.GetProperty("units").EnumerateArray().Select(l => l.GetString()!));
        record.Header.Comments.ShouldBe(described.GetProperty("comments").EnumerateArray().Select(l => l.GetString()!.Trim()));
        Enumerable.Range(0, record.Header.Signals.Count).ShouldAllBe(i => record.Checksum(i) == WfdbChecksum.Right && record.InitialValue(i) == WfdbChecksum.Right);

        var hashes = FormatFiles.Json(Path.Combine(Fixtures, "good", "expected.json"));
        Hash(MemoryMarshal.AsBytes(Interleave(record, i => record.Digital(i).ToArray()).AsSpan())).ShouldBe(hashes.GetProperty(name + "/digital").GetString());
        Hash(MemoryMarshal.AsBytes(Interleave(record, i => Array.ConvertAll(record.Physical(i), v => double.IsNaN(v) ? 0 : v)).AsSpan())).ShouldBe(hashes.GetProperty(name + "/physical").GetString());
    }

    [SharedTheory("reference/wfdb/good/expected.safetensors")]
    [MemberData(nameof(Good))]
    public void Good_records_equal_the_reference_value_by_value(string name)
    {
        var expected = new ReferenceTensors(SharedFiles.Reference("wfdb", "good", "expected.safetensors"));
        var record = WfdbRecord.Read(SharedFiles.Reference("wfdb", "good", name + ".hea"));
        Interleave(record, i => record.Digital(i).ToArray()).ShouldBe(MemoryMarshal.Cast<byte, int>(expected.Bytes(name + "/digital")).ToArray());
        Interleave(record, record.Physical).ShouldBe(expected.Doubles(name + "/physical"));
    }

    [Theory]
    [MemberData(nameof(Bad))]
    public void Bad_records_are_refused_in_words(string name)
    {
        var path = Path.Combine(Fixtures, "bad", name, "rec.hea");
        var before = GC.GetAllocatedBytesForCurrentThread();
        if (name == "mat_shape_mismatch") // the WFDB header is right and rules; the MATLAB header within the file claims 12 x 2,000,000,000
        {
            WfdbRecord.Read(path).SampleCount.ShouldBe(100);
            Should.Throw<InputException>(() => MatlabFile.Read(Path.ChangeExtension(path, ".mat"))).Message.ShouldContain("2000000000");
        }
        else
        {
            var fault = Should.Throw<InputException>(() => WfdbRecord.Read(path));
            fault.Message.ShouldContain(Path.Combine(Fixtures, "bad", name));
            fault.Message.ShouldEndWith(".");
            fault.Message.ShouldContain("; ");
            fault.Message.Length.ShouldBeLessThan(400 + path.Length);
        }

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1 << 20);
    }

    [SharedFact("reference/wfdb/bad/long_line")]
    public void A_line_without_end_is_refused_in_a_short_sentence() =>
        Should.Throw<InputException>(() => WfdbRecord.Read(SharedFiles.Reference("wfdb", "bad", "long_line", "rec.hea"))).Message.Length.ShouldBeLessThan(500);

    [Theory]
    [InlineData("x 1 100 2\ny.dat 16", "y.dat")]
    [InlineData("x/3 1 100 2\na 1", "several segments")]
    [InlineData("x\n", "not how many signals")]
    [InlineData("x 1 100 2\nx.dat 16x4 1", "4 samples a frame")]
    [InlineData("x 1 100 2\nx.dat 16:3 1", "skew of 3")]
    [InlineData("x 1 100 2\nx.dat 16+-3 1", "byte offset of -3")]
    [InlineData("x 1 100 2\nx.dat 310 1", "only 16, 24, 32, 61, 80, 212 are read")]
    [InlineData("x 1 100 2\nx.dat 16 -5", "gain of '-5'")]
    [InlineData("x 1 100 2\nx.dat 16 5(3", "bracket")]
    [InlineData("x 1 100 2\nx.dat 16 5/", "no unit")]
    [InlineData("x 1 100 2\nx.dat 16 5 16 0.5", "ADC zero")]
    [InlineData("x 1 100 2\nx.dat 16 5\nx.dat 16 5", "one more than the 1 signals")]
    [InlineData("x 1 100 2\n~ 16 5", "stands for none")]
    [InlineData("x 3 100 1\nx.dat 16 5\nz.dat 16 5\nx.dat 16 5", "do not stand together")]
    [InlineData("x 2 100 1\nx.dat 16 5\nx.dat 16+2 5", "two formats or byte offsets")]
    [InlineData("x 1 100 2\n\u0001", "no text")]
    [InlineData("x 3 100\nx.dat 16\nx.dat 16\nx.dat 16", "no whole number of samples")]
    public void Headers_that_are_not_read_say_why(string text, string words)
    {
        File.WriteAllBytes(_folder["x.dat"], new byte[8]);
        File.WriteAllBytes(_folder["z.dat"], new byte[8]);
        File.WriteAllText(_folder["x.hea"], text);
        var fault = Should.Throw<InputException>(() => WfdbRecord.Read(_folder["x.hea"]));
        fault.Message.ShouldContain(words);
        fault.Message.ShouldContain(_folder.Path);
        fault.Message.ShouldEndWith(".");
    }

    [Theory]
    [InlineData(16, new byte[] { 0x34, 0x12, 0xff, 0xff, 0x00, 0x80 }, new[] { 0x1234, -1, -32768 })]
    [InlineData(61, new byte[] { 0x12, 0x34, 0xff, 0xff, 0x80, 0x00 }, new[] { 0x1234, -1, -32768 })]
    [InlineData(80, new byte[] { 0, 127, 255 }, new[] { -128, -1, 127 })]
    [InlineData(24, new byte[] { 0x56, 0x34, 0x12, 0xfe, 0xff, 0xff, 0x00, 0x00, 0x80 }, new[] { 0x123456, -2, -8388608 })]
    [InlineData(32, new byte[] { 0x78, 0x56, 0x34, 0x12, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x80 }, new[] { 0x12345678, -1, int.MinValue })]
    [InlineData(212, new byte[] { 0xff, 0x87, 0x00, 0xfe, 0x0f }, new[] { 2047, -2048, -2 })]
    public void Formats_follow_their_description(int format, byte[] bytes, int[] expected)
    {
        File.WriteAllBytes(_folder["f.dat"], [9, 9, .. bytes]);
        File.WriteAllText(_folder["f.hea"], $"f 1 360 3\nf.dat {format}+2 2(1)/mV\n");
        var record = WfdbRecord.Read(_folder["f"]);
        record.Digital(0).ToArray().ShouldBe(expected);
        var lowest = expected.Min();
        if (format is not 32)
            record.Physical(0).ShouldBe(expected.Select(v => v == lowest ? double.NaN : (v - 1) / 2.0));
        record.Checksum(0).ShouldBe(WfdbChecksum.Absent);
    }

    [Fact]
    public void Defaults_are_those_of_the_format()
    {
        File.WriteAllBytes(_folder["d.dat"], [1, 0, 2, 0, 3, 0]);
        File.WriteAllText(_folder["d.hea"], "d 1\r\nd.dat 16\r\n#<Age>: 51\r\n");
        var record = WfdbRecord.Read(_folder["d.hea"]);
        (record.Header.SamplingRate, record.SampleCount, record.Header.SampleCount).ShouldBe((250, 3, null));
        var signal = record.Header.Signals[0];
        (signal.Gain, signal.IsCalibrated, signal.Units, signal.Baseline, signal.InitialValue, signal.Checksum).ShouldBe((200, false, "mV", 0, null, null));
        record.Header.Comment("age").ShouldBe("51");
        record.Header.Comment("sex").ShouldBeNull();
    }

    [Fact]
    public void Blanks_that_only_look_so_part_no_fields()
    {
        File.WriteAllBytes(_folder["b.dat"], [1, 0]);
        File.WriteAllText(_folder["b.hea"], "b 1 100 1\nb.dat 16 200 16 0 1 1 0 lead\u00a0I\n");
        WfdbRecord.Read(_folder["b.hea"]).Header.Signals[0].Description.ShouldBe("lead\u00a0I");
        File.WriteAllText(_folder["b.hea"], "b\u00a01 1 100 1\nb.dat 16 200\u00a0 16 0 1 1 0 I\n");
        Should.Throw<InputException>(() => WfdbRecord.Read(_folder["b.hea"])).Message.ShouldContain("line 2");
        File.WriteAllText(_folder["b.hea"], $"b 1 100 1\n{new string('n', 5000)} 16 200\n");
        Should.Throw<InputException>(() => WfdbRecord.Read(_folder["b.hea"])).Message.Length.ShouldBeLessThan(500);
    }

    [Fact]
    public void A_wrong_checksum_can_be_told_instead_of_refused()
    {
        var record = WfdbRecord.Read(Path.Combine(Fixtures, "bad", "flipped_bit", "rec.hea"), verify: false);
        Enumerable.Range(0, record.Header.Signals.Count).Count(i => record.Checksum(i) == WfdbChecksum.Wrong).ShouldBe(1);
    }

    private static T[] Interleave<T>(WfdbRecord record, Func<int, T[]> signal)
    {
        var signals = Enumerable.Range(0, record.Header.Signals.Count).Select(signal).ToArray();
        return [.. Enumerable.Range(0, record.SampleCount).SelectMany(t => signals.Select(s => s[t]))];
    }

    private static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
