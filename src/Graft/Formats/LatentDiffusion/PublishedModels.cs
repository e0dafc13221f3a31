using Graft.Inspection;

namespace Graft.Formats.LatentDiffusion;

/// <summary>What CompVis' configurations say of the models it published with a VQ autoencoder, and their shapes do not show.</summary>
/// <param name="Name">The configuration's.</param>
/// <param name="Width"><c>model_channels</c>.</param>
/// <param name="Multipliers"><c>channel_mult</c>.</param>
/// <param name="Context"><c>context_dim</c>.</param>
/// <param name="ImageSize"><c>image_size</c>.</param>
/// <param name="Heads"><c>num_heads</c>.</param>
/// <param name="HeadChannels"><c>num_head_channels</c>.</param>
internal sealed record PublishedModel(string Name, long Width, long[] Multipliers, long? Context, int ImageSize, int? Heads, int? HeadChannels)
{
    private static PublishedModel[] All { get; } =
    [
        new("cin256-v2", 192, [1, 2, 3, 5], 512, 64, Heads: 1, HeadChannels: null),
        new("cin256", 256, [1, 2, 4], 512, 32, Heads: null, HeadChannels: 32),
        new("celeba256, ffhq256 or lsun_beds256", 224, [1, 2, 3, 4], null, 64, Heads: null, HeadChannels: 32),
    ];

    /// <summary>The model of these shapes; null: it is none of them.</summary>
    internal static PublishedModel? Of(UNetArchitecture unet) => All.FirstOrDefault(m =>
        m.Context == unet.ContextWidth && unet.LayersPerBlock == 2 && unet.Levels.Select(l => l.Channels).SequenceEqual(m.Multipliers.Select(k => k * m.Width)));
}
