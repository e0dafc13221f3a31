using Graft.Tests.Formats.LatentDiffusion;

namespace Graft.Tests.Cli;

/// <summary>A checkpoint of latent diffusion as a user has it: inspected, converted, sampled from.</summary>
public sealed class LatentTests : IDisposable
{
    private const string Yaml = """
        model:
          params:
            linear_start: 0.0015
            linear_end: 0.0195
            timesteps: 1000
            unet_config:
              params:
                image_size: 8
                num_heads: 1
        """;

    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_checkpoint_becomes_a_folder_that_draws_decoded_pictures()
    {
        var weights = new LatentFixture("class").Write(_temporary["model.safetensors"]);
        File.WriteAllText(_temporary["model.yaml"], Yaml);
        GraftProgram.Run("inspect", weights).Output.ShouldContain("autoencoder: 951,110 parameters");

        var (code, output, errors) = GraftProgram.Run("convert", weights, _temporary["saved"]);
        code.ShouldBe(2);
        string.Join('\n', errors).ShouldContain("num_heads");

        (code, output, errors) = GraftProgram.Run("convert", weights, _temporary["saved"], "--config", _temporary["model.yaml"], "--dry-run");
        code.ShouldBe(0, string.Join('\n', errors));
        output.ShouldContain("spatial transformers over a context of width 16, 5 classes, latents of 8 x 8");
        output.ShouldContain("a codebook of 24 vectors of 3, pictures 4 times as high and wide as latents");
        Directory.Exists(_temporary["saved"]).ShouldBeFalse();

        GraftProgram.Run("convert", weights, _temporary["saved"], "--config", _temporary["model.yaml"]).Code.ShouldBe(0);
        GraftProgram.Run("inspect", _temporary["saved"]).Output.ShouldContain("3 x 32 x 32");
        GraftProgram.Run("sample", _temporary["saved"], "-n", "1", "--steps", "1", "--device", "cpu", "--out", _temporary["pictures"]).Code.ShouldBe(0);
        File.Exists(_temporary["pictures/00000.png"]).ShouldBeTrue();

        (code, _, errors) = GraftProgram.Run("plan", "--source", _temporary["saved"], "--images", "10");
        code.ShouldBe(2);
        string.Join('\n', errors).ShouldContain("denoises latents");
    }
}
