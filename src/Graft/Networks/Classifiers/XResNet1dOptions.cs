using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Graft.Data.Ecg;

namespace Graft.Networks;

/// <summary><c>config.json</c> of an <see cref="XResNet1d"/>: keys are these names in snake_case.</summary>
public sealed record XResNet1dOptions
{
    internal const string ClassName = "GraftXResNet1d";
    private const int MostStages = 8;
    private const int MostBlocks = 64;
    private const int MostChannels = 1 << 12;

    /// <summary>What measures taken with its features are called after.</summary>
    public string Name { get; init; } = "xresnet1d50";

    /// <summary>The leads that it sees, in order.</summary>
    public IReadOnlyList<string> Leads { get; init; } = EcgLeads.Standard;

    /// <summary>Samples a second of what it was trained on.</summary>
    public double SamplingRate { get; init; } = 100;

    /// <summary>The unit of what it was trained on, as <see cref="EcgCard.Unit"/> has it; empty: unknown.</summary>
    public string Unit { get; init; } = "";

    /// <summary>Samples of a crop: 2.5 s at 100 Hz.</summary>
    public int CropSamples { get; init; } = 250;

    /// <summary>Names of the classes; any number of them may hold at once.</summary>
    public IReadOnlyList<string> Classes { get; init; } = [];

    /// <summary>Channels of the three convolutions of the stem, the first of which halves the length.</summary>
    public IReadOnlyList<int> StemChannels { get; init; } = [32, 32, 64];

    /// <summary>Inner channels of each stage's blocks; their outputs have <see cref="Expansion"/> times as many. Stages after the first halve the length.</summary>
    public IReadOnlyList<int> StageChannels { get; init; } = [64, 64, 64, 64];

    /// <summary>Blocks of each stage.</summary>
    public IReadOnlyList<int> StageBlocks { get; init; } = [3, 4, 6, 3];

    /// <summary>4: blocks of three convolutions with a narrow middle; 1: of two.</summary>
    public int Expansion { get; init; } = 4;

    /// <summary>Width of the blocks' convolutions, odd.</summary>
    public int KernelSize { get; init; } = 5;

    /// <summary>Width of the stem's convolutions, odd.</summary>
    public int StemKernelSize { get; init; } = 5;

    /// <summary>Width of the hidden layer of the head, whose values are the network's features.</summary>
    public int HeadChannels { get; init; } = 128;

    /// <summary>Drop-out before the last layer; before the hidden one it is half as large.</summary>
    public double HeadDropout { get; init; } = 0.5;

    /// <summary>The PTB-XL benchmark's xresnet1d50 (Strodthoff et al. 2021): the defaults.</summary>
    public static XResNet1dOptions Benchmark { get; } = new();

    /// <summary>A sibling of a tenth of the size for machines with few cores: narrower, three stages of one block of two convolutions.</summary>
    public static XResNet1dOptions Small { get; } = new()
    {
        Name = "xresnet1d-small", StemChannels = [16, 16, 32], StageChannels = [32, 48, 64], StageBlocks = [1, 1, 1], Expansion = 1, HeadChannels = 64,
    };

    /// <summary>Number of trained parameters and of running statistics of such a network, without building it.</summary>
    [JsonIgnore]
    public (long Trained, long Statistics) ParameterCount
    {
        get
        {
            var (trained, statistics) = (0L, 0L);
            long inputs = Leads.Count;
            foreach (var outputs in StemChannels)
                Convolve(outputs, StemKernelSize);
            for (var stage = 0; stage < StageChannels.Count; stage++)
            {
                long middle = StageChannels[stage], outputs = middle * Expansion;
                for (var block = 0; block < StageBlocks[stage]; block++)
                {
                    var before = inputs;
                    if (Expansion > 1)
                        Convolve(middle, 1);
                    Convolve(middle, KernelSize);
                    Convolve(outputs, Expansion > 1 ? 1 : KernelSize);
                    if (before != outputs)
                    {
                        inputs = before;
                        Convolve(outputs, 1);
                    }
                }
            }

            foreach (var (wide, narrow) in new[] { (2 * inputs, (long)HeadChannels), (HeadChannels, Classes.Count) })
                (trained, statistics) = (trained + (2 * wide) + (wide * narrow) + narrow, statistics + (2 * wide));
            return (trained, statistics);

            void Convolve(long outputs, long kernel)
            {
                (trained, statistics) = (trained + (inputs * outputs * kernel) + (2 * outputs), statistics + (2 * outputs));
                inputs = outputs;
            }
        }
    }

    /// <summary>Reads a configuration; absent keys take the defaults, keys that begin with an underscore do not count.</summary>
    /// <param name="json">The keys.</param>
    /// <param name="where">What is being read, for messages.</param>
    /// <exception cref="InputException">A key is unknown, a value has another type, or the values do not fit together.</exception>
    public static XResNet1dOptions FromJson(JsonObject json, string where)
    {
        var options = ClassifierConfiguration.Read<XResNet1dOptions>(json, where, ClassName);
        options.Validate(where);
        return options;
    }

    /// <summary>The configuration with every key.</summary>
    public JsonObject ToJson() => ClassifierConfiguration.Write(this, ClassName);

    /// <summary>The same network for a set: its leads, rate, unit and classes.</summary>
    /// <param name="card">The set's.</param>
    public XResNet1dOptions For(EcgCard card)
    {
        ArgumentNullException.ThrowIfNull(card);
        return this with { Leads = [.. card.Leads], SamplingRate = card.SamplingRate, Unit = card.Unit, Classes = [.. card.Classes] };
    }

    /// <summary>Everything that building the network relies on.</summary>
    internal void Validate(string where)
    {
        Require(Name.Length > 0, "name must not be empty");
        Require(Leads.Count is >= 1 and <= MostChannels && Leads.Distinct(StringComparer.Ordinal).Count() == Leads.Count, "leads must name at least one, none twice");
        Require(Classes.Count is >= 1 and <= MostChannels && Classes.Distinct(StringComparer.Ordinal).Count() == Classes.Count, "classes must name at least one, none twice");
        Require(SamplingRate > 0 && double.IsFinite(SamplingRate), "sampling_rate must be above 0");
        Require(CropSamples is >= 16 and <= 1 << 20, "crop_samples must lie between 16 and 1048576");
        Require(StemChannels.Count is >= 1 and <= MostStages, $"stem_channels must have 1 to {MostStages} entries");
        Require(StageChannels.Count is >= 1 and <= MostStages, $"stage_channels must have 1 to {MostStages} entries");
        Require(StageBlocks.Count == StageChannels.Count, "stage_blocks must have as many entries as stage_channels");
        Require(StageBlocks.All(b => b is >= 1 and <= MostBlocks), $"the entries of stage_blocks must lie between 1 and {MostBlocks}");
        Require(StemChannels.Concat(StageChannels).Append(HeadChannels).All(c => c is >= 1 and <= MostChannels), $"numbers of channels must lie between 1 and {MostChannels}");
        Require(Expansion is >= 1 and <= 16, "expansion must lie between 1 and 16");
        Require(KernelSize is >= 1 and <= 101 && KernelSize % 2 == 1, "kernel_size must be odd, from 1 to 101");
        Require(StemKernelSize is >= 1 and <= 101 && StemKernelSize % 2 == 1, "stem_kernel_size must be odd, from 1 to 101");
        Require(HeadDropout is >= 0 and < 1, "head_dropout must be at least 0 and below 1");

        void Require(bool condition, string message)
        {
            if (!condition)
                throw new InputException($"The network configuration {where} cannot be used: {message}.");
        }
    }
}
