using System.Buffers.Binary;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Tests.Formats;

public sealed class SafetensorsWriterTests
{
    private static readonly DType[] AllTypes =
    [
        DType.UInt8, DType.Float32, DType.Int64, DType.Bool, DType.Float16, DType.Int8, DType.BFloat16, DType.Int16, DType.Int32, DType.Float64,
    ];

    [Fact]
    public void Round_trip_keeps_every_dtype_scalar_and_empty_tensor()
    {
        using var folder = new TemporaryFolder();
        var tensors = AllTypes.Select((type, i) => Tensor($"layer.{i}/ü 日本 \"quoted\" \\", type, [3, 5])).ToList();
        tensors.Add(Tensor("scalar", DType.Float32, []));
        tensors.Add(Tensor("empty", DType.Int16, [0, 7]));
        SafetensorsWriter.Write(folder["a.safetensors"], null, tensors);

        using var file = SafetensorsFile.Open(folder["a.safetensors"]);
        file.Entries.Count.ShouldBe(tensors.Count);
        foreach (var tensor in tensors)
        {
            using var expected = new MemoryStream();
            tensor.Write(expected);
            file[tensor.Name].Type.ShouldBe(tensor.Type);
            file[tensor.Name].Shape.ShouldBe(tensor.Shape);
            file.Bytes(tensor.Name).ToArray().ShouldBe(expected.ToArray());
        }

        file.Metadata.ShouldBe([new("format", "pt")]);
    }

    [Fact]
    public void Larger_elements_come_first_then_names_and_all_are_aligned()
    {
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["a.safetensors"], null,
        [
            Tensor("b", DType.UInt8, [3]), Tensor("a", DType.UInt8, [1]), Tensor("z", DType.Int64, [2]), Tensor("B", DType.Float32, [1]),
            Tensor("a.10", DType.Float32, [1]), Tensor("a.9", DType.Float32, [1]),
        ]);

