using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Sampling;
using Graft.Tests.Networks;
using Graft.Torch;

namespace Graft.Tests.Formats.Diffusers;

/// <summary>Broken model folders: one sentence that says what and where, and no memory for sizes that are only claimed.</summary>
public sealed class DiffusersFolderFaultTests : IDisposable
{
    private const string Network = "unet/config.json";
    private const string Scheduler = "scheduler/scheduler_config.json";
    private const string Weights = "unet/diffusion_pytorch_model.safetensors";

    private static readonly string[] NastyValues =
    [
        "null", "0", "-1", "7", "1000000000", "9223372036854775807", "1e30", "1e999", "-0.5", "0.3", "true", "\"x\"", "\"\"", "\"\\ud800\"",
        "[]", "{}", "[1,2,3]", "[null]", "[0,0]", "[[8]]", "NaN", "[1000000000,1000000000]", "\"sample\"", "\"scale_shift\"", "\"fourier\"", "\"learned\"",
    ];

    private readonly TemporaryFolder _temporary = new();
    private readonly string _folder;

    public DiffusersFolderFaultTests() => _folder = UNet2DFixtures.CopyTo(_temporary["model"], "new_class_conditional");

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData(Network, "holds no model")]
    [InlineData(Scheduler, "has no scheduler/scheduler_config.json")]
    [InlineData(Weights, "has no weights")]
    public void A_missing_file_is_named(string file, string due)
    {
        File.Delete(Path.Combine(_folder, file));
        Refused().ShouldContain(due);
    }

    [Theory]
    [InlineData(Network, "")]
    [InlineData(Network, "{\"sample_size\": 16")]
    [InlineData(Network, "[1]")]
    [InlineData(Network, "null")]
    [InlineData(Network, "{\"a\": 1, \"a\": 2}")]
    [InlineData(Network, "{\"a\": \"\\ud800\"}")]
    [InlineData(Scheduler, "not JSON")]
    [InlineData(Scheduler, "{\"beta_start\": NaN}")]
    [InlineData(Scheduler, "{\"clip_sample\": true, \"clip_sample\": false}")]
    [InlineData("model_index.json", "{")]
    public void What_is_no_JSON_object_is_refused(string file, string text)
    {
        File.WriteAllText(Path.Combine(_folder, file), text);
        Refused().ShouldContain(file);
    }

    [Theory]
    [InlineData("_class_name", "\"UNet2DConditionModel\"", "UNet2DConditionModel")]
    [InlineData("_class_name", "5", "is a 5")]
    [InlineData("sample_size", null, "no sample_size")]
    [InlineData("sample_size", "0", "sample_size 0")]
    [InlineData("sample_size", "-16", "sample_size -16")]
    [InlineData("sample_size", "15", "multiples of 2")]
    [InlineData("sample_size", "16.5", "16.5")]
    [InlineData("sample_size", "100000", "no size of pictures")]
    [InlineData("sample_size", "[16]", "sample_size")]
    [InlineData("sample_size", "[16, null]", "sample_size")]
    [InlineData("sample_size", "\"large\"", "large")]
    [InlineData("norm_num_groups", "0", "norm_num_groups")]
    [InlineData("norm_num_groups", "5", "multiple of norm_num_groups")]
    [InlineData("attention_head_dim", "0", "attention_head_dim")]
    [InlineData("block_out_channels", "[8, 1000000000]", "block_out_channels 1000000000")]
    [InlineData("block_out_channels", "[8, 32768]", "config.json asks for [32768, 8, 3, 3]")] // more than 38 GB, were it made first
    [InlineData("block_out_channels", "[8, -8]", "block_out_channels -8")]
    [InlineData("block_out_channels", "[]", "one entry for each level")]
    [InlineData("layers_per_block", "99", "down_blocks.0.resnets.1.conv1.weight is missing")]
    [InlineData("in_channels", "32768", "conv_in.weight")]
    [InlineData("out_channels", "6", "conv_out.weight")]
    [InlineData("num_class_embeds", "999999", "class_embedding.weight")]
    [InlineData("num_class_embeds", null, "1 tensors that the configuration does not account for")]
    [InlineData("down_block_types", "[\"DownBlock2D\", \"CrossAttnDownBlock2D\"]", "CrossAttnDownBlock2D")]
    [InlineData("down_block_types", "[\"DownBlock2D\", null]", "down block type")]
    [InlineData("down_block_types", "[\"DownBlock2D\", \"DownBlock2D\"]", "does not account for")]
    [InlineData("up_block_types", "[\"AttnUpBlock2D\", \"AttnUpBlock2D\"]", "is missing")]
    [InlineData("act_fn", "\"tanh\"", "act_fn 'tanh'")]
    [InlineData("dropout", "1.5", "dropout")]
    [InlineData("norm_eps", "-1", "norm_eps")]
    [InlineData("mid_block_scale_factor", "0", "mid_block_scale_factor")]
    [InlineData("downsample_padding", "3", "downsample_padding")]
    [InlineData("resnet_time_scale_shift", "\"scale_shift\"", "do not fit")]
    [InlineData("time_embedding_type", "\"learned\"", "num_train_timesteps")]
    public void A_configuration_that_cannot_be_is_refused(string key, string? value, string due)
    {
        Set(Network, key, value);
        Refused().ShouldContain(due);
    }

    [Fact]
    public void A_surplus_tensor_is_refused()
    {
        Rewrite(tensors => tensors.Append(new NamedTensor("down_blocks.0.attentions.0.to_q.weight", Tensor.Ones([24, 24]))));
        Refused().ShouldContain("1 tensors that the configuration does not account for, as 'down_blocks.0.attentions.0.to_q.weight'");
    }

    [Fact]
    public void A_tensor_of_another_shape_is_refused()
    {
        Rewrite(tensors => tensors.Select(t => t.Name == "conv_norm_out.weight" ? t with { Value = Tensor.Ones([4, 2]) } : t));
        Refused().ShouldContain("conv_norm_out.weight is Float32[4, 2] where Float32[8] is due");
    }

    [Fact]
    public void A_missing_tensor_is_named()
    {
        Rewrite(tensors => tensors.Where(t => t.Name != "mid_block.resnets.1.conv2.bias"));
        Refused().ShouldContain("mid_block.resnets.1.conv2.bias is missing");
    }

    [Fact]
    public void Old_and_new_names_of_one_parameter_are_refused()
    {
        Rewrite(tensors => tensors.Append(new NamedTensor("mid_block.attentions.0.query.weight", Tensor.Ones([24, 24]))));
        Refused().ShouldContain("which are one parameter");
    }

    [Fact]
    public void No_model_at_all_is_said()
    {
        Should.Throw<InputException>(() => DiffusionModel.Load(_temporary["nothing"])).Message.ShouldContain("There is no model at");
        Should.Throw<InputException>(() => DiffusionModel.Load(Path.Combine(_folder, Weights))).Message.ShouldContain("is a file");
    }

    [Fact]
    public void Refused_models_leave_no_tensors() => TorchRuntime.Run(() =>
    {
        Set(Scheduler, "beta_start", "-1");
        Refused();
        var before = TorchRuntime.LiveTensors;
        Refused();
        Set(Network, "act_fn", "\"tanh\"");
        Refused();
        TorchRuntime.LiveTensors.ShouldBe(before);
    });

    [Theory]
    [InlineData(Network)]
    [InlineData(Scheduler)]
    public void Damaged_bytes_end_in_success_or_a_sentence(string file)
    {
        var target = Path.Combine(_folder, file);
        var parser = Parsers.Find(file == Network ? "network-config" : "scheduler-config") with
        {
            Open = _ => path =>
            {
                File.Copy(path, target, overwrite: true);
                TryLoad();
            },
            NamesFile = false, // the folder is this test's
        };
        using var fuzzer = new Fuzzer(parser, seed: 2);
        fuzzer.Run(0, 500).Faults.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(Network)]
    [InlineData(Scheduler)]
    public void Nasty_values_end_in_success_or_a_sentence(string file)
    {
        var original = File.ReadAllText(Path.Combine(_folder, file));
        var keys = JsonNode.Parse(original)!.AsObject().Select(p => p.Key).Concat(["trained_betas", "num_train_timesteps", "class_embed_type", "attn_norm_num_groups"]).Distinct();
        foreach (var key in keys)
        {
            foreach (var value in NastyValues)
            {
                File.WriteAllText(Path.Combine(_folder, file), original);
                Set(file, key, value);
                try
                {
                    TryLoad();
                }
                catch (InputException e)
                {
                    ShouldBeOneSentence(e);
                }
                catch (Exception e)
                {
                    throw new Xunit.Sdk.XunitException($"{key} = {value}: {e}", e);
                }
            }
        }
    }

    /// <summary>What loads must also work.</summary>
    private void TryLoad()
    {
        using var model = DiffusionModel.Load(_folder);
        if (model.Shape.Elements <= 3 * 64 * 64)
            model.Sample(1, Sampler.Ddim(1));
    }

    private string Refused()
    {
        var e = Should.Throw<InputException>(() => DiffusionModel.Load(_folder).Dispose());
        ShouldBeOneSentence(e);
        return e.Message;
    }

    private static void ShouldBeOneSentence(InputException e)
    {
        e.Message.ShouldEndWith(".");
        e.Message.ShouldNotContain("\n");
    }

    /// <summary>Sets a key to raw text, which need not be JSON; null removes it.</summary>
    private void Set(string file, string key, string? value)
    {
        var path = Path.Combine(_folder, file);
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        json.Remove(key);
        var text = json.ToJsonString();
        File.WriteAllText(path, value is null ? text : $"{text[..^1]}, \"{key}\": {value}}}");
    }

    private void Rewrite(Func<IEnumerable<NamedTensor>, IEnumerable<NamedTensor>> change) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var path = Path.Combine(_folder, Weights);
        NamedTensor[] tensors;
        using (var file = WeightFile.Open(path))
            tensors = [.. file.Names.Select(n => new NamedTensor(n, file.Read(n)))];
        WeightFile.Write(path, [.. change(tensors)]);
    });
}
