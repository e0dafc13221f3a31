using Graft.Networks.Transformers;
using Graft.Torch;

namespace Graft.Networks.UNet2DParts;

/// <summary>What attends in a U-Net: positions to each other, or also to a context.</summary>
internal abstract class FeatureAttention : Module
{
    /// <summary>[N, C, H, W], same shape out. In a scope of its own, as the residual block.</summary>
    /// <param name="x">A feature map.</param>
    /// <param name="context">[N, M, D] for networks that take one; others look away.</param>
    internal Tensor Forward(Tensor x, Tensor? context) => context is null
        ? Recomputation.Of(given => TensorScope.Of(() => Compute(given[0], null)), x)
        : Recomputation.Of(given => TensorScope.Of(() => Compute(given[0], given[1])), x, context);

    private protected abstract Tensor Compute(Tensor x, Tensor? context);

    /// <summary>A level's attention.</summary>
    /// <param name="options">With <see cref="UNet2DOptions.CrossAttentionDim"/> it is a spatial transformer.</param>
    /// <param name="channels">C.</param>
    /// <param name="up">Whether it is on the way up.</param>
    internal static FeatureAttention Of(UNet2DOptions options, long channels, bool up = false) =>
        Transformer(options, channels, up)
        ?? (FeatureAttention)new SpatialAttention(channels, options.HeadsOf(channels, up), options.NormNumGroups, options.NormEps, 1);

    /// <summary>The middle's attention.</summary>
    /// <param name="options">As of a level.</param>
    /// <param name="channels">C.</param>
    /// <param name="groups">Of the norm of attention without a context; null: it has none.</param>
    /// <param name="outputScale">What its output is divided by.</param>
    internal static FeatureAttention OfMiddle(UNet2DOptions options, long channels, long? groups, double outputScale) =>
        Transformer(options, channels, up: false)
        ?? (FeatureAttention)new SpatialAttention(channels, options.HeadsOf(channels), groups, options.NormEps, outputScale);

    private static SpatialTransformer? Transformer(UNet2DOptions options, long channels, bool up) => options.CrossAttentionDim is { } width
        ? new SpatialTransformer(channels, width, options.HeadsOf(channels, up), options.NormNumGroups, options.TransformerDepth)
        : null;
}
