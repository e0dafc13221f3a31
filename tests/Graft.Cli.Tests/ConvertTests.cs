using System.Text.Json.Nodes;
using Graft.Formats;

namespace Graft.Tests.Cli;

/// <summary><c>graft convert</c> as a user calls it.</summary>
public sealed class ConvertTests : IDisposable
{
    private const string Flags = "--image_size 8 --num_channels 32 --channel_mult=1,1 --num_res_blocks 1 --attention_resolutions 4 --num_heads 2 --noise_schedule linear";
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Weights_of_guided_diffusion_become_a_folder_that_draws_and_go_back()
    {
        var weights = GuidedWeights("ema_0.9999_000100.safetensors", "module.");
        var (code, output, errors) = GraftProgram.Run("convert", weights, _temporary["dry"], "--model-flags", Flags, "--dry-run");
        code.ShouldBe(0, string.Join('\n', errors));
        output.ShouldContain("channels 32, 32");
        output.ShouldContain("legacy attention order");
        output.ShouldContain("names begin with 'module.'");
        output.ShouldContain("the scripts' defaults hold: --use_new_attention_order False --diffusion_steps 1000 --predict_xstart False");
        Directory.Exists(_temporary["dry"]).ShouldBeFalse();

        (code, output, errors) = GraftProgram.Run("convert", weights, _temporary["model"], "--model-flags", Flags);
        code.ShouldBe(0, string.Join('\n', errors));
        output.ShouldContain("The model is in");
        var config = JsonNode.Parse(File.ReadAllText(_temporary["model/unet/config.json"]))!;
        ((string)config["_class_name"]!).ShouldBe("UNet2DModel");
        ((long)config["attention_head_dim"]!).ShouldBe(16);
        ((int)config["sample_size"]!).ShouldBe(8);
        config.AsObject().ContainsKey("conv_resample").ShouldBeFalse();
        var schedule = JsonNode.Parse(File.ReadAllText(_temporary["model/scheduler/scheduler_config.json"]))!;
        ((string)schedule["variance_type"]!).ShouldBe("fixed_large");
        GraftProgram.Run("sample", _temporary["model"], "-n", "1", "--steps", "1", "--device", "cpu", "--out", _temporary["pictures"]).Code.ShouldBe(0);

        (code, output, errors) = GraftProgram.Run("convert", _temporary["model"], _temporary["back.safetensors"], "--names", "guided-diffusion", "--attention-order", "new");
        code.ShouldBe(0, string.Join('\n', errors));
        output.ShouldContain("--use_new_attention_order True");
        GraftProgram.Run("convert", _temporary["back.safetensors"], _temporary["again"]).Code.ShouldBe(0);
        File.ReadAllBytes(_temporary["again/unet/diffusion_pytorch_model.safetensors"]).ShouldBe(File.ReadAllBytes(_temporary["model/unet/diffusion_pytorch_model.safetensors"]));
    }

    [Fact]
    public void What_cannot_be_is_one_line_and_exit_code_2()
    {
        var weights = GuidedWeights("model.safetensors", "");
        Refused(weights, _temporary["x"]).ShouldContain("give the flags that it was trained with, as --model-flags");
        Refused(weights, _temporary["x"], "--model-flags", "--image_size=8").ShouldContain("do not show how many heads");
        Refused(weights, _temporary["x"], "--model-flags", "--num_heads 2").ShouldContain("add --image_size");
        Refused(weights, _temporary["x"], "--model-flags", Flags + " --speed 3").ShouldContain("'--speed' is unknown");
        Refused(weights, _temporary["x"], "--model-flags", Flags.Replace("--num_channels 32", "--num_channels 64")).ShouldContain("--num_channels is 64, but the shapes");
        Refused(weights, _temporary["x"], "--model-flags", Flags + " --diffusion_steps 4000").ShouldContain("--rescale_timesteps");
        Refused(weights, _temporary["x"], "--model-flags", Flags + " --attention_resolutions 8").ShouldContain("show no attention at 8 x 8");
        Refused(weights, _temporary["x"], "--names", "openai").ShouldContain("openai");
        Refused(weights, _temporary["x"], "--modelflags", Flags).ShouldContain("--modelflags");
        Refused(weights, weights, "--force").ShouldContain("are one");
        Refused(_temporary["nowhere"], _temporary["x"]).ShouldContain("There is no file or folder");
        Path.Exists(_temporary["x"]).ShouldBeFalse();

        // A bare file is no model, and what makes it one is said.
        var (code, _, errors) = GraftProgram.Run("sample", weights, "--out", _temporary["pictures"]);
        code.ShouldBe(2);
        errors[^1].ShouldContain($"graft convert {weights} FOLDER --model-flags \"...\"");
    }

    /// <summary>A network of two levels of 32 channels, attention at the second, under openai's names.</summary>
    private string GuidedWeights(string name, string prefix)
    {
        var tensors = new List<TensorData>();
        Layer("time_embed.0", 128, 32);
        Layer("time_embed.2", 128, 128);
        Layer("input_blocks.0.0", 32, 3, 3, 3);
        Block("input_blocks.1.0", 32);
        Layer("input_blocks.2.0.op", 32, 32, 3, 3);
        Block("input_blocks.3.0", 32);
        Attention("input_blocks.3.1");
        Block("middle_block.0", 32);
        Attention("middle_block.1");
        Block("middle_block.2", 32);
        foreach (var i in (int[])[0, 1])
        {
            Block($"output_blocks.{i}.0", 64);
            Attention($"output_blocks.{i}.1");
        }

        Layer("output_blocks.1.2.conv", 32, 32, 3, 3);
        Block("output_blocks.2.0", 64);
        Block("output_blocks.3.0", 64);
        Layer("out.0", 32);
        Layer("out.2", 3, 32, 3, 3);
        SafetensorsWriter.Write(_temporary[name], null, tensors);
        return _temporary[name];

        void Layer(string layer, params long[] shape)
        {
            Tensor(layer + ".weight", shape);
            Tensor(layer + ".bias", shape[0]);
        }

        void Block(string block, long inputs)
        {
            Layer($"{block}.in_layers.0", inputs);
            Layer($"{block}.in_layers.2", 32, inputs, 3, 3);
            Layer($"{block}.emb_layers.1", 32, 128);
            Layer($"{block}.out_layers.0", 32);
            Layer($"{block}.out_layers.3", 32, 32, 3, 3);
            if (inputs != 32)
                Layer($"{block}.skip_connection", 32, inputs, 1, 1);
        }

        void Attention(string block)
        {
            Layer($"{block}.norm", 32);
            Layer($"{block}.qkv", 96, 32, 1);
            Layer($"{block}.proj_out", 32, 32, 1);
        }

        void Tensor(string tensor, params long[] shape)
        {
            var bytes = new byte[4 * shape.Aggregate(1L, (a, b) => a * b)];
            for (var i = 0; i < bytes.Length / 4; i++)
                BitConverter.TryWriteBytes(bytes.AsSpan(4 * i), 0.1f * MathF.Sin(i + tensor.Length));
            tensors.Add(new TensorData(prefix + tensor, Torch.DType.Float32, shape, bytes));
        }
    }

    private static string Refused(string input, string output, params string[] options)
    {
        var (code, text, errors) = GraftProgram.Run(["convert", input, output, .. options]);
        code.ShouldBe(2, string.Join('\n', errors));
        text.ShouldBeEmpty();
        return errors.ShouldHaveSingleItem();
    }
}
