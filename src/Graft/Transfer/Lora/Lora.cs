using Graft.Data;
using Graft.Networks;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer.LoraParts;

namespace Graft.Transfer;

/// <summary>
/// LoRA (Hu et al. 2021): the source stays frozen, and a product of two thin matrices beside chosen layers is trained with L_simple.
/// The result is a small folder that names its source; its file has PEFT's names.
/// </summary>
public sealed record Lora : TransferMethod
{
    internal const string MethodName = "lora";
    internal const int LargestRank = 4096;
    private static readonly string[] UsualTargets = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2", "fc1", "fc2"];

    /// <summary>With its own settings of the training loop: thin matrices that start at zero want a higher rate than whole weights.</summary>
    public Lora() => Training = Training with { LearningRate = 1e-3 };

    /// <inheritdoc/>
    public override string Name => MethodName;

    /// <summary>r, the rank of a change.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>α: a change is scaled by α/r. Null: r, so that the scale is 1.</summary>
    public double? Alpha { get; init; }

    /// <summary>
    /// Layers that get a change: patterns over their names with * and ?, or the end of a name (<c>to_q</c>, as PEFT). By default the
    /// attention's layers and the layers of the residual blocks: few U-Nets without text attend at more than one resolution.
    /// </summary>
    public IReadOnlyList<string>? Targets { get; init; }

    /// <inheritdoc/>
    public override Adaptation Prepare(DiffusionModel source, ISampleSource target, TrainingRun? run = null)
    {
        if (Rank is < 1 or > LargestRank)
            throw new InputException($"The option rank is {Rank}: give 1 to {LargestRank}.");
        if (Alpha is { } alpha && !(alpha > 0 && double.IsFinite(alpha)))
            throw new InputException($"The option alpha is {alpha}: give a number above 0.");
        var model = source.Clone();
        try
        {
            var attachment = TorchRuntime.Run(() =>
            {
                var made = new LoraAttachment(model.Network, Rank, Alpha ?? Rank, Targets ?? Usual(model.Network));
                made.Start(Seed);
                return made;
            });
            model.Attach(attachment);
            return new Adaptation(model, [DenoisingStage.Create(Name, model, target, Training, [.. attachment.Parameters()])]);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <exception cref="InputException">The network has none of them.</exception>
    private static string[] Usual(DenoisingNetwork network)
    {
        string[] found = [.. UsualTargets.Where(t => LoraAttachment.Matches(t, network))];
        return found.Length > 0
            ? found
            : throw new InputException($"A {network.Options.ClassName} has none of the layers that {MethodName} usually stands beside: name some in the option targets, or take another method.");
    }
}
