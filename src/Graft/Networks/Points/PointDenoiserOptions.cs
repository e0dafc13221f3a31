using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Graft.Data;

namespace Graft.Networks;

/// <summary><c>config.json</c> of a <see cref="PointDenoiser"/>: keys are these names in snake_case.</summary>
public sealed record PointDenoiserOptions : DenoiserOptions
{
    internal const string GraftClass = "GraftPointDenoiser";
    private const int MaximalWidth = 1 << 14;
    private const int MaximalBlocks = 64;
    private const int MaximalEntries = 1_000_000;

    /// <summary>D, the numbers of a point.</summary>
    public int Dimensions { get; init; } = 2;

    /// <summary>Width of the residual path.</summary>
    public int HiddenChannels { get; init; } = 256;

    /// <summary>Residual blocks, of two linear layers each.</summary>
    public int Blocks { get; init; } = 4;

    /// <summary>Width of the time embedding's sines and cosines; its two linear layers have the hidden width.</summary>
    public int TimeEmbeddingChannels { get; init; } = 128;

    /// <summary>What t is multiplied by before it is embedded: 1000 where time is continuous, so that it runs as steps do.</summary>
    public double TimestepScale { get; init; } = 1;

    /// <summary>Number of classes; null: it takes no labels.</summary>
    public long? NumClassEmbeds { get; init; }

    /// <inheritdoc/>
    [JsonIgnore]
    public override string ClassName => GraftClass;

    /// <inheritdoc/>
    [JsonIgnore]
    public override bool IsClassConditional => NumClassEmbeds is not null;

    /// <inheritdoc/>
    [JsonIgnore]
    public override long Classes => NumClassEmbeds ?? 0;

    /// <inheritdoc/>
    public override (long Input, long Output) Channels() => (Dimensions, Dimensions);

    /// <inheritdoc/>
    public override ItemShape ShapeOf(string origin) => new(Dimensions);

    /// <inheritdoc/>
    public override DenoisingNetwork Build() => new PointDenoiser(this);

    /// <inheritdoc/>
    public override JsonObject ToJson(JsonObject? read = null) => DenoiserJson.Write(this, read);

    /// <summary>Reads the configuration; absent keys take the defaults.</summary>
    /// <param name="json">The keys; those that begin with _ mean nothing.</param>
    /// <param name="where">Where they are from, for messages.</param>
    /// <exception cref="InputException">A key is unknown, or a value is of another type or out of range.</exception>
    public static PointDenoiserOptions FromJson(JsonObject json, string where)
    {
        var options = DenoiserJson.Read<PointDenoiserOptions>(json, where);
        options.Validate(where);
        return options;
    }

    /// <inheritdoc/>
    internal override IEnumerable<(string Name, long[] Shape)> KeyParameters()
    {
        yield return ("proj_in.weight", [HiddenChannels, Dimensions]);
        yield return ("time_embedding.linear_1.weight", [HiddenChannels, TimeEmbeddingChannels]);
        if (NumClassEmbeds is { } classes)
            yield return ("class_embedding.weight", [classes, HiddenChannels]);
        for (var i = 0; i < Blocks; i++)
            yield return ($"blocks.{i}.fc1.weight", [HiddenChannels, HiddenChannels]);
    }

    private void Validate(string where)
    {
        Require(Dimensions is > 0 and <= MaximalWidth, $"dimensions must lie between 1 and {MaximalWidth}");
        Require(HiddenChannels is > 0 and <= MaximalWidth, $"hidden_channels must lie between 1 and {MaximalWidth}");
        Require(Blocks is > 0 and <= MaximalBlocks, $"blocks must lie between 1 and {MaximalBlocks}");
        Require(TimeEmbeddingChannels is >= 2 and <= MaximalWidth, $"time_embedding_channels must lie between 2 and {MaximalWidth}");
        Require(TimestepScale > 0 && double.IsFinite(TimestepScale), "timestep_scale must be above 0");
        Require(NumClassEmbeds is null or (> 0 and <= MaximalEntries), $"num_class_embeds must lie between 1 and {MaximalEntries}");

        void Require(bool condition, string message) => DenoiserJson.Require(condition, where, message);
    }
}
