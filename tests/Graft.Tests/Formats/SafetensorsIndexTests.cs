using Graft.Formats;
using Graft.Torch;

namespace Graft.Tests.Formats;

public sealed class SafetensorsIndexTests : IDisposable
{
    private const string First = "model-00001-of-00002.safetensors";
    private const string Second = "model-00002-of-00002.safetensors";

    private readonly TemporaryFolder _folder = new();

    public SafetensorsIndexTests()
    {
        SafetensorsWriter.Write(_folder[First], null, [new("a", DType.UInt8, [2], new byte[] { 1, 2 })]);
        SafetensorsWriter.Write(_folder[Second], null, [new("b", DType.UInt8, [1], new byte[] { 3 }), new("c", DType.UInt8, [], new byte[] { 4 })]);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Opens_the_shards_as_one()
    {
        using var index = Open($$"""
            {"metadata": {"total_size": 4}, "weight_map": {"c": "{{Second}}", "a": "{{First}}", "b": "{{Second}}"}, "more": [1, {"x": 2}]}
            """);
        index.Entries.Select(entry => entry.Name).ShouldBe(["a", "b", "c"]);
        index.Shards.Count.ShouldBe(2);
        index.Bytes("a").ToArray().ShouldBe([1, 2]);
        index.Bytes("c").ToArray().ShouldBe([4]);
        index["b"].Shape.ShouldBe([1]);
        index.Contains("d").ShouldBeFalse();
        Should.Throw<InputException>(() => index["d"]).Message.ShouldContain("'d'");
    }

    [Theory]
    [InlineData("../model-00001-of-00002.safetensors")]
    [InlineData("/etc/passwd")]
    [InlineData("..\\\\model.safetensors")]
    [InlineData("C:model.safetensors")]
    [InlineData("sub/model.safetensors")]
    [InlineData("..")]
    [InlineData("")]
    public void Refuses_shards_outside_the_folder(string shard) =>
        Should.Throw<InputException>(() => Open($$"""{"weight_map": {"a": "{{shard}}"} }""")).Message.ShouldContain("not a plain file name");

    [Theory]
    [InlineData("""{"weight_map": {"a": "absent.safetensors"}}""", "no such file")]
    [InlineData("""{"weight_map": {"b": "model-00001-of-00002.safetensors"}}""", "is not in")]
    [InlineData("""{"weight_map": {"b": "model-00002-of-00002.safetensors"}}""", "not listed")]
    [InlineData("""{"weight_map": {"a": "x", "a": "y"}}""", "twice")]
    [InlineData("""{"weight_map": {"a": 1}}""", "not a string")]
    [InlineData("""{"weight_map": []}""", "no weight_map")]
    [InlineData("""{"metadata": {}}""", "no weight_map")]
    [InlineData("""[]""", "no weight_map")]
    [InlineData("""{"weight_map": {"a": """, "JSON")]
    [InlineData("", "empty")]
    [InlineData("version https://git-lfs.github.com/spec/v1", "git-LFS")]
    public void Refuses_an_index(string json, string reason) =>
        Should.Throw<InputException>(() => Open(json)).Message.ShouldContain(reason);

    private SafetensorsIndex Open(string json)
    {
        AtomicFile.WriteText(_folder["model.safetensors.index.json"], json);
        return SafetensorsIndex.Open(_folder["model.safetensors.index.json"]);
    }
}