        using var file = SafetensorsFile.Open(folder["a.safetensors"]);
        file.Entries.Select(entry => entry.Name).ShouldBe(["z", "B", "a.10", "a.9", "a", "b"]);
        file.Entries.ShouldAllBe(entry => entry.Offset % entry.Type.Size() == 0);
        var header = BinaryPrimitives.ReadInt64LittleEndian(File.ReadAllBytes(folder["a.safetensors"]));
        (header % 8).ShouldBe(0);
    }

    [Fact]
    public void Metadata_are_kept_on_a_round_trip()
    {
        using var folder = new TemporaryFolder();
        var metadata = new Dictionary<string, string>
        {
            ["ss_network_dim"] = "16", ["modelspec.title"] = "größe \u0001 <&>", ["format"] = "np", [""] = "",
        };
        SafetensorsWriter.Write(folder["a.safetensors"], metadata, [Tensor("w", DType.Float32, [2])]);
        using (var first = SafetensorsFile.Open(folder["a.safetensors"]))
        {
            first.Metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal).ShouldBe(metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal));
            var copies = first.Entries.Select(entry =>
                new TensorData(entry.Name, entry.Type, entry.Shape, stream => first.WriteTo(entry.Name, stream))).ToList();
            SafetensorsWriter.Write(folder["b.safetensors"], first.Metadata, copies);
        }

        File.ReadAllBytes(folder["b.safetensors"]).ShouldBe(File.ReadAllBytes(folder["a.safetensors"]));
    }

    [Fact]
    public void A_file_without_tensors_is_written()
    {
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["a.safetensors"], null, []);
        File.ReadAllBytes(folder["a.safetensors"])[8..].ShouldBe("""{"__metadata__":{"format":"pt"}}"""u8.ToArray());
        SafetensorsWriter.Write(folder["b.safetensors"], new Dictionary<string, string> { ["a"] = "" }, []);
        File.ReadAllBytes(folder["b.safetensors"])[8..].ShouldBe("""{"__metadata__":{"a":"","format":"pt"}} """u8.ToArray());
    }

    [Fact]
    public void Refuses_what_no_reader_would_accept()
    {
        using var folder = new TemporaryFolder();
        var path = folder["a.safetensors"];
        Should.Throw<ArgumentException>(() => SafetensorsWriter.Write(path, null, [Tensor("a", DType.Bool, []), Tensor("a", DType.Bool, [])]));
        Should.Throw<ArgumentException>(() => SafetensorsWriter.Write(path, null, [Tensor("__metadata__", DType.Bool, [])]));
        Should.Throw<ArgumentException>(() => SafetensorsWriter.Write(path, null, [Tensor("\ud800", DType.Bool, [])]));
        Should.Throw<ArgumentException>(() => SafetensorsWriter.Write(path, new Dictionary<string, string> { ["a"] = "\udc00" }, []));
        Should.Throw<ArgumentException>(() => Tensor("a", DType.Complex64, [1]));
        Should.Throw<ArgumentException>(() => Tensor("a", DType.Float32, [-1]));
        Should.Throw<ArgumentException>(() => new TensorData("a", DType.Float32, [2], new byte[4]));
        Directory.GetFileSystemEntries(folder.Path).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    public void A_tensor_of_the_wrong_length_leaves_nothing(int length)
    {
        using var folder = new TemporaryFolder();
        Should.Throw<InvalidOperationException>(() => SafetensorsWriter.Write(folder["a.safetensors"], null,
            [new TensorData("a", DType.Float32, [1], stream => stream.Write(new byte[length]))]));
        Directory.GetFileSystemEntries(folder.Path).ShouldBeEmpty();
    }

    [Fact]
    public void A_failure_half_way_leaves_the_old_file_and_no_temporary_one()
    {
        using var folder = new TemporaryFolder();
        var path = folder["a.safetensors"];
        SafetensorsWriter.Write(path, null, [Tensor("old", DType.Float32, [4])]);
        var before = File.ReadAllBytes(path);
        var failing = new TensorData("new", DType.Float32, [1 << 20], stream =>
        {
            stream.Write(new byte[1 << 21]);
            throw new TimeoutException();
        });

        Should.Throw<TimeoutException>(() => SafetensorsWriter.Write(path, null, [failing]));
        File.ReadAllBytes(path).ShouldBe(before);
        Directory.GetFileSystemEntries(folder.Path).ShouldBe([path]);
    }

    [Fact]
    public void A_file_that_is_open_can_be_replaced()
    {
        using var folder = new TemporaryFolder();
        var path = folder["a.safetensors"];
        SafetensorsWriter.Write(path, null, [Tensor("w", DType.Float32, [4])]);
        using var old = SafetensorsFile.Open(path);
        var bytes = old.Bytes("w").ToArray();
        SafetensorsWriter.Write(path, null, [Tensor("v", DType.UInt8, [1])]);
        old.Bytes("w").ToArray().ShouldBe(bytes);
        using var replaced = SafetensorsFile.Open(path);
        replaced.Contains("v").ShouldBeTrue();
    }

    [Fact]
    public void Text_is_written_in_utf8_and_faults_are_told()
    {
        using var folder = new TemporaryFolder();
        AtomicFile.WriteText(folder["a.json"], "größe\n");
        File.ReadAllBytes(folder["a.json"]).ShouldBe("größe\n"u8.ToArray());
        AtomicFile.WriteText(folder[Path.Combine("absent", "a.json")], "");
        File.Exists(folder[Path.Combine("absent", "a.json")]).ShouldBeTrue();
        Should.Throw<InputException>(() => AtomicFile.WriteText(folder[Path.Combine("a.json", "b.json")], "")).Message.ShouldContain("Cannot write");
        Should.Throw<InputException>(() => AtomicFile.WriteText(folder.Path, "")).Message.ShouldContain("folder");
    }

    private static TensorData Tensor(string name, DType type, long[] shape)
    {
        var bytes = new byte[shape.Aggregate(1L, (a, b) => a * Math.Max(b, 0)) * type.Size()];
        var random = new SplitMix((ulong)name.Length);
        for (var i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)random.Next(type == DType.Bool ? 2 : 256);
        return new TensorData(name, type, shape, bytes);
    }
}
