using System.Text.Json.Nodes;
using Graft.Adapters;
using Graft.Networks;
using Graft.Networks.UNet2DParts;
using Graft.Torch;

namespace Graft.Transfer.AdapterParts;

/// <summary>Bottlenecks beside the residual blocks of a network. The blocks that change the resolution have none.</summary>
internal sealed class BottleneckAttachment : Attachment
{
    internal const string PeftType = "GRAFT_BOTTLENECK";
    private readonly List<(ResnetBlock Block, Bottleneck Branch)> _branches = [];
    private readonly long _width;

    internal BottleneckAttachment(DenoisingNetwork network, long width)
    {
        _width = width;
        foreach (var (name, module) in network.Modules())
        {
            if (module is ResnetBlock { KeepsResolution: true } block)
                _branches.Add((block, Add(name, new Bottleneck(block, width))));
        }

        if (_branches.Count == 0)
            throw new InputException($"Bottlenecks stand beside the residual blocks of a U-Net, of which a {network.Options.ClassName} has none: take another method, as lora or finetune.");
    }

    /// <inheritdoc/>
    public override string Kind => PeftType;

    /// <inheritdoc/>
    public override void Attach()
    {
        foreach (var (block, branch) in _branches)
            block.Side = branch;
    }

    /// <inheritdoc/>
    public override JsonObject Configuration() => new() { ["peft_type"] = PeftType, ["width"] = _width };

    /// <summary>Draws the weights; the outputs are zero.</summary>
    internal void Start(long seed)
    {
        Initialise(seed);
        using var mode = Autograd.NoGrad();
        foreach (var (_, branch) in _branches)
            branch.ClearOutput();
    }

    /// <summary>Rebuilds it from its settings.</summary>
    internal static BottleneckAttachment Restore(DenoisingNetwork network, JsonObject configuration, string where) =>
        configuration["width"] is JsonValue value && value.TryGetValue<long>(out var width) && width is > 0 and <= Adapter.LargestWidth
            ? new BottleneckAttachment(network, width)
            : throw new InputException($"The adapter's configuration {where} cannot be read: width, from 1 to {Adapter.LargestWidth}, is due.");
}
