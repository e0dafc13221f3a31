using System.Text;
using System.Text.Json.Nodes;
using Graft.Conditions;
using Graft.Data;
using Graft.Formats;
using Graft.Formats.LatentDiffusion;
using Graft.Networks;

namespace Graft.Fuzz;

/// <content>Configurations of networks beside the U-Net, latent diffusion's yaml, items and conditions on disk.</content>
internal static partial class Parsers
{
    private static JsonObject Points => JsonNode.Parse(
        """{"_class_name": "GraftPointDenoiser", "blocks": 3, "dimensions": 2, "hidden_channels": 128, "num_class_embeds": null, "time_embedding_channels": 64, "timestep_scale": 1000}""")!.AsObject();

    private static JsonObject Sssd => JsonNode.Parse(
        """{"_class_name": "GraftSssdDenoiser", "in_channels": 8, "sample_length": 1000, "num_res_layers": 6, "res_channels": 32, "skip_channels": 32, "diffusion_step_embed_dim_in": 64, "diffusion_step_embed_dim_mid": 128, "diffusion_step_embed_dim_out": 128, "s4_lmax": 1000, "s4_d_state": 32, "s4_bidirectional": true, "s4_layernorm": true, "label_embed_dim": 32, "label_embed_classes": 71}""")!.AsObject();

    private static IEnumerable<FuzzedParser> Models() =>
    [
        Options("classifier-config", new ResNetClassifierOptions().ToJson(), ResNetClassifierOptions.FromJson, o => o.ParameterCount),
        Options("wide-resnet-config", new WideResNetOptions().ToJson(), WideResNetOptions.FromJson, o => o.ParameterCount.Trained),
        Options("xresnet1d-config", new XResNet1dOptions { Classes = ["NORM", "AFIB"], Unit = "mV" }.ToJson(), XResNet1dOptions.FromJson, o => o.ParameterCount.Trained),
        Options("sssd-config", Sssd, SssdDenoiserOptions.FromJson, o => o.ResChannels),
        Options("points-config", Points, PointDenoiserOptions.FromJson, o => o.Blocks),
        Options("sequence-unet-config", new SequenceUNetOptions { LabelEmbedClasses = 71 }.ToJson(), SequenceUNetOptions.FromJson, o => o.BlockOutChannels.Count),
        Options("ratio-config", new RatioNetworkOptions { ItemSizes = [1, 28, 28] }.ToJson(), RatioNetworkOptions.FromJson, o => o.Blocks),
        Options("first-stage-config", new VqAutoencoderOptions().ToJson(), VqAutoencoderOptions.FromJson, o => o.BlockOutChannels.Length),
        LatentDiffusionYaml(), SamplesInText(), SamplesInTensors(), Conditions(),
    ];

    private static FuzzedParser Options<T>(string name, JsonObject seed, Func<JsonObject, string, T> read, Func<T, long> use) => new()
    {
        Name = name,
        File = "model/config.json",
        Seeds = () => [Encoding.UTF8.GetBytes(seed.ToJsonString())],
        Mutators = Text,
        Open = _ => path => GC.KeepAlive(use(read(JsonStyle.ReadObject(path), path))),
    };

    private static FuzzedParser LatentDiffusionYaml() => new()
    {
        Name = "latent-diffusion-yaml",
        File = "input.yaml",
        Seeds = () => new[]
        {
            "model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    linear_start: 0.0015\n    linear_end: 0.0195\n    timesteps: 1000\n    scale_factor: 1.0\n    parameterization: eps\n    use_ema: False\n    unet_config:\n      params:\n        image_size: 64\n        num_heads: 1\n        num_head_channels: -1\n        use_spatial_transformer: true\n",
            "model: {params: {timesteps: 500, parameterization: x0, unet_config: {params: {image_size: 8, num_head_channels: 32}}}}\n",
        }.Select(Encoding.UTF8.GetBytes).ToArray(),
        Mutators = Text,
        Open = _ => path => GC.KeepAlive(LatentDiffusionOptions.FromYaml(path)),
        Allowance = 64 << 20, // values may come of aliases
    };

    private static FuzzedParser SamplesInText() => new()
    {
        Name = "samples-csv",
        File = "input.csv",
        Seeds = () => new[] { "x0,x1,label\n0.5,-0.25,1\n1e-3,7,0\n", "x0,x1,x2\n1,2,3\n4,5,6\n" }.Select(Encoding.UTF8.GetBytes).ToArray(),
        Mutators = Text,
        Open = _ => path => GC.KeepAlive(SampleFile.Read(path).Count),
    };

    private static FuzzedParser SamplesInTensors() => new()
    {
        Name = "samples-safetensors",
        File = "input.safetensors",
        Seeds = () => [Written("items.safetensors", folder => SampleFile.Write(Path.Combine(folder, "items.safetensors"), new SampleSet(new ItemShape(2), [1, 2, 3, 4, 5, 6], "points", [0, 1, 0])))],
        Mutators = [ByteMutator.Mutate, ContainerMutators.Safetensors, ContainerMutators.Safetensors],
        Open = _ => path => GC.KeepAlive(SampleFile.Read(path).Count),
    };

    private static FuzzedParser Conditions() => new()
    {
        Name = "conditions",
        File = "model/conditions.safetensors",
        Seeds = () => [Written(ConditionTable.FileName, folder => new ConditionTable([1, 2, 3, 4, 5, 6], ["a.png", "b.png"], [1, 0], ["cat", "dog"], ("an encoder", new string('a', 64)), "models/x").Write(folder))],
        Mutators = [ByteMutator.Mutate, ContainerMutators.Safetensors, ContainerMutators.Safetensors],
        Open = _ => path => GC.KeepAlive(ConditionTable.Read(Path.GetDirectoryName(path)!).Count),
        IsNative = true,
    };

    private static byte[] Written(string file, Action<string> write)
    {
        var folder = Directory.CreateTempSubdirectory("graft-fuzz-").FullName;
        try
        {
            write(folder);
            return File.ReadAllBytes(Path.Combine(folder, file));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
