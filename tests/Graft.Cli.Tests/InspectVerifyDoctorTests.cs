using System.Text.Json.Nodes;
using Graft.Tests;

namespace Graft.Cli.Tests;

public class InspectVerifyDoctorTests
{
    private const string Model = "reference/unet2d/old_class_conditional";

    [SharedFact(Model)]
    public void Inspect_says_what_a_model_is()
    {
        var folder = Path.Combine(SharedFiles.Shared, Model);
        var (code, output, error) = CommandLine.Run("inspect", folder, "--parameters");
        code.ShouldBe(0, error);
        output.ShouldContain("diffusers UNet2DModel");
        output.ShouldContain("86,899 parameters");
        output.ShouldContain("class_embedding.weight");

        (code, output, _) = CommandLine.Run("inspect", folder, "--json");
        code.ShouldBe(0);
        ((long)JsonNode.Parse(output)!["parameter_count"]!).ShouldBe(86899);
    }

    [Fact]
    public void Inspect_refuses_what_is_not_there()
    {
        var (code, output, error) = CommandLine.Run("inspect", "/nowhere/at/all");
        code.ShouldBe(2);
        output.ShouldBeEmpty();
        error.ShouldContain("There is no file /nowhere/at/all");
    }

    [SharedFact(Model)]
    public void Verify_answers_with_its_exit_code()
    {
        var folder = Path.Combine(SharedFiles.Shared, Model);
        var reference = Path.Combine(folder, "io.safetensors");
        var (code, output, error) = CommandLine.Run("verify", folder, reference, "--device", "cpu");
        code.ShouldBe(0, error);
        output.ShouldContain("within the tolerance");

        CommandLine.Run("verify", folder, reference, "--tolerance", "1e-12", "--device", "cpu").Code.ShouldBe(1);

        (code, _, error) = CommandLine.Run("verify", folder, Path.Combine(folder, "unet", "diffusion_pytorch_model.safetensors"));
        code.ShouldBe(2);
        error.ShouldContain("holds no tensor 'x'");
    }

    [Fact]
    public void Doctor_says_what_to_do_when_libtorch_is_missing_and_inspect_does_not_need_it()
    {
        using var copy = new TemporaryFolder();
        foreach (var file in Directory.EnumerateFiles(CommandLine.Folder).Where(f => !f.EndsWith("libgraft_torch.so")))
            File.Copy(file, copy[Path.GetFileName(file)]);

        var (code, output, _) = CommandLine.RunIn(copy.Path, "doctor", "--json");
        code.ShouldBe(1);
        var findings = JsonNode.Parse(output)!["findings"]!.AsArray();
        var libtorch = findings.Single(f => (string)f!["name"]! == "libtorch")!;
        ((string)libtorch["status"]!).ShouldBe("fail");
        ((string)libtorch["detail"]!).ShouldContain("is missing");

        var weights = Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "formats", "all_dtypes.safetensors");
        var (inspected, text, error) = CommandLine.RunIn(copy.Path, "inspect", weights);
        inspected.ShouldBe(0, error);
        text.ShouldContain("a layout that is not known here");
    }
}
