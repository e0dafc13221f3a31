using Graft.Diffusion;
using Graft.Formats.LatentDiffusion;

namespace Graft.Tests.Formats.LatentDiffusion;

public sealed class LatentDiffusionYamlTests : IDisposable
{
    private const string Model = """
        model:
          target: ldm.models.diffusion.ddpm.LatentDiffusion
          params:
            linear_start: 0.0015
            linear_end: 0.0155
            timesteps: 1000
            use_ema: False
            unet_config:
              params:
                image_size: 32
                attention_resolutions: [1, 2]
                num_head_channels: 32
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_shapes_do_not_show_is_taken_from_it()
    {
        Read(Model).ShouldBe(new LatentDiffusionOptions { ImageSize = 32, NumHeadChannels = 32, Timesteps = 1000, LinearStart = 0.0015, LinearEnd = 0.0155, Ema = false });
        Read(Model.Replace("use_ema: False", "scale_factor: 0.25").Replace("num_head_channels: 32", "num_heads: 8\n        num_head_channels: -1"))
            .ShouldBe(new LatentDiffusionOptions { ImageSize = 32, NumHeads = 8, Timesteps = 1000, LinearStart = 0.0015, LinearEnd = 0.0155, ScaleFactor = 0.25 });
        Read(Model.Replace("use_ema: False", "parameterization: x0")).PredictionType.ShouldBe(PredictionType.Sample);
    }

    [Theory]
    [InlineData("unet_config", "other_config", "no model.params.unet_config.params")]
    [InlineData("timesteps: 1000", "timesteps: [1]", "timesteps")]
    [InlineData("image_size: 32", "image_size: 32.5", "image_size")]
    [InlineData("use_ema: False", "parameterization: w", "parameterization")]
    [InlineData("use_ema: False", "beta_schedule: cosine", "beta_schedule")]
    [InlineData("num_head_channels: 32", "use_linear_in_transformer: True", "use_linear_in_transformer")]
    [InlineData("num_head_channels: 32", "use_new_attention_order: True", "use_new_attention_order")]
    public void What_cannot_be_is_said(string from, string to, string named) =>
        Should.Throw<InputException>(() => Read(Model.Replace(from, to, StringComparison.Ordinal))).Message.ShouldContain(named);

    private LatentDiffusionOptions Read(string yaml)
    {
        File.WriteAllText(_folder["model.yaml"], yaml);
        return LatentDiffusionOptions.FromYaml(_folder["model.yaml"]);
    }
}
