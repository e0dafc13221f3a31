using Graft.Torch;

namespace Graft.Diffusion;

/// <summary>What a denoiser may be conditioned on. Everything is optional, and has one row for each item of the batch.</summary>
public sealed record Condition
{
    /// <summary>Class indices, int64 [N]; or, for networks that take sets of labels, float32 [N, classes] of zeros and ones.</summary>
    public Tensor? ClassLabels { get; init; }

    /// <summary>Embeddings of condition images, float32 [N, D] or [N, tokens, D].</summary>
    public Tensor? Embedding { get; init; }
}

/// <summary>
/// The abstraction that everything hangs on: x_t, t and an optional condition in, a prediction out.
/// Fine-tuned networks, adapters and guided models all are denoisers, so samplers and metrics never ask which method made one.
/// </summary>
public interface IDenoiser
{
    /// <summary>The network's output for noised samples.</summary>
    /// <param name="x">Noised samples x_t, [N, C, ...].</param>
    /// <param name="t">Time steps of the training schedule, int64 [N]; in continuous time t itself, float64 [N].</param>
    /// <param name="condition">What it is conditioned on, if anything.</param>
    /// <returns>What the schedule's prediction type names: [N, C, ...], or [N, 2C, ...] where the variance is learned.</returns>
    Tensor Predict(Tensor x, Tensor t, Condition? condition = null);
}
