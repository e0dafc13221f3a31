using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Graft.Networks;

/// <content>
/// What openai's <c>UNetModel</c> has and diffusers' <c>UNet2DModel</c> lacks. A configuration that uses any of it is written under another
/// class name, so that diffusers refuses it instead of computing something else; one that uses none has none of these keys.
/// </content>
public sealed partial record UNet2DOptions
{
    /// <summary><c>_class_name</c> of a network that diffusers has.</summary>
    internal const string DiffusersClass = "UNet2DModel";

    /// <summary>The <see cref="ClassEmbedType"/> of latent diffusion's <c>ClassEmbedder</c>.</summary>
    internal const string ContextClasses = "context";

    /// <summary><c>_class_name</c> of a network that only Graft has.</summary>
    internal const string GraftClass = "GraftUNet2DModel";

    /// <summary>Heads of every attention layer, whatever its width, in place of <see cref="AttentionHeadDim"/>; null: that one holds.</summary>
    public long? AttentionHeads { get; init; }

    /// <summary>Heads on the way up, where they are others than <see cref="AttentionHeads"/>.</summary>
    public long? AttentionHeadsUpsample { get; init; }

    /// <summary>Whether resampling (of type <c>conv</c>) convolves; if not, it is average pooling down and nearest neighbours up.</summary>
    public bool ConvResample { get; init; } = true;

    /// <summary>What t is multiplied by before it is embedded: 1000/T for guided-diffusion's <c>rescale_timesteps</c>.</summary>
    public double TimestepScale { get; init; } = 1;

    /// <summary>
    /// Width of the time embedding's sines and cosines, a quarter of the embedding's; null: the first level's channels.
    /// It differs where guided-diffusion's first <c>channel_mult</c> is not 1, as in its 512 x 512 models.
    /// </summary>
    public long? TimeEmbeddingChannels { get; init; }

    /// <summary>
    /// D, the width of the context that attention layers look at: they are then the spatial transformers of latent diffusion (Rombach et al.
    /// 2022, section 3.3), and the network takes <see cref="Diffusion.Condition.Embedding"/>. Null: they are plain attention.
    /// </summary>
    public long? CrossAttentionDim { get; init; }

    /// <summary>Transformer blocks of each spatial transformer, 1 to 99.</summary>
    public int TransformerDepth { get; init; } = 1;

    /// <summary>Whether the classes' table gives the context, one token of width <see cref="CrossAttentionDim"/>, and is not added to the time embedding.</summary>
    [JsonIgnore]
    internal bool ClassesAreContext => ClassEmbedType == ContextClasses;

    /// <summary>Whether diffusers' UNet2DModel can express the network.</summary>
    [JsonIgnore]
    public bool IsDiffusers => GraftKeysInUse.Count == 0;

    /// <summary>Width of the sines and cosines.</summary>
    [JsonIgnore]
    internal long TimeChannels => TimeEmbeddingChannels ?? BlockOutChannels[0];

    /// <summary>Width of the time embedding.</summary>
    [JsonIgnore]
    internal long TimeWidth => TimeChannels * 4;

    /// <inheritdoc/>
    [JsonIgnore]
    public override string ClassName => IsDiffusers ? DiffusersClass : GraftClass;

    /// <summary>The keys that make it no UNet2DModel.</summary>
    [JsonIgnore]
    internal IReadOnlyList<string> GraftKeysInUse => [.. GraftKeys.Where(k => k.Used(this)).Select(k => k.Key)];

    /// <summary>The keys that diffusers does not know.</summary>
    internal static IEnumerable<string> GraftKeyNames => GraftKeys.Select(k => k.Key);

    private static (string Key, Func<UNet2DOptions, bool> Used)[] GraftKeys { get; } =
    [
        ("attention_heads", o => o.AttentionHeads is not null),
        ("attention_heads_upsample", o => o.AttentionHeadsUpsample is not null),
        ("conv_resample", o => !o.ConvResample),
        ("timestep_scale", o => o.TimestepScale != 1),
        ("cross_attention_dim", o => o.CrossAttentionDim is not null),
        ("transformer_depth", o => o.TransformerDepth != 1),
        ("time_embedding_channels", o => o.TimeEmbeddingChannels is { } width && width != o.BlockOutChannels[0]),
    ];

    /// <summary>Whether a level attends on the way down; level 0 has the highest resolution.</summary>
    internal bool AttendsDown(int level) => DownBlockTypes[level].StartsWith("Attn", StringComparison.Ordinal);

    /// <summary>Whether a level attends on the way up; level 0 has the highest resolution.</summary>
    internal bool AttendsUp(int level) => UpBlockTypes[^(level + 1)].StartsWith("Attn", StringComparison.Ordinal);

    /// <summary>Heads of an attention layer.</summary>
    /// <param name="channels">Its width.</param>
    /// <param name="up">Whether it is on the way up.</param>
    internal long HeadsOf(long channels, bool up = false) =>
        (up ? AttentionHeadsUpsample : null) ?? AttentionHeads ?? (AttentionHeadDim is { } size ? Math.Max(1, channels / size) : 1);

    private void OmitUnused(JsonObject json)
    {
        foreach (var (key, used) in GraftKeys)
        {
            if (!used(this))
                json.Remove(key);
        }
    }

    private void ValidateGraftKeys(Action<bool, string> require)
    {
        require(AttentionHeads is null or > 0 && AttentionHeadsUpsample is null or > 0, "attention_heads and attention_heads_upsample must be positive");
        require(AttentionHeadsUpsample is null || AttentionHeads is not null, "attention_heads_upsample needs attention_heads");
        require(TimeEmbeddingChannels is null or (> 0 and <= MaximalChannels), $"time_embedding_channels must lie between 1 and {MaximalChannels}");
        require(CrossAttentionDim is null or (> 0 and <= MaximalChannels), $"cross_attention_dim must lie between 1 and {MaximalChannels}");
        require(TransformerDepth is > 0 and < 100, "transformer_depth must lie between 1 and 99");
        require(TransformerDepth == 1 || CrossAttentionDim is not null, "transformer_depth needs cross_attention_dim");
        require(!ClassesAreContext || (CrossAttentionDim is not null && NumClassEmbeds is not null), "class_embed_type context needs cross_attention_dim and num_class_embeds");
        require(CrossAttentionDim is null || MidBlockScaleFactor == 1, "cross_attention_dim needs mid_block_scale_factor 1");
        require(TimestepScale > 0 && double.IsFinite(TimestepScale), "timestep_scale must be above 0");
        require(
            (TimestepScale == 1 && TimeChannels == BlockOutChannels[0]) || (TimeEmbeddingType == "positional" && ClassEmbedType != "timestep"),
            "timestep_scale and time_embedding_channels need a positional time embedding, and no classes embedded as time steps");
    }
}
