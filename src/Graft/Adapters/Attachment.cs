using System.Text.Json.Nodes;
using Graft.Conditions;
using Graft.Diffusion;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Adapters;

/// <summary>
/// Small trained modules beside a network that stays frozen. Its parameters are its own: the network's stay what they were, and an
/// adapter's folder holds nothing else.
/// </summary>
public abstract class Attachment : Module
{
    /// <summary>What kind it is, as <c>peft_type</c> of <c>adapter_config.json</c>.</summary>
    public abstract string Kind { get; }

    /// <summary>Whether it can be worked into the network's own weights.</summary>
    public virtual bool CanMerge => false;

    /// <summary>What the model was tuned to be conditioned on, which its folder holds too; null where it takes no conditions.</summary>
    public ConditionTable? Conditions { get; internal set; }

    /// <summary>Whether conditions take the place of the classes that the network was trained with.</summary>
    public virtual bool ReplacesClasses => false;

    /// <summary>Connects it with the network that it was made for.</summary>
    public abstract void Attach();

    /// <summary>The model as samplers see it; by default the network, which the modules were connected with.</summary>
    /// <param name="network">The frozen network.</param>
    /// <param name="schedule">The schedule that it was trained with.</param>
    public virtual IDenoiser Around(DenoisingNetwork network, NoiseSchedule schedule) => network;

    /// <summary>Its settings, as <c>adapter_config.json</c> holds them.</summary>
    public abstract JsonObject Configuration();

    /// <summary>Works it into a network's weights, which then computes the same without it.</summary>
    /// <param name="network">A network of the same architecture and weights as the attached one.</param>
    /// <exception cref="NotSupportedException"><see cref="CanMerge"/> is false.</exception>
    public virtual void MergeInto(DenoisingNetwork network) => throw new NotSupportedException($"{Kind} cannot be merged.");
}
