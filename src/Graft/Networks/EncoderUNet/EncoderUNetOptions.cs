namespace Graft.Networks;

/// <summary>How a classifier makes one vector of a feature map (guided-diffusion's <c>classifier_pool</c>).</summary>
public enum ClassifierPool
{
    /// <summary>The mean over positions, then a 1 x 1 convolution.</summary>
    Adaptive,

    /// <summary>Attention of the mean over all positions (Radford et al. 2021, section 2.3).</summary>
    Attention,

    /// <summary>The means of every block on the way down and of the middle, then two linear layers with ReLU between.</summary>
    Spatial,

    /// <summary>As <see cref="Spatial"/>, with group norm and SiLU between.</summary>
    SpatialV2,
}

/// <summary>What an <see cref="EncoderUNet"/> is made of.</summary>
public sealed record EncoderUNetOptions
{
    /// <summary>The way down and the middle; what it says of the way up and the output is not used.</summary>
    public required UNet2DOptions Body { get; init; }

    /// <summary>Classes that it tells apart.</summary>
    public required long Classes { get; init; }

    /// <summary>How it pools.</summary>
    public required ClassifierPool Pool { get; init; }

    /// <summary>Edge of the feature map that <see cref="ClassifierPool.Attention"/> sees: that of the pictures, halved by each level but the last.</summary>
    public long PoolEdge { get; init; }

    /// <summary>Channels of a head of <see cref="ClassifierPool.Attention"/>: a divisor of the last level's channels.</summary>
    public long PoolHeadChannels { get; init; } = 64;
}
