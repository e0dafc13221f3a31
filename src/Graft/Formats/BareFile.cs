using Graft.Formats.GuidedDiffusion;
using Graft.Inspection;

namespace Graft.Formats;

/// <summary>Says why a bare weight file is no model, and what makes it one.</summary>
internal static class BareFile
{
    internal static string Refusal(string path)
    {
        var plain = $"{path} is a file; a model is a folder with unet/ and scheduler/ (`graft inspect` tells what a bare weight file holds).";
        try
        {
            using var file = WeightFile.Open(path);
            return LayoutRecogniser.Of(GuidedDiffusionFile.ShapesOf(file)).Layout switch
            {
                WeightLayout.GuidedDiffusionUNet =>
                    $"{path} is a file of bare guided-diffusion weights: make a model of it with `graft convert {path} FOLDER --model-flags \"...\"`, with the flags that it was trained with.",
                WeightLayout.DiffusersUNet2D =>
                    $"{path} is a file of bare weights of a diffusers UNet2DModel: make a model of it with `graft convert {path} FOLDER --config CONFIG`, with its config.json and scheduler_config.json.",
                WeightLayout.LatentDiffusion =>
                    $"{path} is a checkpoint of latent diffusion: make a model of it with `graft convert {path} FOLDER`, where it is none that CompVis published with `--config` and its yaml.",
                _ => plain,
            };
        }
        catch (InputException)
        {
            return plain; // a file that is no weight file at all, or a broken one: inspect says which
        }
    }
}
