using Graft.Diffusion;

namespace Graft.Tests.Cli;

/// <summary>Bad input ends in exit code 2 and one line, whatever it is.</summary>
public sealed class ErrorTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Bad_words_and_missing_files_are_one_line()
    {
        Refused("adapt", "--sorce", "x").ShouldContain("Unrecognized option '--sorce': `graft adapt --help`");
        Refused("sample", "model", "--seeds", "1", "--out", "x").ShouldContain("--seeds");
        Refused("sample", "model", "--out", "x", "--format", "gif").ShouldContain("give --format png or jpg");
        Refused("sample", "model", "--out", "x", "--format", "jpg", "--quality", "0").ShouldContain("from 1 to 100");
        Refused("sample", "model", "--out", "x", "--quality", "90").ShouldContain("add --format jpg");
        Refused("sample", _temporary["no-model"], "--out", _temporary["out"]).ShouldContain("There is no model at");
        Refused("pretrain", _temporary["no.yaml"]).ShouldContain("cannot be read");
        Refused("adapt", "--source", "x", "--target", "y", "--method", "finetune").ShouldContain("--out is missing");
        File.WriteAllText(_temporary["scalar.yaml"], "training: 5\nsource: x\ntarget: { folder: y }\nmethod: finetune\nout: z\n");
        Refused("adapt", _temporary["scalar.yaml"], "--steps", "3").ShouldContain("training");
        Refused("pretrain", "recipes/fashion-28.yaml", "--dry-run", "--set", "training.step=5").ShouldContain("training.step");
        Refused("pretrain", "recipes/fashion-features.yaml", "--dry-run", "--set", "augmentation.max_shifts=5").ShouldContain("augmentation.max_shifts");
        Refused("pretrain", "recipes/fashion-features.yaml", "--dry-run", "--set", "kind=regressor").ShouldContain("kind \"regressor\" is unknown");
    }

    [Theory]
    [InlineData("header_length_2_63.safetensors")]
    [InlineData("shape_product_overflow.safetensors")]
    [InlineData("is_lfs_pointer.safetensors")]
    public void Broken_weights_are_one_line(string name)
    {
        var malformed = Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "malformed", "safetensors");
        var broken = Path.Combine(malformed, name);
        File.Exists(broken).ShouldBeTrue(string.Join(' ', Directory.GetFiles(malformed).Select(Path.GetFileName)));
        TinyModel.Save(_temporary["model"], TinyModel.Network with { Dropout = 0.1 }, new ScheduleOptions { NumTrainTimesteps = 50 });
        File.Copy(broken, Path.Combine(_temporary["model"], "unet", "diffusion_pytorch_model.safetensors"), overwrite: true);
        Refused("sample", _temporary["model"], "--out", _temporary["out"]).ShouldContain("diffusion_pytorch_model.safetensors");
        Directory.Exists(_temporary["out"]).ShouldBeFalse();
    }

    [Fact]
    public void A_target_of_broken_pictures_is_one_line()
    {
        TinyModel.Save(_temporary["model"], TinyModel.Network with { Dropout = 0.1 }, new ScheduleOptions { NumTrainTimesteps = 50 });
        var images = Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "malformed", "image");
        Directory.CreateDirectory(_temporary["target"]);
        foreach (var name in (string[])["png_truncated.png", "png_bad_zlib.png", "jpeg_garbage.jpg", "jpeg_is_html.jpg"])
            File.Copy(Path.Combine(images, name), _temporary[Path.Combine("target", name)]);
        Refused("adapt", "--source", _temporary["model"], "--target", _temporary["target"], "--method", "finetune", "--out", _temporary["out"])
            .ShouldContain("None of the 4 picture files");
        Directory.Exists(_temporary["out"]).ShouldBeFalse();
    }

    private static string Refused(params string[] arguments)
    {
        var (code, output, errors) = GraftProgram.Run(arguments);
        code.ShouldBe(2, string.Join('\n', errors));
        output.ShouldBeEmpty();
        var line = errors[^1];
        line.ShouldStartWith("error: ");
        errors.SkipLast(1).ShouldAllBe(l => l.StartsWith("warning: ", StringComparison.Ordinal)); // of the tiny model's schedule
        line.ShouldEndWith(".");
        return line;
    }
}
