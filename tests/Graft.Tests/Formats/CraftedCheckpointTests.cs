using Graft.Formats;
using Graft.Torch;
using static Graft.Tests.Formats.CraftedCheckpoint;

namespace Graft.Tests.Formats;

public sealed class CraftedCheckpointTests : IDisposable
{
    private static readonly byte[] Data = [.. Enumerable.Range(0, 24).Select(i => (byte)i)];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Reads_a_zip_archive_with_64_bit_fields()
    {
        File.WriteAllBytes(_folder["a.pt"], Widen(File.ReadAllBytes(FormatFiles.Valid("views_zip.pt"))));
        using var checkpoint = CheckpointFile.Open(_folder["a.pt"]);
        using var expected = SafetensorsFile.Open(FormatFiles.Valid("views_expected.safetensors"));
        FormatFiles.ShouldEqual(checkpoint.Tensors(), expected);
    }

    [Fact]
    public void Reads_parts_of_legacy_storages()
    {
        var storage = Storage("ShortStorage", "root", 12, Tuple(Text("part"), Number(2), Number(6)));
        using var checkpoint = Open(Legacy(Dictionary(Text("t"), Tensor(storage, 1, [2, 2], [1, 2])), ["root"], (12, Data)));
        checkpoint.Tensors()["t"].ToBytes().ShouldBe([6, 7, 10, 11, 8, 9, 12, 13]);
    }

    [Fact]
    public void Reads_untyped_storages_whose_tensor_says_the_type()
    {
        var tensor = Call(
            Global("torch._utils", "_rebuild_tensor_v3"), Storage("UntypedStorage", "0", 24), Number(1),
            Call(Global("torch", "Size"), Numbers([2])), Numbers([2]), False, None, Global("torch", "int32"));
        using var checkpoint = Open(Legacy(Dictionary(Text("t"), tensor, Text("type"), Global("torch", "float16")), ["0"], (24, Data)));
        checkpoint.Tensors()["t"].Type.ShouldBe(DType.Int32);
        checkpoint.Tensors()["t"].ToBytes().ShouldBe([4, 5, 6, 7, 12, 13, 14, 15]);
        checkpoint.Find("type").ShouldBe(DType.Float16);
    }

    [Fact]
    public void Reads_plain_values_and_keys_of_other_types()
    {
        var value = Dictionary(
            Number(0), [(byte)'C', 2, 1, 2], None, Call(Global("torch", "device"), Text("cuda"), Number(0)), [0x88], Tuple(Number(-1)),
            Text("big"), [0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1], Text("ordered"), Call(Global("collections", "OrderedDict"), List(List(Text("k"), None))));
        using var checkpoint = Open(Legacy(value, []));
        checkpoint.Tensors().ShouldBeEmpty();
        checkpoint.Find("0").ShouldBe(new byte[] { 1, 2 });
        checkpoint.Find("None").ShouldBe("cuda");
        checkpoint.Find("True/0").ShouldBe(-1L);
        checkpoint.Find("big").ShouldBe(System.Numerics.BigInteger.Pow(2, 64));
        ((PickleDictionary)checkpoint.Find("ordered")!).Keys.ShouldBe(["k"]);
        Should.Throw<InputException>(() => checkpoint.StateDict()).Message.ShouldContain("no state dict");
    }

    [Fact]
    public void Tied_weights_and_large_transposed_views_are_read()
    {
        var tensor = Tensor(Storage("ByteStorage", "0", 24), 0, [4, 3, 2], [1, 8, 4]);
        using var checkpoint = Open(Legacy(Dictionary(Text("a"), [.. tensor, (byte)'q', 0], Text("b"), [(byte)'h', 0]), ["0"], (24, Data)));
        checkpoint.Tensors()["b"].ShouldBeSameAs(checkpoint.Tensors()["a"]);
        var expected = from i in Enumerable.Range(0, 4) from j in Enumerable.Range(0, 3) from k in Enumerable.Range(0, 2) select (byte)(i + (8 * j) + (4 * k));
        checkpoint.Tensors()["a"].ToBytes().ShouldBe(expected);
    }

    [Fact]
    public void Refuses_contradictions()
    {
        Refused(Legacy(Text("no container"), [])).ShouldContain("neither a dictionary");
        Refused(Legacy(Dictionary(Text("a"), None, Text("a"), None), [])).ShouldContain("twice");
        Refused(Legacy(Dictionary(Text("t"), Storage("ByteStorage", "0", 1)), ["0"], (1, [0]))).ShouldContain("bare storage");
        Refused(Legacy(Dictionary(Text("t"), Global("torch", "FloatStorage")), [])).ShouldContain("class");
        Refused(Legacy(Dictionary(Text("t"), Tensor(Storage("ByteStorage", "0", 1), 0, [1], [1])), [])).ShouldContain("missing");
        Refused(Legacy(Dictionary(), ["0"], (1, [0]))).ShouldContain("no tensor uses");
        Refused(Legacy(Dictionary(Text("t"), Tensor(Storage("UntypedStorage", "0", 1), 0, [1], [1])), ["0"], (1, [0]))).ShouldContain("unknown way");
        Refused(Legacy(Dictionary(Text("t"), Tensor(Storage("ByteStorage", "0", 4, Tuple(Text("v"), Number(3), Number(2))), 0, [1], [1])), ["0"], (4, Data[..4])))
            .ShouldContain("outside");
        Refused(Legacy(Tuple([.. Tuple(Text("module"), None), (byte)'Q']), [])).ShouldContain("module");
        Refused(Legacy([.. Dictionary(), .. List(), (byte)'b'], [])).ShouldContain("attributes");
    }

    private CheckpointFile Open(byte[] bytes)
    {
        File.WriteAllBytes(_folder["a.pt"], bytes);
        return CheckpointFile.Open(_folder["a.pt"]);
    }

    private string Refused(byte[] bytes) => Should.Throw<InputException>(() => Open(bytes)).Message;
}
