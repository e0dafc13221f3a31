using System.IO.Enumeration;
using System.Text.Json.Nodes;
using Graft.Adapters;
using Graft.Formats;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Transfer.LoraParts;

/// <summary>Low-rank changes beside the layers of a network, under PEFT's names.</summary>
internal sealed class LoraAttachment : Attachment
{
    internal const string PeftType = "LORA";
    private readonly Dictionary<string, LowRank> _branches = [];
    private readonly long _rank;
    private readonly double _alpha;

    /// <summary>Makes branches for every layer that a pattern names.</summary>
    /// <exception cref="InputException">A pattern names no linear or convolution layer.</exception>
    internal LoraAttachment(DenoisingNetwork network, long rank, double alpha, IReadOnlyList<string> targets)
    {
        (_rank, _alpha) = (rank, alpha);
        var layers = network.Modules().Where(m => m.Module is Linear or Conv2d).ToList();
        var idle = targets.FirstOrDefault(pattern => !layers.Any(l => Matches(pattern, l.Name)));
        if (idle is not null || targets.Count == 0)
            throw new InputException($"The pattern {FileFault.Quote(idle)} of the option targets matches no linear or convolution layer: `graft inspect --parameters` lists their names.");
        foreach (var (name, layer) in layers.Where(l => targets.Any(pattern => Matches(pattern, l.Name))))
            _branches.Add(name, Add(name, new LowRank((ChangeableModule)layer, rank, alpha)));
    }

    /// <inheritdoc/>
    public override string Kind => PeftType;

    /// <inheritdoc/>
    public override bool CanMerge => true;

    /// <inheritdoc/>
    public override void Attach()
    {
        foreach (var branch in _branches.Values)
            branch.Connect();
    }

    /// <inheritdoc/>
    public override JsonObject Configuration() => new()
    {
        ["peft_type"] = PeftType,
        ["r"] = _rank,
        ["lora_alpha"] = _alpha,
        ["lora_dropout"] = 0.0,
        ["bias"] = "none",
        ["fan_in_fan_out"] = false,
        ["inference_mode"] = true,
        ["init_lora_weights"] = true,
        ["target_modules"] = new JsonArray([.. _branches.Keys.Select(n => (JsonNode)n)]),
    };

    /// <inheritdoc/>
    public override void MergeInto(DenoisingNetwork network)
    {
        using var mode = Autograd.NoGrad();
        var layers = network.Modules().ToDictionary(m => m.Name, m => m.Module);
        foreach (var (name, branch) in _branches)
        {
            using var scope = new TensorScope();
            var weight = ((WeightedModule)layers[name]).Weight;
            weight.CopyFrom(weight + branch.Weight());
        }
    }

    /// <summary>Draws A; B is zero.</summary>
    internal void Start(long seed)
    {
        Initialise(seed);
        using var mode = Autograd.NoGrad();
        foreach (var branch in _branches.Values)
            branch.ClearOutput();
    }

    /// <summary>Rebuilds it from its settings.</summary>
    internal static LoraAttachment Restore(DenoisingNetwork network, JsonObject configuration, string where)
    {
        try
        {
            var rank = (long)configuration["r"]!;
            var alpha = (double)configuration["lora_alpha"]!;
            var targets = configuration["target_modules"]!.AsArray().Select(n => (string)n!).ToList();
            if (rank is < 1 or > Lora.LargestRank || !double.IsFinite(alpha))
                throw new FormatException("r or lora_alpha is out of range");
            return new LoraAttachment(network, rank, alpha, targets);
        }
        catch (InputException e)
        {
            throw new InputException($"The adapter's configuration {where} does not fit its source: {e.Message}", e);
        }
        catch (Exception e) when (e is NullReferenceException or InvalidOperationException or FormatException)
        {
            throw new InputException($"The adapter's configuration {where} cannot be read: r (from 1 to {Lora.LargestRank}), lora_alpha and target_modules (a list) are due.", e);
        }
    }

    /// <summary>Whether a pattern names any layer of a network.</summary>
    internal static bool Matches(string pattern, DenoisingNetwork network) => network.Modules().Any(m => m.Module is Linear or Conv2d && Matches(pattern, m.Name));

    /// <summary>PEFT takes a name for every layer whose dotted name ends in it; * and ? may stand in ours.</summary>
    private static bool Matches(string pattern, string name) =>
        FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false) || name.EndsWith("." + pattern, StringComparison.Ordinal);
}
