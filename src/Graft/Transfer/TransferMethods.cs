using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Adapters;
using Graft.Networks;
using Graft.Recipes;
using Graft.Transfer.AdapterParts;
using Graft.Transfer.ConditionParts;
using Graft.Transfer.GuidedParts;
using Graft.Transfer.LoraParts;

namespace Graft.Transfer;

/// <summary>The methods by name. A new one is a folder beside this file and a line here.</summary>
public static class TransferMethods
{
    private static readonly Entry[] Entries =
    [
        new(ConditionTuning.MethodName, "ANL: tune Attention-NonLinear modules in the frozen source, fed by embeddings of condition pictures", Bind<ConditionTuning>),
        new(Adapter.MethodName, "train small bottlenecks beside the frozen source's residual blocks", Bind<Adapter>),
        new(Finetune.MethodName, "train all weights of the source, or a named subset, on the target", Bind<Finetune>),
        new(Guided.MethodName, "TGDP: leave the source as it is, and guide it by a learnt density ratio", Bind<Guided>),
        new(Lora.MethodName, "LoRA: train low-rank changes beside the frozen source's layers", Bind<Lora>),
        new(PairwiseAdaptation.MethodName, "DDPM-PA: fine-tune, keeping the source's pairwise distances and the target's detail", Bind<PairwiseAdaptation>),
        new(Scratch.MethodName, "train the source's architecture from nothing: what the source is worth", Bind<Scratch>),
    ];

    /// <summary>Names and one-line summaries.</summary>
    public static IReadOnlyList<(string Name, string Summary)> All { get; } = [.. Entries.Select(e => (e.Name, e.Summary))];

    /// <summary>Makes a method from its options by name.</summary>
    /// <param name="name">The method.</param>
    /// <param name="options">Its options in snake_case; none: the defaults.</param>
    /// <exception cref="InputException">The name or an option is unknown, or a value is of another type.</exception>
    public static TransferMethod Create(string name, JsonObject? options = null)
    {
        var entry = Entries.FirstOrDefault(e => e.Name == name)
            ?? throw new InputException($"The method {FileFault.Quote(name)} is unknown: {string.Join(", ", Entries.Select(e => e.Name))} are known.");
        return entry.Create(options ?? []);
    }

    /// <summary>Remakes the modules of an adapter's folder, by its <c>peft_type</c>; their weights are loaded afterwards.</summary>
    /// <exception cref="InputException">The kind is unknown, or its settings are broken.</exception>
    internal static Attachment RestoreAttachment(string kind, DenoisingNetwork network, JsonObject configuration, string where) => kind switch
    {
        AnlAttachment.PeftType => AnlAttachment.Restore(network, configuration, where),
        BottleneckAttachment.PeftType => BottleneckAttachment.Restore(network, configuration, where),
        GuidanceAttachment.PeftType => GuidanceAttachment.Restore(network, configuration, where),
        LoraAttachment.PeftType => LoraAttachment.Restore(network, configuration, where),
        _ => throw new InputException($"The adapter {where} is of kind {FileFault.Quote(kind)}, which is not known here."),
    };

    private static TransferMethod Bind<T>(JsonObject options)
        where T : TransferMethod => Recipe.Bind<T>(options, "method_options");

    private sealed record Entry(string Name, string Summary, Func<JsonObject, TransferMethod> Create);
}
