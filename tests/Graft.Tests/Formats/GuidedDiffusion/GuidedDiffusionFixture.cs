using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Formats;
using Graft.Formats.GuidedDiffusion;

namespace Graft.Tests.Formats.GuidedDiffusion;

/// <summary>A network of openai's with its numbers, and the flags that its arguments are.</summary>
internal sealed class GuidedDiffusionFixture
{
    public GuidedDiffusionFixture(string name)
    {
        var folder = SharedFiles.Reference("guided_diffusion", name);
        Json = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "fixture.json")))!;
        (Weights, Numbers) = (Path.Combine(folder, "model.pt"), Path.Combine(folder, "io.safetensors"));
    }

    public static IReadOnlyList<string> All { get; } =
    [
        "heads2_legacy_order_fixed_var", "learn_sigma_class_cond_updown_new_order",
        "learn_sigma_legacy_order_headch_legacy_file", "gray_3levels_avgpool_new_order",
    ];

    public static TheoryData<string> Names => [.. All];

    /// <summary>The arguments of <c>classifier/attention_pool</c> as flags.</summary>
    public static GuidedDiffusionFlags ClassifierFlags => GuidedDiffusionFlags.Parse(
        "--num_head_channels 16 --image_size 16 --classifier_width 32 --classifier_depth 1 --classifier_resblock_updown True --classifier_use_scale_shift_norm True --classifier_attention_resolutions 8");

    public JsonNode Json { get; }

    public string Weights { get; }

    public string Numbers { get; }

    /// <summary>The arguments as the scripts' flags: attention_resolutions of UNetModel are factors, those of the scripts edges.</summary>
    public string Flags
    {
        get
        {
            var (model, diffusion) = (Json["model_config"]!, Json["diffusion_config"]!);
            var size = (int)model["image_size"]!;
            return $"--image_size {size} --num_channels {model["model_channels"]} --num_res_blocks {model["num_res_blocks"]}"
                + $" --attention_resolutions {string.Join(',', model["attention_resolutions"]!.AsArray().Select(f => size / (int)f!))}"
                + $" --channel_mult {string.Join(',', model["channel_mult"]!.AsArray())} --num_heads {model["num_heads"]}"
                + $" --num_head_channels {model["num_head_channels"]} --num_heads_upsample={model["num_heads_upsample"]}"
                + $" --use_scale_shift_norm {Truth(model, "use_scale_shift_norm")} --resblock_updown {Truth(model, "resblock_updown")}"
                + $" --use_new_attention_order {Truth(model, "use_new_attention_order")} --class_cond {model["num_classes"] is not null}"
                + $" --learn_sigma {Truth(diffusion, "learn_sigma")} --sigma_small {Truth(diffusion, "sigma_small")}"
                + $" --predict_xstart {Truth(diffusion, "predict_xstart")} --rescale_timesteps {Truth(diffusion, "rescale_timesteps")}"
                + $" --diffusion_steps {(int?)diffusion["steps"] ?? 1000} --noise_schedule {(string?)diffusion["noise_schedule"] ?? "linear"}";
        }
    }

    public DiffusionModel Load() => DiffusionModel.LoadGuidedDiffusion(Weights, GuidedDiffusionFlags.Parse(Flags));

    /// <summary>The stored classes of the first items (all if null), where the network is conditional.</summary>
    public static Condition? Condition(WeightFile io, long? items = null) =>
        io.Contains("y") ? new Condition { ClassLabels = io.Read("y").Slice(0, 0, items ?? io.Describe("y").Shape[0]) } : null;

    private static bool Truth(JsonNode json, string key) => (bool?)json[key] ?? false;
}
