using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Tests.Formats;

public sealed class SafetensorsFileTests
{
    public static TheoryData<string, string, string> Malformed()
    {
        var data = new TheoryData<string, string, string>();
        foreach (var (file, why, expected) in FormatFiles.MalformedCases("safetensors"))
            data.Add(file, why, expected);
        return data;
    }

    [Fact]
    public void Reads_all_dtypes_to_the_digit()
    {
        using var file = SafetensorsFile.Open(FormatFiles.Valid("all_dtypes.safetensors"));
        var fixture = FormatFiles.Json(FormatFiles.Valid("fixture.json")).GetProperty("files")[0];
        var shapes = fixture.GetProperty("shapes").EnumerateObject().ToDictionary(item => item.Name, item => item.Value);

        file.Entries.Select(entry => entry.Name).Order().ShouldBe(shapes.Keys.Order());
        foreach (var values in fixture.GetProperty("values").EnumerateObject())
        {
            file[values.Name].Shape.ShouldBe(shapes[values.Name].EnumerateArray().Select(item => item.GetInt64()), values.Name);
            if (values.Name != "special")
                Numbers(file, values.Name).ShouldBe(values.Value.EnumerateArray().Select(Number), values.Name);
        }

        MemoryMarshal.Cast<byte, uint>(file.Bytes("special")).ToArray()[1..].ShouldBe([0x7F800000u, 0xFF800000u, 0x80000000u, 1u]);
        float.IsNaN(MemoryMarshal.Cast<byte, float>(file.Bytes("special"))[0]).ShouldBeTrue();
        file.Metadata["format"].ShouldBe("pt");
        file.Metadata["note"].ShouldBe("grüße");
    }

    [Fact]
    public void Reads_an_unpadded_header_in_any_order()
    {
        using var file = SafetensorsFile.Open(FormatFiles.Valid("unpadded_unordered.safetensors"));
        file.Entries.Select(entry => entry.Name).ShouldBe(["y", "z"]);
        file["y"].Shape.ShouldBeEmpty();
        Numbers(file, "y").ShouldBe([1.5]);
        Numbers(file, "z").ShouldBe([-2.0, 3.0]);
        file.Metadata.ShouldBeEmpty();
    }

    [Fact]
    public void Reads_a_file_without_tensors()
    {
        using var file = SafetensorsFile.Open(FormatFiles.Valid("no_tensors.safetensors"));
        file.Entries.ShouldBeEmpty();
        file.Metadata["format"].ShouldBe("pt");
    }

