using Graft.Data;
using Graft.Training;

namespace Graft.Transfer;

/// <summary>The source's architecture and schedule, trained on the target from initial weights: what one gets without transfer.</summary>
public sealed record Scratch : TransferMethod
{
    internal const string MethodName = "scratch";

    /// <inheritdoc/>
    public override string Name => MethodName;

    /// <inheritdoc/>
    public override Adaptation Prepare(DiffusionModel source, ISampleSource target, TrainingRun? run = null)
    {
        var model = source.Clone();
        try
        {
            Torch.TorchRuntime.Run(() => model.Network.Initialise(Seed));
            return new Adaptation(model, [DenoisingStage.Create(Name, model, target, Training)]);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
