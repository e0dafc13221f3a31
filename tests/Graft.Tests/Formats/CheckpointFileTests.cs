using System.IO.Compression;
using System.Text;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Tests.Formats;

public sealed class CheckpointFileTests
{
    private const int MostMemory = 16 << 20;

    public static TheoryData<string, string, string> Malformed()
    {
        var data = new TheoryData<string, string, string>();
        foreach (var (file, why, expected) in FormatFiles.MalformedCases("pickle"))
            data.Add(file, why, expected);
        return data;
    }

    [Theory]
    [InlineData("views_zip.pt")]
    [InlineData("views_legacy.pt")]
    [InlineData("views_zip_protocol4.pt")]
    [InlineData("views_legacy_protocol4.pt")]
    public void Reads_views_exactly(string name)
    {
        using var checkpoint = CheckpointFile.Open(FormatFiles.Valid(name));
        using var expected = SafetensorsFile.Open(FormatFiles.Valid("views_expected.safetensors"));
        FormatFiles.ShouldEqual(checkpoint.Tensors(), expected);
        foreach (var tensor in checkpoint.Tensors().Values)
        {
            using var stream = new MemoryStream();
            tensor.WriteTo(stream);
            stream.ToArray().ShouldBe(tensor.ToBytes());
        }
    }

    [Fact]
    public void Reads_a_nested_checkpoint()
    {
        using var checkpoint = CheckpointFile.Open(FormatFiles.Valid("nested_checkpoint.pt"));
        using var expected = SafetensorsFile.Open(FormatFiles.Valid("nested_expected.safetensors"));
        FormatFiles.ShouldEqual(checkpoint.Tensors(), expected);
        checkpoint.Find("epoch").ShouldBe(12L);
        checkpoint.Find("ema/decay").ShouldBe(0.9999);
        checkpoint.Find("args/name").ShouldBe("run");
        checkpoint.Find("args/sizes/2").ShouldBe(3L);
        checkpoint.Find("optimizer/param_groups/0/betas/1").ShouldBe(0.999);
        checkpoint.Find("args/flags/0").ShouldBe(true);
        checkpoint.Find("args/flags/9").ShouldBeNull();
        checkpoint.Find("absent/0").ShouldBeNull();
        ((PickleList)checkpoint.Find("args/sizes")!).IsTuple.ShouldBeTrue();
        checkpoint.StateDict().Keys.ShouldBe(checkpoint.Tensors("state_dict").Keys);
        checkpoint.Tensors("ema/shadow").Keys.ShouldContain("0.weight");
        checkpoint.Tensors("ema/sha").ShouldBeEmpty();
    }

    [Fact]
    public void Strips_the_prefix_of_data_parallel()
    {
        using var prefixed = CheckpointFile.Open(FormatFiles.Valid("data_parallel_prefix.pt"));
        using var plain = CheckpointFile.Open(FormatFiles.Valid("nested_checkpoint.pt"));
        var expected = plain.StateDict();
        prefixed.StateDict().Keys.ShouldBe(expected.Keys.Select(name => $"module.{name}"));
        var stripped = CheckpointFile.StripPrefix(prefixed.StateDict());
        stripped.Keys.ShouldBe(expected.Keys);
        foreach (var (name, tensor) in stripped)
            tensor.ToBytes().ShouldBe(expected[name].ToBytes());
        CheckpointFile.StripPrefix(expected).ShouldBeSameAs(expected);
    }

