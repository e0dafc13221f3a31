using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Formats;
using Graft.Networks;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Networks;

public class UNet2DParityTests
{
    [SharedTheory("reference/unet2d")]
    [InlineData("old_cifar_quirks")]
    [InlineData("old_library_defaults")]
    [InlineData("old_class_conditional")]
    [InlineData("old_scale_shift_gray28")]
    [InlineData("new_celebahq_quirks")]
    [InlineData("new_library_defaults")]
    [InlineData("new_class_conditional")]
    [InlineData("new_scale_shift_gray28")]
    [InlineData("new_learned_sigma_out6_noattn")]
    public void Output_and_gradients_equal_those_of_diffusers(string name) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var folder = SharedFiles.Reference("unet2d", name);
        var fixture = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "fixture.json")))!;
        using var io = WeightFile.Open(Path.Combine(folder, "io.safetensors"));
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "unet", "config.json")))!.AsObject();
        using var weights = WeightFile.Open(Path.Combine(folder, "unet", "diffusion_pytorch_model.safetensors"));
        using var network = new UNet2D(UNet2DOptions.FromJson(config, name), weights.Contains("mid_block.attentions.0.group_norm.weight"));
        network.Load(n => weights.Contains(n) ? weights.Read(n) : weights.Read(n.Replace(".to_q.", ".query.").Replace(".to_k.", ".key.").Replace(".to_v.", ".value.").Replace(".to_out.0.", ".proj_attn.")), name);
        network.ParameterCount.ShouldBe((long)fixture["parameters"]!);
        network.RequireGrad(true);
        var x = io.Read("x");
        x.RequiresGrad = true;
        var condition = io.Contains("class_labels") ? new Condition { ClassLabels = io.Read("class_labels") } : null;
        var output = network.Predict(x, io.Read("t"), condition);
        output.ShouldMatch(io.Read("sample"), fixture["tolerance"]!["sample"]!, "sample");
    });
}
