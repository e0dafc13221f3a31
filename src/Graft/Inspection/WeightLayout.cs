namespace Graft.Inspection;

/// <summary>Whose names a weight file uses.</summary>
public enum WeightLayout
{
    /// <summary>None that is known here.</summary>
    Unknown,

    /// <summary>diffusers' <c>UNet2DModel</c>.</summary>
    DiffusersUNet2D,

    /// <summary>diffusers' <c>UNet2DConditionModel</c>, which takes text embeddings.</summary>
    DiffusersUNet2DCondition,

    /// <summary>openai's <c>UNetModel</c> (improved- and guided-diffusion).</summary>
    GuidedDiffusionUNet,

    /// <summary>openai's <c>EncoderUNetModel</c>: a classifier of noised pictures.</summary>
    GuidedDiffusionClassifier,

    /// <summary>CompVis' latent diffusion: openai's U-Net, mostly with cross-attention, and an autoencoder.</summary>
    LatentDiffusion,

    /// <summary>The U-Net of Ho et al. (2020) as the PyTorch ports name it.</summary>
    HoUNet,

    /// <summary>A CLIP vision tower under Hugging Face's names.</summary>
    ClipVisionHuggingFace,

    /// <summary>A CLIP vision tower under openai's names.</summary>
    ClipVisionOpenAi,

    /// <summary>torchvision's SqueezeNet.</summary>
    SqueezeNet,

    /// <summary>torchvision's VGG.</summary>
    Vgg,

    /// <summary>torchvision's AlexNet.</summary>
    AlexNet,

    /// <summary>The linear heads of LPIPS.</summary>
    LpipsHeads,

    /// <summary>The Inception v3 that FID is computed with.</summary>
    FidInception,

    /// <summary>SSSD-ECG: residual blocks of structured state-space layers.</summary>
    SssdEcg,

    /// <summary>One structured state-space (S4) layer.</summary>
    S4Layer,

    /// <summary>An adapter of a frozen model, as PEFT names its weights.</summary>
    Adapter,

    /// <summary>Graft's <c>ResNetClassifier</c>, which features for measures come from.</summary>
    GraftClassifier,

    /// <summary>A denoiser of points or of recordings that only Graft has: <c>PointDenoiser</c> or <c>SequenceUNet</c>.</summary>
    GraftDenoiser,

    /// <summary>A pair of towers, of pictures and of names, that was trained with Graft: Hugging Face's names of a <c>CLIPModel</c>.</summary>
    GraftImageText,
}
