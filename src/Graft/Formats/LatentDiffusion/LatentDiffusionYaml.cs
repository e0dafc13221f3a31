using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Recipes;

namespace Graft.Formats.LatentDiffusion;

/// <summary>CompVis' yaml files, as <c>configs/latent-diffusion/cin256-v2.yaml</c>: what they say beyond the shapes of the checkpoint.</summary>
internal static class LatentDiffusionYaml
{
    /// <exception cref="InputException">The file is missing or no such configuration, or describes what is not supported.</exception>
    internal static LatentDiffusionOptions Read(string path)
    {
        if (Below(Recipe.Read(path), "model", "params") is not { } model || Below(model, "unet_config", "params") is not { } unet)
            throw new InputException($"The file {path} has no model.params.unet_config.params: give the yaml of a latent diffusion model.");
        if (Text(model, "beta_schedule") is not (null or "linear"))
            throw new InputException($"The beta_schedule of {path} is {FileFault.Quote(Text(model, "beta_schedule")!)}: linear can be read.");
        if (Text(unet, "use_linear_in_transformer") is { } linear && !False(linear))
            throw new InputException($"The network of {path} has use_linear_in_transformer, which is not supported.");
        if (Text(unet, "use_new_attention_order") is { } order && !False(order))
            throw new InputException($"The network of {path} has use_new_attention_order, which is not supported.");
        return new LatentDiffusionOptions
        {
            ImageSize = Whole(unet, "image_size"),
            NumHeads = Given(Whole(unet, "num_heads")),
            NumHeadChannels = Given(Whole(unet, "num_head_channels")),
            Timesteps = Whole(model, "timesteps"),
            LinearStart = Number(model, "linear_start"),
            LinearEnd = Number(model, "linear_end"),
            ScaleFactor = Number(model, "scale_factor"),
            PredictionType = Text(model, "parameterization") switch
            {
                null or "eps" => PredictionType.Epsilon,
                "x0" => PredictionType.Sample,
                var other => throw new InputException($"The parameterization of {path} is {FileFault.Quote(other)}: eps and x0 can be read."),
            },
            Ema = Text(model, "use_ema") is { } average && False(average) ? false : null, // it is on where nothing is said, and files may be without it
        };

        int? Whole(JsonObject json, string key) => Number(json, key) is not { } number ? null
            : number is >= -1 and <= int.MaxValue && number == Math.Floor(number) ? (int)number
            : throw new InputException($"{key} of {path} is {json[key]!.ToJsonString()}: a whole number is due.");

        double? Number(JsonObject json, string key) => json[key] switch
        {
            null => null,
            JsonValue value when value.TryGetValue<double>(out var number) => number,
            JsonValue value when value.TryGetValue<long>(out var number) => number,
            var other => throw new InputException($"{key} of {path} is {FileFault.Shorten(other.ToJsonString())}: a number is due."),
        };
    }

    private static JsonObject? Below(JsonObject json, string key, string inner) => (json[key] as JsonObject)?[inner] as JsonObject;

    /// <summary>-1 stands for "not given" there.</summary>
    private static int? Given(int? number) => number == -1 ? null : number;

    private static string? Text(JsonObject json, string key) => json[key] is JsonValue value ? value.ToString() : null;

    private static bool False(string text) => text.Equals("false", StringComparison.OrdinalIgnoreCase);
}
