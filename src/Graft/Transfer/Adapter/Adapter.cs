using Graft.Data;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer.AdapterParts;

namespace Graft.Transfer;

/// <summary>
/// Adapter tuning (Houlsby et al. 2019, for U-Nets): the source stays frozen, and a bottleneck beside each residual block is trained
/// with L_simple. The result is a small folder that names its source.
/// </summary>
public sealed record Adapter : TransferMethod
{
    internal const string MethodName = "adapter";
    internal const int LargestWidth = 4096;

    /// <summary>With its own settings of the training loop: bottlenecks that start at zero want a higher rate than whole weights.</summary>
    public Adapter() => Training = Training with { LearningRate = 1e-3 };

    /// <inheritdoc/>
    public override string Name => MethodName;

    /// <summary>d, the channels of a bottleneck.</summary>
    public int Width { get; init; } = 8;

    /// <inheritdoc/>
    public override Adaptation Prepare(DiffusionModel source, ISampleSource target, TrainingRun? run = null)
    {
        if (Width is < 1 or > LargestWidth)
            throw new InputException($"The option width is {Width}: give 1 to {LargestWidth}.");
        var model = source.Clone();
        try
        {
            var attachment = TorchRuntime.Run(() =>
            {
                var made = new BottleneckAttachment(model.Network, Width);
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
}