    [Theory]
    [MemberData(nameof(Malformed))]
    public void Refuses_a_malformed_file(string name, string why, string expected)
    {
        var path = FormatFiles.Malformed("pickle", name);
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            using var checkpoint = CheckpointFile.Open(path);
            var tensors = FormatFiles.ReadAll(checkpoint);
            expected.ShouldNotStartWith("clear error", Case.Sensitive, why);
            if (expected.Contains("arange(8)", StringComparison.Ordinal))
                checkpoint.Tensors()["a"].Shape.ShouldBe([2, 4]);
            else if (expected.Contains("tensor read", StringComparison.Ordinal))
                tensors.Count.ShouldBe(1);
        }
        catch (InputException e)
        {
            FormatFiles.ShouldBeClear(e, path);
        }

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(MostMemory);
        File.Exists(FormatFiles.Payload).ShouldBeFalse();
        File.Exists(Path.Combine(Path.GetDirectoryName(path)!, FormatFiles.Payload)).ShouldBeFalse();
    }

    [Theory]
    [InlineData("evil_os_system_zip.pt", "os.system")]
    [InlineData("evil_dotted_name_zip.pt", "torch")]
    [InlineData("evil_inst_zip.pt", "INST")]
    [InlineData("evil_newobj_zip.pt", "subprocess.Popen")]
    [InlineData("zip_bad_crc.pt", "checksum")]
    [InlineData("zip_storage_short.pt", "20 bytes instead of 32")]
    [InlineData("zip_compressed_bomb.pt", "compressed")]
    [InlineData("zip_truncated.pt", "cut short")]
    [InlineData("pickle_not_a_dict.pt", "neither a dictionary")]
    [InlineData("tar_legacy.pt", "not a PyTorch checkpoint")]
    [InlineData("html.pt", "HTML")]
    [InlineData("tensor_huge_size_zero_stride.pt", "repeats")]
    public void Says_what_is_wrong(string name, string reason) =>
        Should.Throw<InputException>(() =>
        {
            using var checkpoint = CheckpointFile.Open(FormatFiles.Malformed("pickle", name));
            FormatFiles.ReadAll(checkpoint);
        }).Message.ShouldContain(reason);

    [Theory]
    [InlineData(100_000)]
    [InlineData(1_000_000)]
    public void Deep_nesting_does_not_overflow_the_stack(int depth)
    {
        using var folder = new TemporaryFolder();
        byte[] pickle = [0x80, 2, (byte)')', .. Enumerable.Repeat((byte)0x85, depth), (byte)'.'];
        Refused(folder, pickle).ShouldContain("nested");
    }

    [Fact]
    public void Objects_that_contain_each_other_many_times_are_refused()
    {
        using var folder = new TemporaryFolder();
        // Fifty tuples, each of which holds the one before twice: 2^50 paths in 100 bytes.
        byte[] pickle = [0x80, 2, (byte)']', .. Doubled(50), (byte)'.'];
        Refused(folder, pickle).ShouldContain("too many times");
    }

    [SharedTheory("data/weights")]
    [InlineData("cifar-resnet/resnet20-12fca82f.th", "conv1.weight")]
    [InlineData("cifar-resnet/resnet56-4bfd9763.th", "conv1.weight")]
    [InlineData("ddpm-28/ddpm_fashion.pt", null)]
    [InlineData("ddpm-28/ddpm_mnist.pt", null)]
    [InlineData("lpips-squeeze/lpips_v0.1_squeeze.pth", "lin0.model.1.weight")]
    [InlineData("lpips-squeeze/squeezenet1_1.features.pth", null)]
    public void Reads_real_checkpoints(string name, string? key)
    {
        using var checkpoint = CheckpointFile.Open(SharedFiles.Data("weights", name));
        var weights = CheckpointFile.StripPrefix(checkpoint.StateDict());
        weights.Count.ShouldBeGreaterThan(4);
        if (key is not null)
            weights.Keys.ShouldContain(key);
        foreach (var tensor in weights.Values.Where(tensor => tensor.Type == DType.Float32))
        {
            for (var (i, bytes) = (0, tensor.ToBytes()); i < bytes.Length; i += 4)
                float.IsFinite(BitConverter.ToSingle(bytes, i)).ShouldBeTrue();
        }
    }

    [SharedFact("reference")]
    public void Reads_every_checkpoint_of_the_kit()
    {
        var read = 0;
        foreach (var path in Directory.EnumerateFiles(SharedFiles.Reference(), "*", SearchOption.AllDirectories))
        {
            if (path.Contains("malformed", StringComparison.Ordinal) || path.EndsWith("jit.pt", StringComparison.Ordinal)
                || Path.GetExtension(path) is not (".pt" or ".pkl" or ".bin" or ".pth"))
                continue;
            using var checkpoint = CheckpointFile.Open(path);
            FormatFiles.ReadAll(checkpoint).ShouldNotBeEmpty(path);
            read++;
        }

        read.ShouldBeGreaterThan(10);
    }

    [SharedFact("reference/clip/torchscript/jit.pt")]
    public void Refuses_torchscript_by_name() =>
        Should.Throw<InputException>(() => CheckpointFile.Open(SharedFiles.Reference("clip", "torchscript", "jit.pt")))
            .Message.ShouldContain("TorchScript");

    [Fact]
    public void Tensors_are_closed_with_the_file()
    {
        var checkpoint = CheckpointFile.Open(FormatFiles.Valid("views_zip.pt"));
        var tensor = checkpoint.Tensors().Values.First();
        checkpoint.Dispose();
        Should.Throw<ObjectDisposedException>(() => tensor.ToBytes());
    }

    private static void Read(string path)
    {
        using var checkpoint = CheckpointFile.Open(path);
        FormatFiles.ReadAll(checkpoint);
    }

    private static IEnumerable<byte> Doubled(int times) => Enumerable.Repeat(new byte[] { (byte)'2', 0x86 }, times).SelectMany(part => part);

    private static string Refused(TemporaryFolder folder, byte[] pickle)
    {
        var path = folder["a.pt"];
        using (var archive = ZipFile.Open(path, ZipArchiveMode.Create, Encoding.UTF8))
        {
            using var stream = archive.CreateEntry("a/data.pkl", CompressionLevel.NoCompression).Open();
            stream.Write(pickle);
        }

        return Should.Throw<InputException>(() => CheckpointFile.Open(path)).Message;
    }
}
