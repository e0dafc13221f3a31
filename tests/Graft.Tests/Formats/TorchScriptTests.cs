using System.IO.Compression;
using System.Text;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Tests.Formats;

/// <summary>The pickles of TorchScript's archives, written here opcode by opcode.</summary>
public class TorchScriptTests
{
    private const string Own = "__torch__.a.Net";

    [Fact]
    public void Parameters_have_the_names_of_the_state_dict() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var folder = new TemporaryFolder();
        var path = Archive(folder, Module(Own, ("w", Tensor("0", 2)), ("0", Module("__torch__.b.Inner", ("bias", Tensor("1", 1)), ("training", [0x89])))));
        using var file = WeightFile.Open(path, scripts: true);
        file.Format.ShouldBe("TorchScript archive");
        file.Names.ShouldBe(["w", "0.bias"]);
        file.Read("w").ToArray<float>().ShouldBe([1, 2]);
        file.Read("0.bias").ToArray<float>().ShouldBe([3]);
        Should.Throw<InputException>(() => WeightFile.Open(path)).Message.ShouldContain("TorchScript");
    });

    /// <summary>The small archive that damage is tried on: storages shared, modules in modules, numbers of one dimension and of none.</summary>
    [Fact]
    public void The_fixture_is_read() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var file = WeightFile.Open(Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "torchscript", "tower.pt"), scripts: true);
        file.Names.ShouldBe(["input_resolution", "visual.class_embedding", "visual.proj", "visual.transformer.0.bias"]);
        file.Read("input_resolution").Item().ShouldBe(8);
        file.Read("visual.proj").Shape.ToArray().ShouldBe([4, 2]);
        file.Read("visual.transformer.0.bias").ToArray<float>().ShouldBe([1, 2, 3, 4]);
    });

    [Fact]
    public void Only_the_archives_own_classes_are_modules()
    {
        Refused(Module("os.system", ("w", Tensor("0", 2)))).ShouldContain("'os.system', which is not part");
        Refused(Module("__torch__x.Net", ("w", Tensor("0", 2)))).ShouldContain("which is not part");
        Refused(Module("collections.OrderedDict", ("w", Tensor("0", 2)))).ShouldContain("NEWOBJ");
    }

    [Fact]
    public void What_would_need_the_program_is_refused()
    {
        // Arguments for the constructor; a state that is no dictionary; a call of the class; a class in place of a value.
        Refused([.. Global(Own), (byte)'K', 1, 0x85, 0x81, (byte)'}', (byte)'b']).ShouldContain("NEWOBJ");
        Refused([.. Global(Own), (byte)')', 0x81, (byte)'K', 1, (byte)'b']).ShouldContain("a way of its own");
        Refused([.. Global(Own), (byte)')', (byte)'R']).ShouldContain(Own);
        Refused(Module(Own, ("w", Global(Own)))).ShouldContain("a class");
    }

    [Fact]
    public void A_module_that_contains_itself_is_refused() =>
        // Its attributes hold the memo's first entry: the module.
        Refused([.. Global(Own), (byte)')', 0x81, (byte)'q', 0, (byte)'}', .. Text("me"), (byte)'h', 0, (byte)'s', (byte)'b']).ShouldContain("contain themselves");

    [Fact]
    public void Names_that_would_become_one_are_refused()
    {
        using var folder = new TemporaryFolder();
        var path = Archive(folder, Module(Own, ("a.w", Tensor("0", 2)), ("a", Module(Own, ("w", Tensor("1", 1))))));
        Should.Throw<InputException>(() => WeightFile.Open(path, scripts: true)).Message.ShouldContain("two tensors called");
    }

    [Fact]
    public void A_plain_checkpoint_has_no_modules_even_where_archives_are_read()
    {
        using var folder = new TemporaryFolder();
        var path = Archive(folder, Module(Own, ("w", Tensor("0", 2))), script: false);
        Should.Throw<InputException>(() => WeightFile.Open(path, scripts: true)).Message.ShouldContain("which is not part");
    }

    private static string Refused(byte[] pickle)
    {
        using var folder = new TemporaryFolder();
        var path = Archive(folder, pickle);
        return Should.Throw<InputException>(() => CheckpointFile.Open(path, scripts: true)).Message;
    }

    private static string Archive(TemporaryFolder folder, byte[] pickle, bool script = true)
    {
        var path = folder["a.pt"];
        using var archive = ZipFile.Open(path, ZipArchiveMode.Create, Encoding.UTF8);
        Put("data.pkl", [0x80, 2, .. pickle, (byte)'.']);
        Put("data/0", [.. BitConverter.GetBytes(1f), .. BitConverter.GetBytes(2f)]);
        Put("data/1", BitConverter.GetBytes(3f));
        if (script)
            Put("constants.pkl", [0x80, 2, (byte)')', (byte)'.']);
        return path;

        void Put(string name, byte[] content)
        {
            using var stream = archive.CreateEntry($"a/{name}", CompressionLevel.NoCompression).Open();
            stream.Write(content);
        }
    }

    /// <summary>An object of a class, and its attributes.</summary>
    private static byte[] Module(string type, params (string Name, byte[] Value)[] attributes) =>
        [.. Global(type), (byte)')', 0x81, (byte)'}', (byte)'(', .. attributes.SelectMany(a => (byte[])[.. Text(a.Name), .. a.Value]), (byte)'u', (byte)'b'];

    private static byte[] Tensor(string storage, byte count) =>
    [
        .. Global("torch._utils._rebuild_tensor_v2"), (byte)'(',
        (byte)'(', .. Text("storage"), .. Global("torch.FloatStorage"), .. Text(storage), .. Text("cpu"), (byte)'K', count, (byte)'t', (byte)'Q',
        (byte)'K', 0, (byte)'K', count, 0x85, (byte)'K', 1, 0x85, 0x89, .. Global("collections.OrderedDict"), (byte)')', (byte)'R', (byte)'t', (byte)'R',
    ];

    private static byte[] Global(string name) => Encoding.ASCII.GetBytes($"c{name[..name.LastIndexOf('.')]}\n{name[(name.LastIndexOf('.') + 1)..]}\n");

    private static byte[] Text(string text) => [(byte)'X', .. BitConverter.GetBytes(text.Length), .. Encoding.ASCII.GetBytes(text)];
}
