using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Graft.Networks;

/// <summary><c>config.json</c> of a <see cref="SequenceUNet"/>: keys are these names in snake_case, diffusers' own where its U-Net has them.</summary>
public sealed record SequenceUNetOptions : RecordingDenoiserOptions
{
    internal const string GraftClass = "GraftSequenceUNet";
    private const int MaximalBlocks = 64;

    /// <summary>Neighbouring samples that go into the network as one position, and come out of one.</summary>
    public int PatchSize { get; init; } = 2;

    /// <summary>Channels of each level; every level but the first has half the positions of the one above.</summary>
    public IReadOnlyList<int> BlockOutChannels { get; init; } = [32, 64, 128];

    /// <summary>Residual blocks of a level on the way down; one more on the way up.</summary>
    public int LayersPerBlock { get; init; } = 1;

    /// <summary>Width of the residual blocks' convolutions, odd.</summary>
    public int KernelSize { get; init; } = 3;

    /// <summary>Groups of the norms, which divide every level's channels.</summary>
    public int NormNumGroups { get; init; } = 8;

    /// <summary>Transformer layers in the middle, where every position sees every other.</summary>
    public int TransformerLayers { get; init; } = 4;

    /// <summary>Width of an attention head, even; it divides the last level's channels.</summary>
    public int AttentionHeadDim { get; init; } = 32;

    /// <summary>
    /// Base of the rotary embedding: positions are turned by frequencies from 1 down to about one over it. The 10,000 of Su et al. 2021 is for thousands
    /// of tokens; of 125, most of its frequencies hardly turn.
    /// </summary>
    public double RotaryBase { get; init; } = 10_000;

    /// <summary>How much shorter the middle is than a recording: patches, and a half for every level but the first.</summary>
    [JsonIgnore]
    public int Shortening => PatchSize << (BlockOutChannels.Count - 1);

    /// <summary>Width of the embedding of step and labels.</summary>
    [JsonIgnore]
    public int EmbeddingWidth => 4 * BlockOutChannels[0];

    /// <inheritdoc/>
    [JsonIgnore]
    public override string ClassName => GraftClass;

    /// <summary>Whether every value is equal, the levels' channels one by one.</summary>
    public bool Equals(SequenceUNetOptions? other) => other is not null && JsonNode.DeepEquals(ToJson(), other.ToJson());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(InChannels, SampleLength, PatchSize, BlockOutChannels.Count, TransformerLayers);

    /// <inheritdoc/>
    public override DenoisingNetwork Build() => new SequenceUNet(this);

    /// <inheritdoc/>
    public override JsonObject ToJson(JsonObject? read = null) => DenoiserJson.Write(this, read);

    /// <summary>Reads the configuration; absent keys take the defaults.</summary>
    /// <param name="json">The keys; those that begin with _ mean nothing.</param>
    /// <param name="where">Where they are from, for messages.</param>
    /// <exception cref="InputException">A key is unknown, or a value is of another type or out of range.</exception>
    public static SequenceUNetOptions FromJson(JsonObject json, string where)
    {
        var options = DenoiserJson.Read<SequenceUNetOptions>(json, where);
        options.Validate(where);
        return options;
    }

    /// <inheritdoc/>
    internal override IEnumerable<(string Name, long[] Shape)> KeyParameters()
    {
        var (first, last) = (BlockOutChannels[0], BlockOutChannels[^1]);
        yield return ("conv_in.weight", [first, (long)InChannels * PatchSize, KernelSize]);
        yield return ("time_embedding.linear_1.weight", [EmbeddingWidth, first]);
        if (LabelEmbedClasses > 0)
            yield return ("class_embedding.weight", [LabelEmbedClasses, EmbeddingWidth]);
        for (var i = 0; i < BlockOutChannels.Count; i++)
        {
            for (var j = 0; j < LayersPerBlock; j++)
                yield return ($"down_blocks.{i}.resnets.{j}.conv2.weight", [BlockOutChannels[i], BlockOutChannels[i], KernelSize]);
        }

        for (var i = 0; i < TransformerLayers; i++)
            yield return ($"mid_block.layers.{i}.to_q.weight", [last, last]);
        yield return ("conv_out.weight", [(long)InChannels * PatchSize, first, KernelSize]);
    }

    private void Validate(string where)
    {
        Require(InChannels is >= 1 and <= MaximalWidth, $"in_channels must lie between 1 and {MaximalWidth}");
        Require(PatchSize is >= 1 and <= MaximalWidth, $"patch_size must lie between 1 and {MaximalWidth}");
        Require(BlockOutChannels.Count is >= 1 and <= 8, "block_out_channels must have 1 to 8 levels");
        Require(NormNumGroups is >= 1 and <= MaximalWidth, $"norm_num_groups must lie between 1 and {MaximalWidth}");
        foreach (var channels in BlockOutChannels)
            Require(channels >= 4 && channels <= MaximalWidth && channels % NormNumGroups == 0, $"block_out_channels must be multiples of norm_num_groups, {NormNumGroups}, from 4 to {MaximalWidth}");
        Require(LayersPerBlock is >= 1 and <= MaximalBlocks, $"layers_per_block must lie between 1 and {MaximalBlocks}");
        Require(KernelSize is >= 1 and <= 255 && KernelSize % 2 == 1, "kernel_size must be an odd number from 1 to 255");
        Require(TransformerLayers is >= 0 and <= MaximalBlocks, $"transformer_layers must lie between 0 and {MaximalBlocks}");
        Require(AttentionHeadDim >= 2 && AttentionHeadDim % 2 == 0 && BlockOutChannels[^1] % AttentionHeadDim == 0, "attention_head_dim must be even and divide the last of block_out_channels");
        Require(RotaryBase > 1 && double.IsFinite(RotaryBase), "rotary_base must be above 1");
        Require(SampleLength >= 1 && SampleLength <= MaximalLength && SampleLength % Shortening == 0, $"sample_length must be a multiple of {Shortening} (patch_size, and 2 for every level but the first) up to {MaximalLength}");
        Require(LabelEmbedClasses is >= 0 and <= MaximalClasses, $"label_embed_classes must lie between 0 and {MaximalClasses}");

        void Require(bool condition, string message) => DenoiserJson.Require(condition, where, message);
    }
}
