using System.Text.Json.Serialization;
using Graft.Data;
using Graft.Torch;
using Graft.Training;
using Microsoft.Extensions.Logging;

namespace Graft.Transfer;

/// <summary>What a method gives back: the model it makes, and the stages that make it, in order.</summary>
/// <param name="Model">The adapted model: how it denoises and what it saves. The caller disposes it.</param>
/// <param name="Stages">What is trained: the parameters, the data, the loss on a batch.</param>
public sealed record Adaptation(DiffusionModel Model, IReadOnlyList<TrainingStage> Stages)
{
    /// <summary>What the stages need and the model does not: disposed when they are done.</summary>
    public IReadOnlyList<IDisposable> Helpers { get; init; } = [];
}

/// <summary>
/// A way to adapt a source model to a target set. A method is a record of its options and says, in <see cref="Prepare"/>, what it
/// trains, with which loss, and which model it gives back. Progress, averages, checkpoints, resume and sample grids come from the
/// training loop, for every method.
/// </summary>
public abstract record TransferMethod
{
    /// <summary>The name on the command line and in recipes.</summary>
    [JsonIgnore]
    public abstract string Name { get; }

    /// <summary>Settings of the training loop.</summary>
    [JsonIgnore]
    public TrainingOptions Training { get; init; } = new() { Steps = 400, LearningRate = 2e-4, EmaDecay = 0.99 };

    /// <summary>Optimiser steps: a shorthand for <see cref="Training"/>'s.</summary>
    [JsonIgnore]
    public long Steps
    {
        get => Training.Steps;
        init => Training = Training with { Steps = value };
    }

    /// <summary>Seed: a shorthand for <see cref="Training"/>'s.</summary>
    [JsonIgnore]
    public long Seed
    {
        get => Training.Seed;
        init => Training = Training with { Seed = value };
    }

    /// <summary>Sets the method up. The source is not changed.</summary>
    /// <param name="source">The pretrained model.</param>
    /// <param name="target">The few samples of the new domain, of the source's shape.</param>
    /// <param name="run">Told of what takes long, and stops it.</param>
    /// <exception cref="InputException">Options, source and target do not fit together.</exception>
    public abstract Adaptation Prepare(DiffusionModel source, ISampleSource target, TrainingRun? run = null);

    /// <summary>Adapts in memory: no folder, no checkpoints.</summary>
    /// <param name="source">The pretrained model; it is not changed.</param>
    /// <param name="target">The few samples of the new domain.</param>
    /// <param name="progress">Told after every step.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <returns>The adapted model; the caller disposes it.</returns>
    public DiffusionModel Adapt(
        DiffusionModel source, ISampleSource target, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default) =>
        Adapt(source, target, new TrainingRun { Progress = progress, CancellationToken = cancellationToken });

    /// <summary>Adapts as a run with a folder: checkpoints, log, sample grids, resume; at the end the folder is the adapted model.</summary>
    /// <inheritdoc cref="Adapt(DiffusionModel, ISampleSource, IProgress{TrainingProgress}?, CancellationToken)"/>
    /// <param name="source">The pretrained model; it is not changed.</param>
    /// <param name="target">The few samples of the new domain.</param>
    /// <param name="run">Where it writes and how it is followed.</param>
    public DiffusionModel Adapt(DiffusionModel source, ISampleSource target, TrainingRun run)
    {
        Training.Validate();
        run = run.In(run.Folder);
        var adaptation = Prepare(source, target, run);
        var (model, stages) = adaptation;
        model.Learns(target);
        try
        {
            foreach (var stage in stages)
            {
                var (trained, frozen) = Count(stage, model);
                run.Logger.LogInformation("{Stage}: {Trained:N0} parameters are trained, {Frozen:N0} of the model stay as they are", stage.Name, trained, frozen);
                var folder = stages.Count == 1 || run.Folder is null ? run.Folder : Path.Combine(run.Folder, stage.Name);
                new Trainer(stage, stage.Options ?? Training, run with { Folder = folder, Identity = IdentityOf(run, source) }).Train();
            }

            if (run.Folder is not null)
                model.Save(run.Folder);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
        finally
        {
            foreach (var helper in adaptation.Helpers)
                helper.Dispose();
        }
    }

    /// <summary>Numbers of parameters that a stage trains, and of the model's that it leaves alone.</summary>
    private static (long Trained, long Frozen) Count(TrainingStage stage, DiffusionModel model) => TorchRuntime.Run(() =>
    {
        var trained = stage.Trainable.Select(p => p.Value).ToHashSet();
        return (trained.Sum(t => t.Count), model.Parameters().Where(p => !trained.Contains(p.Value)).Sum(p => p.Value.Count));
    });

    private System.Text.Json.Nodes.JsonObject IdentityOf(TrainingRun run, DiffusionModel source)
    {
        var identity = (System.Text.Json.Nodes.JsonObject)run.Identity.DeepClone();
        identity["method"] = Name;
        identity["source"] = source.Fingerprint();
        return identity;
    }
}
