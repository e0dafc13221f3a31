using Graft.Hub;

namespace Graft.Tests.Hub;

public class FileSelectionTests
{
    [Fact]
    public void By_default_what_graft_reads_is_taken_once()
    {
        Taken(["config.json", "diffusion_pytorch_model.bin", "README.md", "a.png"]).ShouldBe(["config.json", "diffusion_pytorch_model.bin"]);
        Taken(["m.bin", "m.safetensors", "n.bin", "sub/m.bin"]).ShouldBe(["m.safetensors", "n.bin", "sub/m.bin"]);
        Taken(["pytorch_model.bin", "model.safetensors"]).ShouldBe(["model.safetensors"]);
        Taken(["m-00001-of-00002.bin", "m-00002-of-00002.bin", "m.bin.index.json", "m.safetensors"]).ShouldBe(["m.safetensors"]);
        Taken(["m-00001-of-00002.bin", "m-00002-of-00002.bin", "m.bin.index.json"]).ShouldBe(["m-00001-of-00002.bin", "m-00002-of-00002.bin", "m.bin.index.json"]);
        Taken(["m.bin", "m-00001-of-00001.safetensors", "m.safetensors.index.json"]).ShouldBe(["m-00001-of-00001.safetensors", "m.safetensors.index.json"]);
        Taken(["u/m.safetensors", "u/m.fp16.safetensors", "v/m.fp16.safetensors"]).ShouldBe(["u/m.safetensors", "v/m.fp16.safetensors"]);
    }

    [Fact]
    public void Patterns_are_those_of_huggingface_hub()
    {
        string[] all = ["README.md", "unet/config.json", "unet/deep/w.pt", "vae/config.json"];
        FileSelection.Of(all, ["*.pt"], []).Taken.ShouldBe(["unet/deep/w.pt"]);
        FileSelection.Of(all, ["unet/"], []).Taken.ShouldBe(["unet/config.json", "unet/deep/w.pt"]);
        FileSelection.Of(all, [], ["vae/*"]).Taken.ShouldBe(["unet/config.json"]);
        var (taken, left) = FileSelection.Of(all, ["?EADME.md", "unet*"], ["*.pt"]);
        taken.ShouldBe(["README.md", "unet/config.json"]);
        left.Select(l => (l.Path, l.Why)).ShouldBe([("unet/deep/w.pt", "excluded"), ("vae/config.json", "not included")]);
    }

    private static IReadOnlyList<string> Taken(string[] paths) => FileSelection.Of(paths, [], []).Taken;
}
