using System.Text;
using System.Text.Json.Nodes;
using Graft.Adapters;
using Graft.Data;
using Graft.Diffusion;
using Graft.Formats;
using Graft.Formats.GuidedDiffusion;
using Graft.Hub;
using Graft.Recipes;
using Graft.Torch;
using Graft.Transfer;

namespace Graft.Fuzz;

/// <content>YAML, CSV, JSON and flags.</content>
internal static partial class Parsers
{
    private static Mutator[] Text => [ByteMutator.Mutate, TextMutator.Mutate, TextMutator.Mutate, TextMutator.Mutate];

    private static FuzzedParser RecipeFile() => new()
    {
        Name = "recipe",
        File = "input.yaml",
        Seeds = () => [.. Directory.EnumerateFiles(Path.Combine(Repository, "recipes"), "*.yaml").Order(StringComparer.Ordinal).Select(File.ReadAllBytes)],
        Mutators = Text,
        Open = _ => path =>
        {
            var json = Recipe.Read(path);
            Recipe.ApplySize(json, json["sizes"] is JsonObject ? "ci" : null);
            if (json.ContainsKey("network") || json.ContainsKey("data"))
                PretrainRecipes.Bind(json).Check();
            else
                Recipe.Bind<AdaptRecipe>(json, "recipe").CreateMethod();
        },
        NamesFile = false,
        Allowance = 64 << 20, // 100,000 values may come of aliases
    };

    private static FuzzedParser Labels() => new()
    {
        Name = "labels",
        File = "input.csv",
        Seeds = () => new[]
        {
            "file_name,label\na.png,1\nb.png,0\nsub/c.png,12\n",
            "file_name,label\r\n\"a, b.png\",\"black \"\"cat\"\"\"\r\n.\\x.png,dog\r\n\r\nc.png,\"two\nlines\"\r\n",
            "\ufefflabel;x,file_name,other,label\n1,a.png,q,zebra\n2,b.png,,ant\n",
        }.Select(Encoding.UTF8.GetBytes).ToArray(),
        Mutators = Text,
        Open = _ => path => LabelTable.Read(path, "file_name", "label").ToClasses("label"),
    };

    private static FuzzedParser AdapterConfiguration() => new()
    {
        Name = "adapter-config",
        File = "adapter/adapter_config.json",
        Seeds = () =>
        [
            """{"base_model_name_or_path": "source", "bias": "none", "fan_in_fan_out": false, "graft": {"source_fingerprint": "ab", "source_from_here": "../source"}, "lora_alpha": 2.0, "peft_type": "LORA", "r": 2, "target_modules": ["to_q", "mid_block.resnets.0.conv1"]}"""u8.ToArray(),
            """{"base_model_name_or_path": null, "graft": {"source_fingerprint": null, "source_from_here": null}, "peft_type": "GRAFT_BOTTLENECK", "width": 4}"""u8.ToArray(),
        ],
        Mutators = Text,
        Open = folder =>
        {
            var source = DiffusionModel.Load(CopyModel(Path.Combine(folder, "source"), "new_class_conditional"));
            Directory.CreateDirectory(Path.Combine(folder, "adapter"));
            return path => TorchRuntime.Run(() =>
            {
                var configuration = AdapterFolder.Read(Path.GetDirectoryName(path)!);
                configuration.FindSource(null);
                TransferMethods.RestoreAttachment(configuration.Kind, source.Network, configuration.Json, configuration.Folder).Dispose();
            });
        },
        IsNative = true,
    };

    private static FuzzedParser NetworkConfiguration() => new()
    {
        Name = "network-config",
        File = "model/unet/config.json",
        Seeds = () => [File.ReadAllBytes(Fixture("unet2d", "new_class_conditional", "unet", "config.json")), File.ReadAllBytes(Fixture("unet2d", "old_cifar_quirks", "unet", "config.json"))],
        Mutators = Text,
        Open = OpenModel,
        IsNative = true,
    };

    private static FuzzedParser SchedulerConfiguration() => new()
    {
        Name = "scheduler-config",
        File = "model/scheduler/scheduler_config.json",
        Seeds = () =>
        [
            .. new[] { "new_class_conditional", "old_cifar_quirks" }.Select(m => File.ReadAllBytes(Fixture("unet2d", m, "scheduler", "scheduler_config.json"))),
            """{"num_train_timesteps": 4, "trained_betas": [0.1, 0.2, 0.3, 0.4], "timestep_spacing": "trailing", "rescale_betas_zero_snr": true, "prediction_type": "v_prediction"}"""u8.ToArray(),
        ],
        Mutators = Text,
        Open = _ => path => GC.KeepAlive(new NoiseSchedule(ScheduleOptions.FromJson(JsonStyle.ReadObject(path)))),
        NamesFile = false,
        Allowance = 512L << 20, // tables of up to 1,000,000 steps
    };

    private static FuzzedParser Flags() => new()
    {
        Name = "flags",
        File = "flags.txt",
        Seeds = () => new[]
        {
            "--attention_resolutions 32,16,8 --class_cond True --diffusion_steps 1000 --image_size 256 --learn_sigma True --noise_schedule linear --num_channels 256 --num_head_channels 64 --num_res_blocks 2 --resblock_updown True --use_fp16 True --use_scale_shift_norm True",
            "--image_size=64 \\\n --channel_mult '1,2,3,4' --dropout 0.1 --num_heads 4 --num_heads_upsample -1 --sigma_small false --predict_xstart yes --rescale_timesteps t --timestep_respacing ddim25 --noise_schedule cosine --diffusion_steps 4000",
            "--classifier_width 128 --classifier_depth 2 --classifier_pool attention --classifier_attention_resolutions 32,16,8 --classifier_use_scale_shift_norm True --classifier_resblock_updown True --classifier_use_fp16 True",
        }.Select(Encoding.UTF8.GetBytes).ToArray(),
        Mutators = Text,
        Open = _ => path =>
        {
            var flags = GuidedDiffusionFlags.Parse(Encoding.UTF8.GetString(File.ReadAllBytes(path)));
            flags.Schedule(learnsVariance: true);
            flags.TimestepScale();
            GuidedDiffusionFlags.Parse(flags.ToString());
        },
        NamesFile = false,
        LongestSentence = 900, // of which the names of all flags are 600
    };

    private static FuzzedParser Record() => new()
    {
        Name = "url-record",
        File = "input.bin" + UrlRecord.Extension,
        Seeds = () =>
        [
            Encoding.UTF8.GetBytes($$"""{"url": "https://example.org/a.bin", "sha256": "{{new string('a', 64)}}", "size": 12, "modified": 638000000000000000}"""),
        ],
        Mutators = Text,
        Open = _ => path => UrlRecord.Read(path[..^UrlRecord.Extension.Length]),
    };

    private static Action<string> OpenModel(string folder)
    {
        var model = CopyModel(Path.Combine(folder, "model"), "new_class_conditional");
        return _ => DiffusionModel.Load(model).Dispose();
    }

    private static string CopyModel(string folder, string name)
    {
        foreach (var file in (ReadOnlySpan<string>)["model_index.json", "scheduler/scheduler_config.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors"])
        {
            var copy = Path.Combine(folder, file);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(Path.Combine(Fixture("unet2d", name), file), copy, overwrite: true);
        }

        return folder;
    }
}
