using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Graft.Data;

namespace Graft.Networks;

/// <summary><c>config.json</c> of a <see cref="ResNetClassifier"/>: keys are these names in snake_case.</summary>
public sealed record ResNetClassifierOptions
{
    internal const string ClassName = "GraftResNetClassifier";
    private const int MaximalBlocks = 64;
    private const int MaximalChannels = 1 << 12;
    private const int MaximalSize = 1 << 12;

    /// <summary>What measures taken with its features are called after, so that nobody takes them for published ones.</summary>
    public string Name { get; init; } = "classifier";

    /// <summary>Edge of the pictures it is trained on; the network itself takes any size.</summary>
    public int SampleSize { get; init; } = 28;

    /// <summary>Channels of the pictures.</summary>
    public int InChannels { get; init; } = 1;

    /// <summary>Number of logits.</summary>
    public int NumClasses { get; init; } = 10;

    /// <summary>Channels of each residual block; the last is the width of the pooled feature.</summary>
    public IReadOnlyList<int> BlockOutChannels { get; init; } = [16, 32, 32, 64, 64];

    /// <summary>Stride of each residual block: 1 keeps the resolution, 2 halves it (rounded up).</summary>
    public IReadOnlyList<int> BlockStrides { get; init; } = [1, 2, 1, 2, 2];

    /// <summary>Groups of the group norms.</summary>
    public int NormNumGroups { get; init; } = 8;

    /// <summary>Shape of the pictures it is trained on.</summary>
    [JsonIgnore]
    public ImageShape Shape => new(InChannels, SampleSize, SampleSize);

    /// <summary>Number of parameters of such a network, without building it.</summary>
    [JsonIgnore]
    public long ParameterCount
    {
        get
        {
            long inputs = BlockOutChannels[0], count = (9L * InChannels * inputs) + inputs;
            for (var i = 0; i < BlockOutChannels.Count; i++)
            {
                long outputs = BlockOutChannels[i];
                count += (2 * inputs) + (9 * inputs * outputs) + outputs + (2 * outputs) + (9 * outputs * outputs) + outputs;
                if (ResNetClassifier.HasShortcut(inputs, outputs, BlockStrides[i]))
                    count += inputs * outputs;
                inputs = outputs;
            }

            return count + (2 * inputs) + (inputs * NumClasses) + NumClasses;
        }
    }

    /// <summary>Reads a configuration; absent keys take the defaults, keys that begin with an underscore do not count.</summary>
    /// <param name="json">The keys.</param>
    /// <param name="where">What is being read, for messages.</param>
    /// <exception cref="InputException">A key is unknown, a value has another type, or the values do not fit together.</exception>
    public static ResNetClassifierOptions FromJson(JsonObject json, string where)
    {
        var options = ClassifierConfiguration.Read<ResNetClassifierOptions>(json, where, ClassName);
        options.Validate(where);
        return options;
    }

    /// <summary>The configuration with every key.</summary>
    public JsonObject ToJson() => ClassifierConfiguration.Write(this, ClassName);

    /// <summary>Everything that building the network relies on.</summary>
    internal void Validate(string where)
    {
        Require(Name.Length > 0, "name must not be empty");
        Require(InChannels is 1 or 3, $"in_channels {InChannels} must be 1 or 3");
        Require(SampleSize is >= 1 and <= MaximalSize, $"sample_size {SampleSize} must lie between 1 and {MaximalSize}");
        Require(NumClasses is >= 1 and <= MaximalChannels, $"num_classes {NumClasses} must lie between 1 and {MaximalChannels}");
        Require(BlockOutChannels.Count is >= 1 and <= MaximalBlocks, $"block_out_channels must have 1 to {MaximalBlocks} entries");
        Require(BlockStrides.Count == BlockOutChannels.Count, "block_strides must have as many entries as block_out_channels");
        Require(NormNumGroups >= 1, $"norm_num_groups {NormNumGroups} must be at least 1");
        foreach (var stride in BlockStrides)
            Require(stride is 1 or 2, $"the stride {stride} of block_strides must be 1 or 2");
        foreach (var channels in BlockOutChannels)
        {
            Require(channels is >= 1 and <= MaximalChannels, $"{channels} of block_out_channels must lie between 1 and {MaximalChannels}");
            Require(channels % NormNumGroups == 0, $"{channels} of block_out_channels is not a multiple of norm_num_groups {NormNumGroups}");
        }

        void Require(bool condition, string message)
        {
            if (!condition)
                throw new InputException($"The network configuration {where} cannot be used: {message}.");
        }
    }
}
