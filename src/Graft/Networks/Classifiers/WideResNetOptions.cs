using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Graft.Data;

namespace Graft.Networks;

/// <summary><c>config.json</c> of a <see cref="WideResNet"/>: keys are these names in snake_case.</summary>
public sealed record WideResNetOptions
{
    internal const string ClassName = "GraftWideResNet";
    internal const int StemChannels = 16;
    private const int MaximalDepth = 1000;
    private const int MaximalWidth = 64;
    private const int MaximalSize = 1 << 12;

    /// <summary>What it is called in reports.</summary>
    public string Name { get; init; } = "wide-resnet";

    /// <summary>Edge of the pictures it is trained on; the network itself takes any size.</summary>
    public int SampleSize { get; init; } = 28;

    /// <summary>Channels of the pictures.</summary>
    public int InChannels { get; init; } = 1;

    /// <summary>Number of logits.</summary>
    public int NumClasses { get; init; } = 10;

    /// <summary>Depth d of WRN-d-k, 6n + 4: three groups of n blocks of two convolutions, and the stem.</summary>
    public int Depth { get; init; } = 10;

    /// <summary>Widening factor k of WRN-d-k: the groups have 16k, 32k and 64k channels.</summary>
    public int WidenFactor { get; init; } = 2;

    /// <summary>Share of a batch's statistics in the running ones after a step (PyTorch's <c>momentum</c>); FixMatch's code has 0.001, for a million steps.</summary>
    public double NormMomentum { get; init; } = 0.1;

    /// <summary>Shape of the pictures it is trained on.</summary>
    [JsonIgnore]
    public ImageShape Shape => new(InChannels, SampleSize, SampleSize);

    /// <summary>n: blocks of a group.</summary>
    [JsonIgnore]
    public int BlocksOfGroup => (Depth - 4) / 6;

    /// <summary>Channels of the three groups.</summary>
    [JsonIgnore]
    public IReadOnlyList<int> GroupChannels => [16 * WidenFactor, 32 * WidenFactor, 64 * WidenFactor];

    /// <summary>Numbers of trained parameters and of running statistics of such a network, without building it.</summary>
    [JsonIgnore]
    public (long Trained, long Statistics) ParameterCount
    {
        get
        {
            long inputs = StemChannels, trained = 9L * InChannels * inputs, statistics = 0;
            foreach (long outputs in GroupChannels)
            {
                for (var i = 0; i < BlocksOfGroup; i++, inputs = outputs)
                {
                    trained += (9 * inputs * outputs) + (9 * outputs * outputs) + (inputs == outputs ? 0 : inputs * outputs);
                    statistics += 2 * (inputs + outputs);
                }
            }

            statistics += 2 * inputs;
            return (trained + statistics + (inputs * NumClasses) + NumClasses, statistics);
        }
    }

    /// <summary>Reads a configuration; absent keys take the defaults, keys that begin with an underscore do not count.</summary>
    /// <param name="json">The keys.</param>
    /// <param name="where">What is being read, for messages.</param>
    /// <exception cref="InputException">A key is unknown, a value has another type, or the values do not fit together.</exception>
    public static WideResNetOptions FromJson(JsonObject json, string where)
    {
        var options = ClassifierConfiguration.Read<WideResNetOptions>(json, where, ClassName);
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
        Require(SampleSize is >= 4 and <= MaximalSize, $"sample_size {SampleSize} must lie between 4 and {MaximalSize}");
        Require(NumClasses is >= 2 and <= MaximalSize, $"num_classes {NumClasses} must lie between 2 and {MaximalSize}");
        Require(Depth is >= 10 and <= MaximalDepth && (Depth - 4) % 6 == 0, $"depth {Depth} must be 6n + 4, as 10, 16, 22 or 28");
        Require(WidenFactor is >= 1 and <= MaximalWidth, $"widen_factor {WidenFactor} must lie between 1 and {MaximalWidth}");
        Require(NormMomentum is > 0 and <= 1, FormattableString.Invariant($"norm_momentum {NormMomentum} must lie above 0 and be at most 1"));

        void Require(bool condition, string message)
        {
            if (!condition)
                throw new InputException($"The network configuration {where} cannot be used: {message}.");
        }
    }
}
