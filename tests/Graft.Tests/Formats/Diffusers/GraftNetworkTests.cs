using System.Text.Json.Nodes;
using Graft.Inspection;
using Graft.Tests.Formats.GuidedDiffusion;
using Graft.Torch;

namespace Graft.Tests.Formats.Diffusers;

/// <summary>Networks that diffusers lacks: written under another class name, and only with the keys that they use.</summary>
public sealed class GraftNetworkTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_network_that_diffusers_lacks_has_another_class_and_survives_a_round_trip()
    {
        var folder = TinyGuidedModel.SaveOwn(_temporary["model"]);
        var config = Config(folder);
        ((string)config["_class_name"]!).ShouldBe("GraftUNet2DModel");
        JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "model_index.json")))!["unet"]!.ToJsonString().ShouldBe("""["graft","GraftUNet2DModel"]""");
        ((double)config["timestep_scale"]!).ShouldBe(0.25);
        ((bool)config["conv_resample"]!).ShouldBeFalse();
        using var model = DiffusionModel.Load(folder);
        model.Save(_temporary["again"]);
        foreach (var file in (string[])["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors"])
            File.ReadAllBytes(_temporary[$"again/{file}"]).ShouldBe(File.ReadAllBytes(Path.Combine(folder, file)), file);

        var inspection = ModelInspection.Of(folder);
        inspection.Description.ShouldContain("attention_heads, attention_heads_upsample, conv_resample, timestep_scale, time_embedding_channels, which diffusers lacks");
        inspection.UnknownKeys.ShouldBeEmpty();
        inspection.Warnings.ShouldBeEmpty();
        inspection.Architecture!.Resampling.ShouldBe("none");
    }

    [Fact]
    public void A_network_of_diffusers_has_none_of_the_keys()
    {
        var config = Config(TinyGuidedModel.SavePlain(_temporary["model"]));
        ((string)config["_class_name"]!).ShouldBe("UNet2DModel");
        foreach (var key in (string[])["attention_heads", "attention_heads_upsample", "conv_resample", "timestep_scale", "time_embedding_channels"])
            config.ContainsKey(key).ShouldBeFalse(key);
    }

    [Theory]
    [InlineData("_class_name", "\"UNet2DModel\"", "which diffusers' UNet2DModel lacks: set _class_name to GraftUNet2DModel")]
    [InlineData("attention_heads", "3", "not a multiple of its attention heads")]
    [InlineData("attention_heads_upsample", "0", "must be positive")]
    [InlineData("attention_heads", "null", "attention_heads_upsample needs attention_heads")]
    [InlineData("timestep_scale", "-1", "timestep_scale must be above 0")]
    [InlineData("time_embedding_channels", "0", "time_embedding_channels must lie between")]
    [InlineData("time_embedding_type", "\"fourier\"", "need a positional time embedding")]
    [InlineData("time_embedding_channels", "32", "time_embedding.linear_1.weight is [256, 64] where config.json asks for [128, 32]")]
    public void Keys_that_cannot_be_are_refused(string key, string value, string reason)
    {
        var folder = TinyGuidedModel.SaveOwn(_temporary["model"]);
        var config = Config(folder);
        config[key] = JsonNode.Parse(value);
        File.WriteAllText(Path.Combine(folder, "unet", "config.json"), config.ToJsonString());
        Should.Throw<InputException>(() => DiffusionModel.Load(folder)).Message.ShouldContain(reason);
    }

    [Fact]
    public void Timestep_scale_multiplies_the_step() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var scaled = TinyModel.Create(TinyGuidedModel.Own);
        using var plain = TinyModel.Create(TinyGuidedModel.Own with { TimestepScale = 1 });
        var x = new KeyedRandom(1, "x").Normal(0, [0, 1], [1, 8, 8]);
        var due = plain.Denoiser.Predict(x, Tensor.From([2.5f, 250f], 2)).ToArray<float>();
        scaled.Denoiser.Predict(x, Tensor.From([10L, 1000L], 2)).ToArray<float>().ShouldBe(due);
        plain.Denoiser.Predict(x, Tensor.From([10L, 1000L], 2)).ToArray<float>().ShouldNotBe(due);
    });

    private static JsonObject Config(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "unet", "config.json")))!.AsObject();
}