    [Theory]
    [MemberData(nameof(Malformed))]
    public void Refuses_a_malformed_file(string name, string why, string expected)
    {
        var path = FormatFiles.Malformed("safetensors", name);
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            using var file = SafetensorsFile.Open(path);
            expected.ShouldStartWith("either", Case.Sensitive, why);
            Numbers(file, "b").Length.ShouldBe(4);
        }
        catch (InputException e)
        {
            FormatFiles.ShouldBeClear(e, path);
        }

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(4 << 20);
    }

    [Theory]
    [InlineData("is_a_zip.safetensors", "zip archive")]
    [InlineData("is_html.safetensors", "HTML")]
    [InlineData("is_lfs_pointer.safetensors", "git-LFS pointer")]
    public void Says_what_the_file_is_instead(string name, string kind) =>
        Should.Throw<InputException>(() => SafetensorsFile.Open(FormatFiles.Malformed("safetensors", name))).Message.ShouldContain(kind);

    [Fact]
    public void Refuses_what_is_not_a_file()
    {
        using var folder = new TemporaryFolder();
        Should.Throw<InputException>(() => SafetensorsFile.Open(folder["absent.safetensors"])).Message.ShouldContain("no such file");
        Should.Throw<InputException>(() => SafetensorsFile.Open(folder.Path)).Message.ShouldContain("folder");
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} x""", "JSON")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", "twice")]
    [InlineData("""{"__metadata__":{"a":"1","a":"2"}}""", "twice")]
    [InlineData("""{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "twice")]
    [InlineData("""{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}""", "F8_E4M3")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1,true],"data_offsets":[0,4]}}""", "shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", "")]
    public void Refuses_a_header(string header, string reason)
    {
        using var folder = new TemporaryFolder();
        var path = folder["a.safetensors"];
        var json = Encoding.UTF8.GetBytes(header);
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        File.WriteAllBytes(path, [.. length, .. json, 1, 2, 3, 4]);
        if (reason.Length == 0)
            SafetensorsFile.Open(path).Dispose();
        else
            Should.Throw<InputException>(() => SafetensorsFile.Open(path)).Message.ShouldContain(reason);
    }

    [Fact]
    public unsafe void Gives_bytes_by_span_pointer_copy_and_stream()
    {
        using var file = SafetensorsFile.Open(FormatFiles.Valid("all_dtypes.safetensors"));
        var expected = file.Bytes("f32").ToArray();
        new ReadOnlySpan<byte>(file.Pointer("f32"), expected.Length).ToArray().ShouldBe(expected);
        var copy = new byte[expected.Length];
        file.CopyTo("f32", copy);
        copy.ShouldBe(expected);
        using var stream = new MemoryStream();
        file.WriteTo("f32", stream);
        stream.ToArray().ShouldBe(expected);
        Should.Throw<ArgumentException>(() => file.CopyTo("f32", new byte[3]));
        Should.Throw<InputException>(() => file["absent"]).Message.ShouldContain("'absent'");
        file.Contains("absent").ShouldBeFalse();
    }

    [Fact]
    public void Is_closed_after_dispose()
    {
        var file = SafetensorsFile.Open(FormatFiles.Valid("all_dtypes.safetensors"));
        file.Dispose();
        file.Dispose();
        Should.Throw<ObjectDisposedException>(() => file.Bytes("f32").Length);
    }

    [SharedFact("reference")]
    public void Reads_every_safetensors_file_of_the_kit()
    {
        foreach (var path in Directory.EnumerateFiles(SharedFiles.Shared, "*.safetensors", SearchOption.AllDirectories))
        {
            if (path.Contains("malformed", StringComparison.Ordinal))
                continue;
            using var file = SafetensorsFile.Open(path);
            FormatFiles.ReadAll(file).Count.ShouldBe(file.Entries.Count, path);
        }
    }

    internal static double[] Numbers(SafetensorsFile file, string name)
    {
        var bytes = file.Bytes(name);
        return file[name].Type switch
        {
            DType.Float64 => MemoryMarshal.Cast<byte, double>(bytes).ToArray(),
            DType.Float32 => [.. MemoryMarshal.Cast<byte, float>(bytes).ToArray().Select(x => (double)x)],
            DType.Float16 => [.. MemoryMarshal.Cast<byte, Half>(bytes).ToArray().Select(x => (double)x)],
            DType.BFloat16 => [.. MemoryMarshal.Cast<byte, ushort>(bytes).ToArray().Select(x => (double)BitConverter.UInt32BitsToSingle((uint)x << 16))],
            DType.Int64 => [.. MemoryMarshal.Cast<byte, long>(bytes).ToArray().Select(x => (double)x)],
            DType.Int32 => [.. MemoryMarshal.Cast<byte, int>(bytes).ToArray().Select(x => (double)x)],
            DType.Int16 => [.. MemoryMarshal.Cast<byte, short>(bytes).ToArray().Select(x => (double)x)],
            DType.Int8 => [.. MemoryMarshal.Cast<byte, sbyte>(bytes).ToArray().Select(x => (double)x)],
            _ => [.. bytes.ToArray().Select(x => (double)x)],
        };
    }

    private static double Number(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => 1,
        JsonValueKind.False => 0,
        _ => value.GetDouble(),
    };
}
