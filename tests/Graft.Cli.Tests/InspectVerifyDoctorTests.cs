using System.Text.Json.Nodes;

namespace Graft.Tests.Cli;

public class InspectVerifyDoctorTests
{
    private static readonly string Model = Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "unet2d", "new_class_conditional");

    [Fact]
    public void Inspect_says_what_a_model_is()
    {
        var (code, output, errors) = GraftProgram.Run("inspect", Model, "--parameters");
        code.ShouldBe(0, string.Join('\n', errors));
        output.ShouldContain("diffusers UNet2DModel");
        output.ShouldContain("86,899 parameters");
        output.ShouldContain("class_embedding.weight");

        (code, output, _) = GraftProgram.Run("inspect", Model, "--json");
        code.ShouldBe(0);
        ((long)JsonNode.Parse(output)!["parameter_count"]!).ShouldBe(86899);
    }

    [Fact]
    public void Inspect_refuses_what_is_not_there()
    {
        var (code, output, errors) = GraftProgram.Run("inspect", "/nowhere/at/all");
        code.ShouldBe(2);
        output.ShouldBeEmpty();
        errors[^1].ShouldContain("There is no file /nowhere/at/all");
    }

    [Fact]
    public void Verify_answers_with_its_exit_code()
    {
        var reference = Path.Combine(Model, "io.safetensors");
        var (code, output, errors) = GraftProgram.Run("verify", Model, reference, "--device", "cpu");
        code.ShouldBe(0, string.Join('\n', errors));
        output.ShouldContain("within the tolerance");

        GraftProgram.Run("verify", Model, reference, "--tolerance", "1e-12", "--device", "cpu").Code.ShouldBe(1);

        (code, _, errors) = GraftProgram.Run("verify", Model, Path.Combine(Model, "unet", "diffusion_pytorch_model.safetensors"));
        code.ShouldBe(2);
        errors[^1].ShouldContain("holds no tensor 'x'");
    }

    [Fact]
    public void Doctor_says_what_to_do_when_libtorch_is_missing_and_inspect_does_not_need_it()
    {
        using var copy = new TemporaryFolder();
        foreach (var file in Directory.EnumerateFiles(GraftProgram.Folder).Where(f => !f.EndsWith("libgraft_torch.so")))
            File.Copy(file, copy[Path.GetFileName(file)]);

        var (code, output, _) = GraftProgram.RunIn(copy.Path, "doctor", "--json");
        code.ShouldBe(1);
        var findings = JsonNode.Parse(output)!["findings"]!.AsArray();
        var libtorch = findings.Single(f => (string)f!["name"]! == "libtorch")!;
        ((string)libtorch["status"]!).ShouldBe("fail");
        ((string)libtorch["detail"]!).ShouldContain("is missing");

        var weights = Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "formats", "all_dtypes.safetensors");
        var (inspected, text, errors) = GraftProgram.RunIn(copy.Path, "inspect", weights);
        inspected.ShouldBe(0, string.Join('\n', errors));
        text.ShouldContain("a layout that is not known here");
    }
}
