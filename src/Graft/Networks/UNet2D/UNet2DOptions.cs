using System.Text.Json;
using System.Text.Json.Nodes;
using Graft.Formats;

namespace Graft.Networks;

/// <summary>
/// <c>unet/config.json</c> of diffusers' <c>UNet2DModel</c>. Defaults are the class's own; keys that are not known here are kept
/// and written back.
/// </summary>
public sealed partial record UNet2DOptions : DenoiserOptions
{
    private const int MaximalLevels = 16;
    private const int MaximalChannels = 1 << 15;
    private const int MaximalEntries = 1_000_000;
    private static readonly JsonSerializerOptions Serialiser = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Skip,
    };

    /// <summary>Height and width, where the network was made for one: a number, or [height, width].</summary>
    public JsonNode? SampleSize { get; init; }

    /// <summary>Channels of x_t.</summary>
    public long InChannels { get; init; } = 3;

    /// <summary>Channels of the output: twice <see cref="InChannels"/> where the variance is learned.</summary>
    public long OutChannels { get; init; } = 3;

    /// <summary>Whether x is mapped to 2x - 1 first.</summary>
    public bool CenterInputSample { get; init; }

    /// <summary><c>positional</c>, <c>fourier</c> or <c>learned</c>.</summary>
    public string TimeEmbeddingType { get; init; } = "positional";

    /// <summary>Entries of a learned time embedding.</summary>
    public long? NumTrainTimesteps { get; init; }

    /// <summary>Subtracted from half the width in the exponent of the positional embedding.</summary>
    public double FreqShift { get; init; }

    /// <summary>Cosines before sines in the positional embedding.</summary>
    public bool FlipSinToCos { get; init; } = true;

    /// <summary>One of DownBlock2D, AttnDownBlock2D, ResnetDownsampleBlock2D for each level.</summary>
    public string[] DownBlockTypes { get; init; } = ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"];

    /// <summary>One of UpBlock2D, AttnUpBlock2D, ResnetUpsampleBlock2D for each level, lowest resolution first.</summary>
    public string[] UpBlockTypes { get; init; } = ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"];

    /// <summary>Channels of each level.</summary>
    public long[] BlockOutChannels { get; init; } = [224, 448, 672, 896];

    /// <summary>Residual blocks of each level on the way down; one more on the way up.</summary>
    public int LayersPerBlock { get; init; } = 2;

    /// <summary>What the middle block's outputs are divided by.</summary>
    public double MidBlockScaleFactor { get; init; } = 1;

    /// <summary>Padding of the strided convolutions; 0 pads right and bottom only.</summary>
    public long DownsamplePadding { get; init; } = 1;

    /// <summary><c>conv</c> or <c>resnet</c>, for attention levels.</summary>
    public string DownsampleType { get; init; } = "conv";

    /// <summary><c>conv</c> or <c>resnet</c>, for attention levels.</summary>
    public string UpsampleType { get; init; } = "conv";

    /// <summary>Drop-out rate in the residual blocks.</summary>
    public double Dropout { get; init; }

    /// <summary><c>silu</c>, <c>swish</c>, <c>mish</c>, <c>gelu</c> or <c>relu</c>.</summary>
    public string ActFn { get; init; } = "silu";

    /// <summary>Channels of an attention head; null: one head over all channels.</summary>
    public long? AttentionHeadDim { get; init; } = 8;

    /// <summary>Groups of the group norms.</summary>
    public long NormNumGroups { get; init; } = 32;

    /// <summary>Groups of the middle attention's norm; null: those of the others, or none with scale_shift.</summary>
    public long? AttnNormNumGroups { get; init; }

    /// <summary>Added to the variance in the group norms.</summary>
    public double NormEps { get; init; } = 1e-5;

    /// <summary><c>default</c> (the time embedding is added) or <c>scale_shift</c>.</summary>
    public string ResnetTimeScaleShift { get; init; } = "default";

    /// <summary>Whether the middle block attends.</summary>
    public bool AddAttention { get; init; } = true;

    /// <summary>
    /// null (a table, with <see cref="NumClassEmbeds"/>), <c>timestep</c> or <c>identity</c>; or <c>context</c>, a table whose rows are the
    /// context of <see cref="CrossAttentionDim"/>.
    /// </summary>
    public string? ClassEmbedType { get; init; }

    /// <summary>Number of classes.</summary>
    public long? NumClassEmbeds { get; init; }

    /// <summary>Whether the network takes class labels.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public override bool IsClassConditional => ClassEmbedType is not null || NumClassEmbeds is not null;

    /// <summary>Reads the configuration; nulls and absent keys take the defaults.</summary>
    /// <exception cref="InputException">A value has another type, or the levels do not fit together.</exception>
    public static UNet2DOptions FromJson(JsonObject json, string where)
    {
        UNet2DOptions options;
        try
        {
            // diffusers writes null where the class's default is null; for other keys null would not be a value.
            var given = new JsonObject(json.Where(p => p.Value is not null || p.Key == "attention_head_dim")
                .Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone())));
            options = given.Deserialize<UNet2DOptions>(Serialiser)!;
        }
        catch (JsonException e)
        {
            throw new InputException($"The network configuration {where} cannot be read: {FileFault.Shorten(e.Message.TrimEnd('.'), 240)}.", e);
        }

        options.Validate(where);
        return options;
    }

    /// <summary>The configuration as diffusers writes it, over the keys that were read (which are kept).</summary>
    public override JsonObject ToJson(JsonObject? read = null)
    {
        var json = (JsonObject?)read?.DeepClone() ?? [];
        var own = JsonSerializer.SerializeToNode(this, Serialiser)!.AsObject();
        foreach (var (key, value) in own)
        {
            // A key that the file left out and that holds the default stays out.
            if (read is null || read.ContainsKey(key) || (value is not null && GraftKeyNames.Contains(key)))
                json[key] = value?.DeepClone();
        }

        OmitUnused(json);
        json["_class_name"] = ClassName;
        return json;
    }

    /// <summary>Everything that building the network relies on, so that building cannot fail half-way.</summary>
    private void Validate(string where)
    {
        var levels = BlockOutChannels.Length;
        Require(levels is > 0 and <= MaximalLevels && DownBlockTypes.Length == levels && UpBlockTypes.Length == levels,
            $"block_out_channels, down_block_types and up_block_types must have one entry for each level, of at most {MaximalLevels}");
        foreach (var type in DownBlockTypes)
            Require(type is "DownBlock2D" or "AttnDownBlock2D" or "ResnetDownsampleBlock2D", $"the down block type {FileFault.Quote(type)} is unknown (DownBlock2D, AttnDownBlock2D and ResnetDownsampleBlock2D are known)");
        foreach (var type in UpBlockTypes)
            Require(type is "UpBlock2D" or "AttnUpBlock2D" or "ResnetUpsampleBlock2D", $"the up block type {FileFault.Quote(type)} is unknown (UpBlock2D, AttnUpBlock2D and ResnetUpsampleBlock2D are known)");
        Require(ActFn is "silu" or "swish" or "mish" or "gelu" or "relu", $"act_fn {FileFault.Quote(ActFn)} is unknown (silu, swish, mish, gelu and relu are known)");
        Require(Dropout is >= 0 and <= 1, $"dropout {Dropout} must lie between 0 and 1");
        Require(NormNumGroups > 0 && AttnNormNumGroups is null or > 0, "norm_num_groups and attn_norm_num_groups must be positive");
        Require(AttnNormNumGroups is null || BlockOutChannels[^1] % AttnNormNumGroups == 0, $"block_out_channels {BlockOutChannels[^1]} is not a multiple of attn_norm_num_groups {AttnNormNumGroups}");
        Require(NormEps > 0 && double.IsFinite(NormEps), "norm_eps must be above 0");
        Require(MidBlockScaleFactor > 0 && double.IsFinite(MidBlockScaleFactor), "mid_block_scale_factor must be above 0");
        ValidateGraftKeys(Require);
        Require(double.IsFinite(FreqShift) && FreqShift < TimeChannels / 2, $"freq_shift {FreqShift} must be below half of the time embedding's {TimeChannels} channels");
        Require(DownsamplePadding is 0 or 1, $"downsample_padding {DownsamplePadding} must be 0 or 1");
        Require(AttentionHeadDim is null or > 0, "attention_head_dim must be positive, or null for one head");
        Require(NumClassEmbeds is null or (> 0 and <= MaximalEntries), $"num_class_embeds must lie between 1 and {MaximalEntries}");
        Require(NumTrainTimesteps is null or (> 0 and <= MaximalEntries), $"num_train_timesteps must lie between 1 and {MaximalEntries}");
        Require(LayersPerBlock is > 0 and < 100, "layers_per_block must lie between 1 and 99");
        Require(InChannels is > 0 and <= MaximalChannels && OutChannels is > 0 and <= MaximalChannels, $"in_channels and out_channels must lie between 1 and {MaximalChannels}");
        Require(TimeEmbeddingType is "positional" or "fourier" or "learned", $"time_embedding_type {FileFault.Quote(TimeEmbeddingType)} is unknown");
        Require(TimeEmbeddingType != "learned" || NumTrainTimesteps > 0, "a learned time embedding needs num_train_timesteps");
        Require(ResnetTimeScaleShift is "default" or "scale_shift", $"resnet_time_scale_shift {FileFault.Quote(ResnetTimeScaleShift)} is unknown");
        Require(DownsampleType is "conv" or "resnet" && UpsampleType is "conv" or "resnet", "downsample_type and upsample_type are conv or resnet");
        Require(ClassEmbedType is null or "timestep" or "identity" or ContextClasses, $"class_embed_type {FileFault.Quote(ClassEmbedType)} is unknown");
        for (var i = 0; i < levels; i++)
        {
            var channels = BlockOutChannels[i];
            Require(channels is > 0 and <= MaximalChannels, $"block_out_channels {channels} must lie between 1 and {MaximalChannels}");
            Require(channels % NormNumGroups == 0, $"block_out_channels {channels} is not a multiple of norm_num_groups {NormNumGroups}");
            var down = AttendsDown(i) || (i == levels - 1 && AddAttention);
            Require(!(down || AttendsUp(i)) || AttentionHeads is not null || AttentionHeadDim is null || channels % AttentionHeadDim == 0 || AttentionHeadDim > channels,
                $"level {i} attends and its {channels} channels are not a multiple of attention_head_dim {AttentionHeadDim}");
            Require((!down || channels % HeadsOf(channels) == 0) && (!AttendsUp(i) || channels % HeadsOf(channels, up: true) == 0),
                $"level {i} attends and its {channels} channels are not a multiple of its attention heads");
        }

        void Require(bool condition, string message)
        {
            if (!condition)
                throw new InputException($"The network configuration {where} cannot be used: {message}.");
        }
    }
}
