using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Formats.GuidedDiffusion;
using Graft.Sampling;
using Graft.Tests.Formats.GuidedDiffusion;
using Graft.Torch;

namespace Graft.Tests.Formats;

public sealed class ModelConversionTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData(true, AttentionOrder.Legacy)]
    [InlineData(true, AttentionOrder.New)]
    [InlineData(false, AttentionOrder.Legacy)]
    [InlineData(false, AttentionOrder.New)]
    public void A_folder_goes_to_openai_s_names_and_back_bit_for_bit(bool plain, AttentionOrder order)
    {
        var folder = plain ? TinyGuidedModel.SavePlain(_temporary["model"]) : TinyGuidedModel.SaveOwn(_temporary["model"]);
        var bare = _temporary["guided.safetensors"];
        ModelConversion.Plan(folder, bare, new ConversionOptions { Names = WeightNames.GuidedDiffusion, AttentionOrder = order }).Run();
        CheckOrder(folder, bare, order, heads: 4);

        // The flags are in the file, so that they need not be given.
        var back = ModelConversion.Plan(bare, _temporary["back"]);
        back.Lines.ShouldContain(l => l.Text.Contains("flags from the file itself"));
        back.Run();
        foreach (var file in (string[])["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json"])
            File.ReadAllBytes(Path.Combine(_temporary["back"], file)).ShouldBe(File.ReadAllBytes(Path.Combine(folder, file)), file);

        using var direct = DiffusionModel.LoadGuidedDiffusion(bare);
        using var converted = DiffusionModel.Load(_temporary["back"]);
        direct.Fingerprint().ShouldBe(converted.Fingerprint());
        // A folder's schedule has single precision: a value on the edge between two grey levels may go either way.
        var (ours, theirs) = (direct.Sample(1, Sampler.Ddim(2))[0].ToArray(), converted.Sample(1, Sampler.Ddim(2))[0].ToArray());
        ours.Zip(theirs, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThanOrEqualTo(1);
    }

    [SharedTheory("reference/guided_diffusion")]
    [MemberData(nameof(GuidedDiffusionFixture.Names), MemberType = typeof(GuidedDiffusionFixture))]
    public void A_checkpoint_goes_through_a_folder_bit_for_bit(string name)
    {
        var fixture = new GuidedDiffusionFixture(name);
        var flags = GuidedDiffusionFlags.Parse(fixture.Flags);
        ModelConversion.Plan(fixture.Weights, _temporary["folder"], new ConversionOptions { ModelFlags = flags }).Run();
        var own = flags.UseNewAttentionOrder == true ? AttentionOrder.New : AttentionOrder.Legacy;
        var other = own == AttentionOrder.New ? AttentionOrder.Legacy : AttentionOrder.New;
        foreach (var order in (AttentionOrder[])[own, other])
        {
            var bare = _temporary[$"{order}.safetensors"];
            ModelConversion.Plan(_temporary["folder"], bare, new ConversionOptions { Names = WeightNames.GuidedDiffusion, AttentionOrder = order }).Run();
            ModelConversion.Plan(bare, _temporary[$"{order}"]).Run();
            File.ReadAllBytes(Path.Combine(_temporary[$"{order}"], "unet/diffusion_pytorch_model.safetensors"))
                .ShouldBe(File.ReadAllBytes(Path.Combine(_temporary["folder"], "unet/diffusion_pytorch_model.safetensors")));
        }

        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var before = WeightFile.Open(fixture.Weights);
            using var after = WeightFile.Open(_temporary[$"{own}.safetensors"]);
            after.Names.Order().ShouldBe(before.Names.Order());
            foreach (var tensor in before.Names)
            {
                after.Describe(tensor).Shape.ShouldBe(before.Describe(tensor).Shape, tensor);
                after.Read(tensor).ToBytes().ShouldBe(before.Read(tensor).ToBytes(), tensor);
            }
        });

        using var direct = fixture.Load();
        using var converted = DiffusionModel.Load(_temporary["folder"]);
        converted.Fingerprint().ShouldBe(direct.Fingerprint());
        converted.Schedule.Options.VarianceType.ShouldBe(direct.Schedule.Options.VarianceType);
        converted.Network.Options.ToJson().ToJsonString().ShouldBe(direct.Network.Options.ToJson().ToJsonString());
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(_temporary["folder"], "unet", "config.json")))!;
        ((string)config["_class_name"]!).ShouldBe(name.StartsWith("gray") ? "GraftUNet2DModel" : "UNet2DModel");
        ((string)JsonNode.Parse(File.ReadAllText(Path.Combine(_temporary["folder"], "model_index.json")))!["unet"]![0]!).ShouldBe(name.StartsWith("gray") ? "graft" : "diffusers");
    }

    [Fact]
    public void Bare_weights_under_diffusers_names_need_their_configuration()
    {
        var folder = TinyGuidedModel.SavePlain(_temporary["model"]);
        var bare = _temporary["bare.safetensors"];
        ModelConversion.Plan(folder, bare).Run();
        File.ReadAllBytes(bare).ShouldBe(File.ReadAllBytes(Path.Combine(folder, "unet/diffusion_pytorch_model.safetensors")));
        Refused(bare, _temporary["back"]).ShouldContain("give --config");
        foreach (var config in (string[])["", "unet/config.json", "scheduler/scheduler_config.json", "unet"])
        {
            var back = _temporary["back-" + config.Length];
            ModelConversion.Plan(bare, back, new ConversionOptions { Configuration = Path.Combine(folder, config) }).Run();
            using var model = DiffusionModel.Load(back);
            using var due = DiffusionModel.Load(folder);
            model.Fingerprint().ShouldBe(due.Fingerprint());
        }

        Refused(bare, _temporary["x"], new ConversionOptions { Configuration = _temporary["nowhere"] }).ShouldContain("There is no file or folder");
        Refused(bare, _temporary["x"], new ConversionOptions { Configuration = bare }).ShouldContain("give a config.json");
        Refused(bare, _temporary["x"], new ConversionOptions { ModelFlags = new GuidedDiffusionFlags() }).ShouldContain("--model-flags is for guided-diffusion weights");
    }

    [Fact]
    public void An_output_that_is_there_stays_unless_it_is_a_model_and_force_is_given()
    {
        var folder = TinyGuidedModel.SavePlain(_temporary["model"]);
        var other = TinyGuidedModel.SaveOwn(_temporary["other"]);
        var before = File.ReadAllBytes(Path.Combine(other, "unet/config.json"));
        Refused(folder, other).ShouldContain("is there already: give another name, or --force");
        File.ReadAllBytes(Path.Combine(other, "unet/config.json")).ShouldBe(before);
        ModelConversion.Plan(folder, other, new ConversionOptions { Force = true }).Run();
        File.ReadAllBytes(Path.Combine(other, "unet/config.json")).ShouldNotBe(before);

        File.WriteAllText(Path.Combine(other, "notes.txt"), "mine");
        Refused(folder, other, new ConversionOptions { Force = true }).ShouldContain("holds more than a model, as 'notes.txt'");
        Refused(folder, folder, new ConversionOptions { Force = true }).ShouldContain("are one, or one is inside the other");
        Refused(folder, Path.Combine(folder, "unet", "new")).ShouldContain("one is inside the other");
        Refused(folder, _temporary["x.pt"]).ShouldContain("would be a pickle");
        Refused(folder, _temporary["x"], new ConversionOptions { Names = WeightNames.GuidedDiffusion }).ShouldContain("ends in .safetensors");
        Refused(folder, _temporary["x.safetensors"], new ConversionOptions { AttentionOrder = AttentionOrder.New }).ShouldContain("needs --names guided-diffusion");
        Refused(_temporary["nowhere"], _temporary["x"]).ShouldContain("There is no file or folder");
        Refused(_temporary.Path, Path.Combine(Path.GetTempPath(), "graft-never-written")).ShouldContain("holds no model");
        Directory.EnumerateFileSystemEntries(_temporary.Path).Select(Path.GetFileName).Order().ShouldBe(["model", "other"]);
    }

    [Theory]
    [InlineData("flip_sin_to_cos", "false", "flip_sin_to_cos false or a freq_shift")]
    [InlineData("freq_shift", "1", "flip_sin_to_cos false or a freq_shift")]
    [InlineData("time_embedding_type", "\"fourier\"", "its time embedding is fourier")]
    [InlineData("norm_eps", "1e-6", "norm_eps is 1E-06")]
    [InlineData("norm_num_groups", "16", "norm_num_groups is 16")]
    [InlineData("act_fn", "\"gelu\"", "act_fn is gelu")]
    [InlineData("mid_block_scale_factor", "1.4", "mid_block_scale_factor")]
    [InlineData("add_attention", "false", "its middle does not attend")]
    [InlineData("attn_norm_num_groups", "16", "no group norm of 32 groups")]
    [InlineData("attention_head_dim", "48", "its heads vary in width")]
    [InlineData("downsample_padding", "0", "downsample_padding is 0")]
    [InlineData("sample_size", "[8, 16]", "one edge of square pictures")]
    [InlineData("sample_size", "null", "one edge of square pictures")]
    [InlineData("up_block_types", "[\"UpBlock2D\", \"UpBlock2D\"]", "attends on one way only")]
    [InlineData("downsample_type", "\"resnet\"", "some by residual blocks")]
    public void What_openai_s_network_cannot_be_is_refused_in_a_sentence(string key, string value, string reason)
    {
        var options = TinyGuidedModel.Plain with
        {
            DownBlockTypes = ["AttnDownBlock2D", "AttnDownBlock2D"], UpBlockTypes = ["AttnUpBlock2D", "AttnUpBlock2D"],
            DownsampleType = "conv", UpsampleType = "conv", ResnetTimeScaleShift = "default", AttnNormNumGroups = null,
        };
        var folder = TinyModel.Save(_temporary["model"], options, TinyGuidedModel.LearnedRange);
        var path = Path.Combine(folder, "unet", "config.json");
        var config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        config[key] = JsonNode.Parse(value);
        if (key == "attention_head_dim")
            config["block_out_channels"] = new JsonArray(32, 96);
        File.WriteAllText(path, config.ToJsonString());
        var message = Refused(folder, _temporary["x.safetensors"], new ConversionOptions { Names = WeightNames.GuidedDiffusion });
        message.ShouldContain("cannot be written in guided-diffusion's names");
        message.ShouldContain(reason);
    }

    [Theory]
    [InlineData("beta_schedule", "\"scaled_linear\"", "beta_schedule is ScaledLinear")]
    [InlineData("beta_end", "0.03", "where guided-diffusion's runs from")]
    [InlineData("prediction_type", "\"v_prediction\"", "predicts v")]
    [InlineData("variance_type", "\"fixed_small\"", "variance_type is not learned_range")]
    [InlineData("rescale_betas_zero_snr", "true", "zero SNR")]
    public void What_openai_s_schedule_cannot_be_is_refused_in_a_sentence(string key, string value, string reason)
    {
        var folder = TinyGuidedModel.SavePlain(_temporary["model"]);
        var path = Path.Combine(folder, "scheduler", "scheduler_config.json");
        var config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        config[key] = JsonNode.Parse(value);
        File.WriteAllText(path, config.ToJsonString());
        Refused(folder, _temporary["x.safetensors"], new ConversionOptions { Names = WeightNames.GuidedDiffusion }).ShouldContain(reason);
    }

    private static string Refused(string input, string output, ConversionOptions? options = null) =>
        Should.Throw<InputException>(() => ModelConversion.Plan(input, output, options)).Message;

    /// <summary>The rows of a qkv layer against those of the folder, by the definition of the two orders.</summary>
    private static void CheckOrder(string folder, string bare, AttentionOrder order, int heads) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var guided = WeightFile.Open(bare);
        using var diffusers = WeightFile.Open(Path.Combine(folder, "unet/diffusion_pytorch_model.safetensors"));
        guided.Metadata["attention_order"].ShouldBe(order == AttentionOrder.New ? "new" : "legacy");
        guided.Metadata["graft_model_flags"].ShouldContain($"--use_new_attention_order {order == AttentionOrder.New}");
        foreach (var parameter in (string[])["weight", "bias"])
        {
            var qkv = guided.Read($"middle_block.1.qkv.{parameter}");
            var width = qkv.Size(0) / 3;
            var row = qkv.Count / qkv.Size(0);
            var joined = qkv.ToArray<float>();
            var size = width / heads;
            var part = 0;
            foreach (var name in (string[])["query", "key", "value"])
            {
                var own = diffusers.Read($"mid_block.attentions.0.{name}.{parameter}").ToArray<float>();
                for (var i = 0; i < own.Length; i++)
                {
                    var (channel, column) = (i / row, i % row);
                    var (head, c) = (channel / size, channel % size);
                    var at = order == AttentionOrder.New ? (part * width) + channel : (head * 3 * size) + (part * size) + c;
                    joined[(at * row) + column].ShouldBe(own[i]);
                }

                part++;
            }
        }
    });
}
