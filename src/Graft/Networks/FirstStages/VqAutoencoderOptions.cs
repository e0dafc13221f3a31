using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Graft.Data;
using Graft.Formats;

namespace Graft.Networks;

/// <summary>
/// The architecture of a <see cref="VqAutoencoder"/>, as <c>first_stage/config.json</c> holds it: keys in snake case, diffusers' <c>VQModel</c>'s
/// where it has them. The defaults are CompVis' VQ-f4, the first stage of its class-conditional ImageNet model.
/// </summary>
public sealed record VqAutoencoderOptions
{
    /// <summary><c>_class_name</c>: the parameters have CompVis' names, which diffusers' <c>VQModel</c> would not read.</summary>
    internal const string ClassName = "GraftVQModel";

    private const int MaximalLevels = 10;
    private const int MaximalChannels = 1 << 15;
    private static readonly JsonSerializerOptions Serialiser = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
    };

    /// <summary>Channels of the pictures that are encoded (CompVis' <c>in_channels</c>).</summary>
    public long InChannels { get; init; } = 3;

    /// <summary>Channels of the pictures that come out (<c>out_ch</c>).</summary>
    public long OutChannels { get; init; } = 3;

    /// <summary>Channels of each level, the highest resolution first (<c>ch</c> times each of <c>ch_mult</c>, of which the first is 1).</summary>
    public long[] BlockOutChannels { get; init; } = [128, 256, 512];

    /// <summary>Residual blocks of each level on the way down; one more on the way up (<c>num_res_blocks</c>).</summary>
    public int LayersPerBlock { get; init; } = 2;

    /// <summary>Levels that attend, from 0 for the highest resolution (by <c>attn_resolutions</c>).</summary>
    public int[] AttentionLevels { get; init; } = [];

    /// <summary>Whether the middles attend (all but <c>attn_type: none</c>).</summary>
    public bool MidBlockAddAttention { get; init; } = true;

    /// <summary>Channels between the encoder and the codebook's vectors (<c>z_channels</c>).</summary>
    public long LatentChannels { get; init; } = 3;

    /// <summary>Length of the codebook's vectors, which is the number of the latents' channels (<c>embed_dim</c>).</summary>
    public long VqEmbedDim { get; init; } = 3;

    /// <summary>Vectors of the codebook (<c>n_embed</c>).</summary>
    public long NumVqEmbeddings { get; init; } = 8192;

    /// <summary>Groups of the group norms: CompVis has 32.</summary>
    public long NormNumGroups { get; init; } = 32;

    /// <summary>What the encoder's output is multiplied by for the network that denoises (<c>scale_factor</c>).</summary>
    public double ScalingFactor { get; init; } = 1;

    /// <summary>How many times higher and wider a picture is than its latents.</summary>
    [JsonIgnore]
    public int Factor => 1 << (BlockOutChannels.Length - 1);

    /// <summary>Reads a configuration; absent keys take the defaults.</summary>
    /// <exception cref="InputException">It is of another class, a value has another type, or the values do not fit together.</exception>
    internal static VqAutoencoderOptions FromJson(JsonObject json, string where)
    {
        if (DenoisingNetworks.ClassOf(json) is { } kind && kind != ClassName)
            throw new InputException($"The first stage's configuration {where} is of the class {FileFault.Quote(kind)}: {ClassName} can be read.");
        VqAutoencoderOptions options;
        try
        {
            options = json.Deserialize<VqAutoencoderOptions>(Serialiser)!;
        }
        catch (JsonException e)
        {
            throw new InputException($"The first stage's configuration {where} cannot be read: {FileFault.Shorten(e.Message.TrimEnd('.'), 240)}.", e);
        }

        options.Validate(where);
        return options;
    }

    internal JsonObject ToJson()
    {
        var json = JsonSerializer.SerializeToNode(this, Serialiser)!.AsObject();
        json["_class_name"] = ClassName;
        return json;
    }

    /// <summary>The pictures that latents become.</summary>
    /// <param name="latents">[channels, height, width].</param>
    /// <param name="origin">Whose they are, for messages.</param>
    /// <exception cref="InputException">The latents have another number of channels.</exception>
    internal ImageShape PicturesOf(ItemShape latents, string origin) =>
        latents.Sizes.Length == 3 && latents.Sizes[0] == VqEmbedDim && latents.Sizes[1] * Factor <= MaximalChannels && latents.Sizes[2] * Factor <= MaximalChannels
            ? new ImageShape((int)OutChannels, (int)latents.Sizes[1] * Factor, (int)latents.Sizes[2] * Factor)
            : throw new InputException($"The network of {origin} makes items of {latents}, and its first stage decodes latents of {VqEmbedDim} channels: they do not belong together.");

    /// <summary>Everything that building relies on.</summary>
    internal void Validate(string where)
    {
        Require(BlockOutChannels is { Length: > 0 and <= MaximalLevels }, $"block_out_channels must have one entry for each level, of at most {MaximalLevels}");
        Require(NormNumGroups > 0, "norm_num_groups must be positive");
        foreach (var channels in BlockOutChannels)
            Require(channels is > 0 and <= MaximalChannels && channels % NormNumGroups == 0, $"block_out_channels {channels} must lie between 1 and {MaximalChannels} and be a multiple of norm_num_groups {NormNumGroups}");
        Require(LayersPerBlock is > 0 and < 100, "layers_per_block must lie between 1 and 99");
        Require(AttentionLevels is not null && AttentionLevels.All(l => l >= 0 && l < BlockOutChannels.Length), "attention_levels must be levels, from 0");
        Require(NumVqEmbeddings is > 0 and <= 1 << 24, $"num_vq_embeddings must lie between 1 and {1 << 24}");
        Require(
            new[] { InChannels, OutChannels, LatentChannels, VqEmbedDim }.All(c => c is > 0 and <= MaximalChannels),
            $"in_channels, out_channels, latent_channels and vq_embed_dim must lie between 1 and {MaximalChannels}");
        Require(ScalingFactor > 0 && double.IsFinite(ScalingFactor), "scaling_factor must be above 0");

        void Require(bool condition, string message)
        {
            if (!condition)
                throw new InputException($"The first stage's configuration {where} cannot be used: {message}.");
        }
    }
}
