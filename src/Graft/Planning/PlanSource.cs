using Graft.Data;
using Graft.Hub;
using Graft.Inspection;
using Graft.Networks;

namespace Graft.Planning;

/// <summary>What a plan knows of a source model: its configuration and the size of its file. Nothing is loaded.</summary>
/// <param name="Path">The folder.</param>
/// <param name="Options">The network.</param>
/// <param name="Shape">Its pictures.</param>
/// <param name="Cost">What the network costs.</param>
public sealed record PlanSource(string Path, UNet2DOptions Options, ImageShape Shape, NetworkCost Cost)
{
    /// <summary>Looks at a model.</summary>
    /// <param name="path">A diffusers folder, or the hub id of a model that was pulled.</param>
    /// <exception cref="InputException">There is none, or it is no diffusion model of pictures.</exception>
    public static PlanSource Of(string path)
    {
        var folder = ModelReference.Resolve(path);
        var model = ModelInspection.Of(folder);
        if (model.Configuration is not { } options || !Directory.Exists(folder))
            throw new InputException($"The model {path} is no diffusers folder ({model.Description}): a plan needs a source with unet/ and scheduler/; `graft convert` makes one.");
        if (options.CrossAttentionDim is not null || Formats.Diffusers.FirstStageFolder.Is(folder))
            throw new InputException($"The model {path} denoises latents, of which nothing was measured that a plan could be made of: leave `graft plan` out for it.");
        if (model.PictureShape is not [var channels, > 0 and var height, > 0 and var width])
            throw new InputException($"The network configuration of {path} has no sample_size: add the edge of its pictures.");
        return new PlanSource(path, options, new ImageShape((int)channels, (int)height, (int)width), NetworkCost.Of(options, height, width));
    }
}
