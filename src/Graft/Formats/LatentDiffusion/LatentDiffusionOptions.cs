using Graft.Diffusion;

namespace Graft.Formats.LatentDiffusion;

/// <summary>
/// What the tensors of a latent diffusion checkpoint do not show, by the keys of CompVis' yaml files. All may be left out for the models that
/// CompVis published, which are known by their shapes (<see cref="LatentDiffusionFile.Describe"/>).
/// </summary>
public sealed record LatentDiffusionOptions
{
    /// <summary><c>image_size</c>: edge of the latents, 64 of cin256-v2.</summary>
    public int? ImageSize { get; init; }

    /// <summary><c>num_heads</c>: heads of every attention layer, 1 of cin256-v2.</summary>
    public int? NumHeads { get; init; }

    /// <summary><c>num_head_channels</c>: channels of a head, where models have that instead.</summary>
    public int? NumHeadChannels { get; init; }

    /// <summary><c>timesteps</c>; null: as many as the file's <c>betas</c>, else 1000.</summary>
    public int? Timesteps { get; init; }

    /// <summary><c>linear_start</c>; null: the first of the file's <c>betas</c>, else 0.0015.</summary>
    public double? LinearStart { get; init; }

    /// <summary><c>linear_end</c>; null: the last of the file's <c>betas</c>, else 0.0195.</summary>
    public double? LinearEnd { get; init; }

    /// <summary><c>scale_factor</c>: what latents are multiplied by; null: the file's, else 1.</summary>
    public double? ScaleFactor { get; init; }

    /// <summary><c>parameterization</c>: <see cref="PredictionType.Epsilon"/> (eps) or <see cref="PredictionType.Sample"/> (x0).</summary>
    public PredictionType PredictionType { get; init; } = PredictionType.Epsilon;

    /// <summary>Whether the averaged weights (<c>model_ema</c>) are read; null: where there are any.</summary>
    public bool? Ema { get; init; }

    /// <summary>Reads CompVis' yaml file of a model, as <c>configs/latent-diffusion/cin256-v2.yaml</c>.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InputException">It is missing or no such configuration, or describes what is not supported.</exception>
    public static LatentDiffusionOptions FromYaml(string path) => LatentDiffusionYaml.Read(path);
}
