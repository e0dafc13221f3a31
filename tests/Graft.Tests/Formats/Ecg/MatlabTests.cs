using Graft.Formats.Ecg;

namespace Graft.Tests.Formats.Ecg;

public class MatlabTests
{
    [Fact]
    public void Level_4_is_read_column_after_column()
    {
        var file = MatlabFile.Decode([.. CraftedMatlab.Level4("val", 2, 3, [1, -2, 3, -4, 5, -32768]), .. CraftedMatlab.Level4("two", 1, 1, [7])], "memory");
        file.Level.ShouldBe(4);
        file.Variables.Select(v => v.Name).ShouldBe(["val", "two"]);
        (file["val"].Rows, file["val"].Columns, file["val"].Kind).ShouldBe((2, 3, MatlabKind.Numbers));
        file["val"].ToDoubles().ShouldBe([1, -2, 3, -4, 5, -32768]);
        file["val"].ToString().ShouldBe("val: 2 x 3 numbers (int16)");
    }

    [Theory]
    [InlineData(0, new byte[] { 0, 0, 0, 0, 0, 0, 0xf8, 0x3f }, 1.5)]
    [InlineData(10, new byte[] { 0, 0, 0xc0, 0x3f }, 1.5)]
    [InlineData(20, new byte[] { 0xfe, 0xff, 0xff, 0xff }, -2)]
    [InlineData(30, new byte[] { 0xfe, 0xff }, -2)]
    [InlineData(40, new byte[] { 0xfe, 0xff }, 65534)]
    [InlineData(50, new byte[] { 0xfe }, 254)]
    [InlineData(1000 + 30, new byte[] { 0xff, 0xfe }, -2)]
    public void Level_4_has_six_kinds_of_elements_in_two_orders_of_bytes(int type, byte[] element, double expected)
    {
        var head = CraftedMatlab.Level4("x", 1, 1, [], type);
        if (type >= 1000)
        {
            for (var at = 0; at < 20; at += 4)
                Array.Reverse(head, at, 4);
        }

        MatlabFile.Decode([.. head, .. element], "memory")["x"].ToDoubles().ShouldBe([expected]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Level_5_is_read_packed_or_not(bool packed)
    {
        byte[][] variables =
        [
            CraftedMatlab.Doubles("matrix", 2, 2, 1, 2, 3, 4.5), CraftedMatlab.Text("t", "naïve"),
            CraftedMatlab.Struct("s", ("a", CraftedMatlab.Text("", "x")), ("empty", [.. CraftedMatlab.Int32(14), .. CraftedMatlab.Int32(0)]), ("in", CraftedMatlab.Struct("", ("b", CraftedMatlab.Doubles("", 1, 1, 9))))),
        ];
        var file = MatlabFile.Decode(CraftedMatlab.Level5(packed ? variables.Select(CraftedMatlab.Packed) : variables), "memory");
        file.Level.ShouldBe(5);
        file["matrix"].ToDoubles().ShouldBe([1, 2, 3, 4.5]);
        file["t"].ToText().ShouldBe("naïve");
        file["s"].Kind.ShouldBe(MatlabKind.Struct);
        file["s"].Fields["a"].ToText().ShouldBe("x");
        file["s"].Fields["empty"].ToDoubles().ShouldBeEmpty();
        file["s"].Fields["in"].Fields["b"].ToDoubles().ShouldBe([9]);
        Should.Throw<InvalidOperationException>(() => file["s"].ToDoubles());
        Should.Throw<InputException>(() => file["none"]).Message.ShouldContain("holds no variable 'none', but 'matrix', 't', 's'");
    }

    public static TheoryData<string, byte[], string> Broken() => new()
    {
        { "empty", [], "holds no variable" },
        { "short", [30, 0, 0, 0, 1], "too short" },
        { "text", "This is a text and no matrix of any kind, and it is longer than a hundred and twenty-eight characters, so that it reaches beyond a header."u8.ToArray(), "begins as no MATLAB file does" },
        { "cut header", "MATLAB 5.0 MAT-file"u8.ToArray(), "within its header" },
        { "shape", CraftedMatlab.Level4("val", 12, 2_000_000_000, [1, 2]), "12 x 2000000000" },
        { "negative", CraftedMatlab.Level4("val", -1, -2, [1, 2]), "-1 x -2" },
        { "cut", CraftedMatlab.Level4("val", 2, 2, [1, 2, 3]), "2 x 2" },
        { "type", CraftedMatlab.Level4("val", 1, 1, [1], 62), "begins as no MATLAB file does" },
        { "sparse 4", CraftedMatlab.Level4("val", 1, 1, [1], 32), "sparse" },
        { "7.3", [.. "MATLAB 7.3 MAT-file, Platform"u8, .. new byte[200].Select(_ => (byte)' ')], "version 7.3" },
        { "cell", CraftedMatlab.Level5(CraftedMatlab.Matrix("c", 1, 1, 1, [])), "a cell array" },
        { "sparse", CraftedMatlab.Level5(CraftedMatlab.Matrix("c", 5, 1, 1, [])), "a sparse matrix" },
        { "complex", CraftedMatlab.Level5(CraftedMatlab.Matrix("c", 6, 1, 1, CraftedMatlab.Element(9, new byte[8]), 0x800)), "complex" },
        { "claims", CraftedMatlab.Level5(CraftedMatlab.Matrix("c", 6, 12, 100_000_000, CraftedMatlab.Element(9, new byte[8]))), "12 x 100000000" },
        { "beyond", CraftedMatlab.Level5([[.. CraftedMatlab.Int32(14), .. CraftedMatlab.Int32(2_000_000_000), .. new byte[8]]]), "says 2000000000 bytes" },
        { "structs", CraftedMatlab.Level5(CraftedMatlab.Matrix("c", 2, 1, 2, [])), "list of 1 x 2 structs" },
        { "zlib", CraftedMatlab.Level5([[.. CraftedMatlab.Int32(15), .. CraftedMatlab.Int32(8), 0x78, 0x9c, 1, 2, 3, 4, 5, 6]]), "compressed data are damaged" },
        { "bomb", CraftedMatlab.Level5(CraftedMatlab.Packed(CraftedMatlab.Packed(CraftedMatlab.Doubles("x", 1, 1, 1)))), "type 15 where a variable should stand" },
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public void What_is_broken_or_not_read_is_refused_in_words(string name, byte[] data, string words)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var message = Should.Throw<InputException>(() => MatlabFile.Decode(data, name).Variables[0].ToDoubles());
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1 << 20);
        message.Message.ShouldContain(words);
        FormatFiles.ShouldBeClear(message, name);
    }

    [SharedFact("data/ecg/cpsc2018-samples")]
    public void Records_of_the_challenge_are_read()
    {
        foreach (var path in Directory.EnumerateFiles(SharedFiles.Data("ecg", "cpsc2018-samples"), "*.mat"))
        {
            var ecg = MatlabFile.Read(path)["ECG"];
            ecg.Fields.Keys.Order().ShouldBe(["age", "data", "sex"]);
            ecg.Fields["data"].Rows.ShouldBe(12);
            ecg.Fields["data"].Columns.ShouldBeInRange(3000, 72000);
            ecg.Fields["data"].ToDoubles().ShouldAllBe(v => Math.Abs(v) < 20);
            ecg.Fields["sex"].ToText().ShouldBeOneOf("Male", "Female");
        }
    }

    [SharedFact("data/ecg/cinc2021-samples")]
    public void The_matrix_beside_a_header_is_what_the_header_reads()
    {
        foreach (var path in Directory.EnumerateFiles(SharedFiles.Data("ecg", "cinc2021-samples"), "*.mat").Order().Take(5))
        {
            var values = MatlabFile.Read(path)["val"];
            var record = WfdbRecord.Read(Path.ChangeExtension(path, ".hea"));
            for (var lead = 0; lead < 12; lead++)
                record.Digital(lead).ToArray().Select(v => (double)v).ShouldBe(values.ToDoubles().Where((_, i) => i % 12 == lead));
        }
    }
}
