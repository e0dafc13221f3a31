using System.IO.Enumeration;
using Graft.Data;
using Graft.Torch;
using Graft.Training;

namespace Graft.Transfer;

/// <summary>Plain fine-tuning: the source's weights trained on with L_simple. The baseline that every method is measured against.</summary>
public sealed record Finetune : TransferMethod
{
    internal const string MethodName = "finetune";

    /// <inheritdoc/>
    public override string Name => MethodName;

    /// <summary>Which parameters are trained: patterns over their names with * and ?, as <c>up_blocks.*</c>. All by default.</summary>
    public IReadOnlyList<string> Trainable { get; init; } = ["*"];

    /// <inheritdoc/>
    public override Adaptation Prepare(DiffusionModel source, ISampleSource target, TrainingRun? run = null)
    {
        var model = source.Clone();
        try
        {
            return new Adaptation(model, [DenoisingStage.Create(Name, model, target, Training, Matching(model))]);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private NamedTensor[] Matching(DiffusionModel model)
    {
        var all = DenoisingStage.TrainableParameters(model);
        var idle = Trainable.FirstOrDefault(pattern => !all.Any(p => FileSystemName.MatchesSimpleExpression(pattern, p.Name, ignoreCase: false)));
        if (idle is not null || Trainable.Count == 0)
            throw new InputException($"The pattern '{idle}' of the option trainable matches no parameter: `graft inspect --parameters` lists their names.");
        return [.. all.Where(p => Trainable.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, p.Name, ignoreCase: false)))];
    }
}
