using Graft.Evaluation;
using Graft.Formats.Diffusers;
using Graft.Torch;

namespace Graft.Training;

/// <summary>What one optimiser step (or an equal part of one) sees.</summary>
/// <param name="Step">The step, from 0.</param>
/// <param name="Items">Numbers of the draws since the beginning: what randomness is keyed by.</param>
/// <param name="X0">Clean samples, float32 [N, C, ...], pictures in [-1, 1].</param>
/// <param name="T">Time steps, int64 [N], in continuous time float64 [N]; 0 where the stage adds no noise.</param>
/// <param name="Noise">Standard normal noise of x0's shape; empty [0] where the stage adds none.</param>
/// <param name="ClassLabels">Class indices, int64 [N], where the data has them; sets of labels, float32 [N, classes] of zeros and ones, where it has those.</param>
public sealed record Batch(long Step, long[] Items, Tensor X0, Tensor T, Tensor Noise, Tensor? ClassLabels)
{
    /// <summary>Embeddings of what the items are conditioned on, float32 [N, D]; zeros where a condition was dropped. Null where there is none.</summary>
    public Tensor? Embedding { get; init; }
}

/// <summary>Where a stage's batches come from: a function of the step, never a state.</summary>
public interface IBatchSource
{
    /// <summary>One line for people and for the check on resuming.</summary>
    string Description { get; }

    /// <summary>The batch of these draws.</summary>
    /// <param name="step">The optimiser step, from 0.</param>
    /// <param name="items">Numbers of the draws since the beginning.</param>
    Batch Read(long step, long[] items);
}

/// <summary>The loss of a batch, and parts of it that the log should name.</summary>
/// <param name="Total">The scalar that is differentiated.</param>
/// <param name="Terms">Scalars by name; may be empty.</param>
public readonly record struct Loss(Tensor Total, params (string Name, Tensor Value)[] Terms);

/// <summary>What a method trains: the loop knows nothing else of it.</summary>
public sealed record TrainingStage
{
    /// <summary>A short name for messages.</summary>
    public required string Name { get; init; }

    /// <summary>A sentence that is said once when the stage begins; may be null.</summary>
    public string? Warning { get; init; }

    /// <summary>Put into training mode, and told which items a batch holds.</summary>
    public required Module Network { get; init; }

    /// <summary>What the optimiser changes; everything else stays.</summary>
    public required IReadOnlyList<NamedTensor> Trainable { get; init; }

    /// <summary>What training passes change without gradients, as running statistics of batch norms: a checkpoint holds it too.</summary>
    public IReadOnlyList<NamedTensor> Buffers { get; init; } = [];

    /// <summary>The data.</summary>
    public required IBatchSource Data { get; init; }

    /// <summary>The loss on a batch.</summary>
    public required Func<Batch, Loss> Loss { get; init; }

    /// <summary>Writes the model as it stands into a folder, so that it can be loaded from there.</summary>
    public required Action<string> Save { get; init; }

    /// <summary>Whether a folder holds a model that <see cref="Save"/> would overwrite; by default, whether it holds a diffusers model.</summary>
    public Func<string, bool> HoldsModel { get; init; } = DiffusersFolder.Is;

    /// <summary>Draws a sheet of samples from the model as it stands into a PNG file; may be null.</summary>
    public Action<string>? DrawSamples { get; init; }

    /// <summary>Draws samples from the model as it stands, from the same noise each time, and measures how many are copies; may be null.</summary>
    public Func<Memorisation>? Meter { get; init; }

    /// <summary>
    /// A number that is to be small for items that nothing is trained on, of the model as it stands; null: the run keeps its last weights,
    /// not its best. Read every <see cref="TrainingOptions.ValidateEvery"/> steps.
    /// </summary>
    public Func<double>? Validate { get; init; }

    /// <summary>What the best weights and checkpoints keep: <see cref="Trainable"/> and <see cref="Buffers"/>.</summary>
    internal IEnumerable<NamedTensor> State => Trainable.Concat(Buffers);

    /// <summary>Whether the loss is differentiated once and through a network of blocks, so that <see cref="TrainingOptions.RecomputeBlocks"/> may be set.</summary>
    public bool MayRecompute { get; init; }

    /// <summary>Settings of the loop that are this stage's own; null: the method's.</summary>
    public TrainingOptions? Options { get; init; }
}
