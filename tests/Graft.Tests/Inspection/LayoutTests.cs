using System.Text.Json.Nodes;
using Graft.Inspection;

namespace Graft.Tests.Inspection;

public sealed class LayoutTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SharedTheory("reference/guided_diffusion")]
    [InlineData("gray_3levels_avgpool_new_order", "none")]
    [InlineData("heads2_legacy_order_fixed_var", "conv")]
    [InlineData("learn_sigma_class_cond_updown_new_order", "resnet")]
    [InlineData("learn_sigma_legacy_order_headch_legacy_file", "conv")]
    public void Openai_networks_are_told_from_their_shapes(string name, string resampling)
    {
        var folder = SharedFiles.Reference("guided_diffusion", name);
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "fixture.json")))!["model_config"]!;
        var model = ModelInspection.Of(Path.Combine(folder, "model.pt"));

        model.Layout.ShouldBe(WeightLayout.GuidedDiffusionUNet);
        var unet = model.Architecture!;
        var (channels, multipliers) = ((long)config["model_channels"]!, config["channel_mult"]!.AsArray().Select(m => (long)m!));
        unet.Levels.Select(l => l.Channels).ShouldBe(multipliers.Select(m => m * channels));
        unet.LayersPerBlock.ShouldBe((int)config["num_res_blocks"]!);
        unet.InChannels.ShouldBe((long)config["in_channels"]!);
        unet.OutChannels.ShouldBe((long)config["out_channels"]!);
        unet.ScaleShift.ShouldBe((bool)config["use_scale_shift_norm"]!);
        unet.Classes.ShouldBe((long?)config["num_classes"]);
        unet.Resampling.ShouldBe(resampling);
        // attention_resolutions are downsampling factors: 1 at level 0, 2 at level 1, ...
        var attending = config["attention_resolutions"]!.AsArray().Select(r => (int)r!).ToList();
        unet.Levels.Select((l, i) => (l.AttentionDown, l.AttentionUp)).ShouldBe(unet.Levels.Select((_, i) => (attending.Contains(1 << i), attending.Contains(1 << i))));
    }

    [SharedTheory("reference")]
    [InlineData(WeightLayout.GuidedDiffusionClassifier, "10 outputs, attention pooling", "classifier", "attention_pool", "classifier.pt")]
    [InlineData(WeightLayout.ClipVisionOpenAi, "pictures of 32, patches of 8, width 128, 2 layers", "clip", "vit_small", "openai.pt")]
    [InlineData(WeightLayout.ClipVisionHuggingFace, "pictures of 32, patches of 8, width 128, 2 layers", "clip", "vit_small", "hf")]
    [InlineData(WeightLayout.LpipsHeads, "AlexNet", "lpips", "lin_alex.safetensors")]
    [InlineData(WeightLayout.LpipsHeads, "VGG-16", "lpips", "lin_vgg.safetensors")]
    [InlineData(WeightLayout.LpipsHeads, "SqueezeNet", "lpips", "lin_squeeze.safetensors")]
    [InlineData(WeightLayout.SssdEcg, "2 residual blocks of S4 layers, 8 leads, label-conditional", "sssd", "label_conditional", "100.pkl")]
    [InlineData(WeightLayout.SssdEcg, "3 residual blocks of S4 layers, 2 leads", "sssd", "unconditional", "100.pkl")]
    [InlineData(WeightLayout.S4Layer, "S4", "sssd", "s4_causal", "model.safetensors")]
    public void Other_networks_are_recognised(WeightLayout layout, string words, params string[] path)
    {
        var model = ModelInspection.Of(SharedFiles.Reference(path));
        model.Layout.ShouldBe(layout);
        model.Description.ShouldContain(words);
        model.Prefixes.ShouldNotBeEmpty();
    }

    [Theory]
    [InlineData(WeightLayout.SqueezeNet, "SqueezeNet 1.1, features only", "features.0.weight:64,3,3,3 features.3.squeeze.weight:16,64,1,1")]
    [InlineData(WeightLayout.SqueezeNet, "SqueezeNet 1.0", "features.0.weight:96,3,7,7 features.3.squeeze.weight:16,96,1,1 classifier.1.weight:1000,512,1,1")]
    [InlineData(WeightLayout.AlexNet, "AlexNet", "features.0.weight:64,3,11,11 features.3.weight:192,64,5,5 features.6.weight:384,192,3,3 features.8.weight:256,384,3,3 features.10.weight:256,256,3,3")]
    [InlineData(WeightLayout.Vgg, "VGG-11", "features.0.weight:8,3,3,3 features.3.weight:8,8,3,3 features.6.weight:8,8,3,3 features.8.weight:8,8,3,3 features.11.weight:8,8,3,3 features.13.weight:8,8,3,3 features.16.weight:8,8,3,3 features.18.weight:8,8,3,3")]
    [InlineData(WeightLayout.HoUNet, "Ho et al.", "temb.dense.0.weight:8,8 down.0.block.0.norm1.weight:8 conv_in.weight:8,3,3,3")]
    [InlineData(WeightLayout.HoUNet, "Ho et al.", "module.temb.dense.0.weight:8,8 module.down.0.block.0.norm1.weight:8 module.conv_in.weight:8,3,3,3")]
    [InlineData(WeightLayout.LatentDiffusion, "latent diffusion, with its autoencoder", "model.diffusion_model.input_blocks.0.0.weight:8,4,3,3 first_stage_model.encoder.conv_in.weight:8,3,3,3")]
    [InlineData(WeightLayout.DiffusersUNet2DCondition, "text embeddings", "conv_in.weight:8,4,3,3 time_embedding.linear_1.weight:8,8 down_blocks.0.resnets.0.conv1.weight:8,8,3,3 mid_block.resnets.0.conv1.weight:8,8,3,3 down_blocks.0.attentions.0.transformer_blocks.0.norm1.weight:8")]
    [InlineData(WeightLayout.FidInception, "1008 outputs", "Conv2d_1a_3x3.conv.weight:8,3,3,3 Mixed_5b.branch1x1.conv.weight:8,8,1,1 fc.weight:1008,4")]
    [InlineData(WeightLayout.Unknown, "not the one of FID", "Conv2d_1a_3x3.conv.weight:8,3,3,3 Mixed_5b.branch1x1.conv.weight:8,8,1,1 fc.weight:1000,4")]
    public void Layouts_are_recognised_by_names_and_shapes(WeightLayout layout, string words, string tensors)
    {
        var path = ShapesFile.Write(_folder["weights.safetensors"], [.. tensors.Split(' ').Select(t => t.Split(':')).Select(t => (t[0], t[1].Split(',').Select(long.Parse).ToArray()))]);
        var model = ModelInspection.Of(path);
        model.Layout.ShouldBe(layout);
        model.Description.ShouldContain(words);
    }
}
