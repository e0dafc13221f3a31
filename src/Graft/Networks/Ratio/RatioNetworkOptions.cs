using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Graft.Data;
using Graft.Formats;

namespace Graft.Networks;

/// <summary>The architecture of a <see cref="RatioNetwork"/>, as an adapter's folder holds it.</summary>
public sealed record RatioNetworkOptions
{
    private const int MaximalWidth = 1 << 11;
    private const int MaximalBlocks = 16;
    private const int MaximalClasses = 1_000_000;
    private static readonly JsonSerializerOptions Serialiser = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
    };

    /// <summary>The shape of an item: [D] of points, [leads, samples] of recordings, [C, H, W] of pictures. It decides the kind of network.</summary>
    public required IReadOnlyList<long> ItemSizes { get; init; }

    /// <summary>Width: of the residual path of points, of every level of recordings, of the first level of pictures (it doubles at every level but the first).</summary>
    public int HiddenChannels { get; init; } = 128;

    /// <summary>Residual blocks; of pictures every block but the first halves them first, of recordings every block makes them four times shorter.</summary>
    public int Blocks { get; init; } = 3;

    /// <summary>Whether it is told t.</summary>
    public bool Timed { get; init; }

    /// <summary>What t is multiplied by before it is embedded: 1000 where time is continuous, so that it runs as steps do.</summary>
    public double TimestepScale { get; init; } = 1;

    /// <summary>Number of classes; null: it takes no labels.</summary>
    public long? NumClassEmbeds { get; init; }

    /// <summary>The shape of an item.</summary>
    [JsonIgnore]
    public ItemShape ItemShape => new([.. ItemSizes]);

    /// <summary>The keys in snake_case.</summary>
    public JsonObject ToJson() => JsonSerializer.SerializeToNode(this, Serialiser)!.AsObject();

    /// <summary>Reads the keys.</summary>
    /// <param name="json">The keys.</param>
    /// <param name="where">Where they are from, for messages.</param>
    /// <exception cref="InputException">A key is unknown, or a value is of another type or out of range.</exception>
    public static RatioNetworkOptions FromJson(JsonObject json, string where)
    {
        ArgumentNullException.ThrowIfNull(json);
        try
        {
            var options = json.Deserialize<RatioNetworkOptions>(Serialiser)!;
            options.Validate(where);
            return options;
        }
        catch (JsonException e)
        {
            throw new InputException($"The ratio network's configuration {where} cannot be read: {FileFault.Shorten(e.Message.TrimEnd('.'), 240)}.", e);
        }
    }

    /// <summary>Checks the values.</summary>
    /// <exception cref="InputException">One is out of range.</exception>
    internal void Validate(string where)
    {
        Require(ItemSizes.Count is >= 1 and <= 3 && ItemSizes.All(s => s is >= 1 and <= 1 << 17), "item_sizes must be those of points (1), recordings (2) or pictures (3)");
        Require(HiddenChannels is >= 1 and <= MaximalWidth, $"hidden_channels must lie between 1 and {MaximalWidth}");
        Require(Blocks is >= 1 and <= MaximalBlocks, $"blocks must lie between 1 and {MaximalBlocks}");
        Require(TimestepScale > 0 && double.IsFinite(TimestepScale), "timestep_scale must be above 0");
        Require(NumClassEmbeds is null or (>= 1 and <= MaximalClasses), $"num_class_embeds must lie between 1 and {MaximalClasses}");
        if (ItemSizes.Count == 2)
            Require(HiddenChannels % SequenceRatioNetwork.Groups == 0, $"hidden_channels must be a multiple of {SequenceRatioNetwork.Groups} for recordings");
        if (ItemSizes.Count == 3)
        {
            Require(HiddenChannels % PictureRatioNetwork.Groups == 0, $"hidden_channels must be a multiple of {PictureRatioNetwork.Groups} for pictures");
            Require((long)HiddenChannels << (Blocks - 1) <= MaximalWidth, $"hidden_channels doubled for every block but the first must not exceed {MaximalWidth}");
        }

        void Require(bool condition, string message)
        {
            if (!condition)
                throw new InputException($"The ratio network {where} cannot be used: {message}.");
        }
    }
}
