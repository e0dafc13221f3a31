using System.Text.Json.Serialization;
using Graft.Data;

namespace Graft.Networks;

/// <summary>What the options of networks for recordings [leads, samples] share: their shape, and that an item has a set of labels.</summary>
public abstract record RecordingDenoiserOptions : DenoiserOptions
{
    private protected const int MaximalWidth = 1 << 13;
    private protected const int MaximalLength = 1 << 17;
    private protected const int MaximalClasses = 100_000;

    /// <summary>Leads.</summary>
    public int InChannels { get; init; } = 8;

    /// <summary>Samples of each lead.</summary>
    public int SampleLength { get; init; } = 1000;

    /// <summary>Labels, of which an item has any number; 0: it takes none.</summary>
    public int LabelEmbedClasses { get; init; }

    /// <inheritdoc/>
    [JsonIgnore]
    public override bool IsClassConditional => LabelEmbedClasses > 0;

    /// <inheritdoc/>
    [JsonIgnore]
    public override long Classes => LabelEmbedClasses;

    /// <inheritdoc/>
    [JsonIgnore]
    public override bool TakesLabelSets => LabelEmbedClasses > 0;

    /// <inheritdoc/>
    public override (long Input, long Output) Channels() => (InChannels, InChannels);

    /// <inheritdoc/>
    public override ItemShape ShapeOf(string origin) => new(InChannels, SampleLength);
}
