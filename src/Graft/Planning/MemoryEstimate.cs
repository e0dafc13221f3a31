namespace Graft.Planning;

/// <summary>Memory of a training, computed: what the process grows by, in bytes, beside the program and libtorch themselves (some 0.2 GB).</summary>
/// <param name="Weights">The source's, and the copy that is trained.</param>
/// <param name="Training">Gradients, AdamW's two moments and the average, of what is trained.</param>
/// <param name="Activations">Values between layers and their gradients, of the pictures that are worked through together.</param>
public readonly record struct MemoryEstimate(long Weights, long Training, long Activations)
{
    /// <summary>Largest deviation from the measured peaks that the factors were chosen by (docs/planning.md).</summary>
    public const double Error = 0.25;

    private const int Single = 4; // bytes of a float32
    private const int States = 4; // gradient, two moments, average

    // Kept values are joined by their gradients and by what malloc cannot reuse; our own convolutions keep their inputs alone.
    private const double OwnConvolutions = 0.75;
    private const double OperatorsInARow = 1.5;
    private const double SecondPass = 0.05; // the frozen source's, which is over before the other begins

    /// <summary>All of it.</summary>
    public long Total => Weights + Training + Activations;

    /// <summary>Computes.</summary>
    /// <param name="cost">The network.</param>
    /// <param name="trained">Parameters that are trained.</param>
    /// <param name="together">Pictures that are worked through together: the batch, or its part with accumulation.</param>
    /// <param name="sourceRuns">Whether the frozen source runs beside the copy.</param>
    /// <param name="ownConvolutions">Whether convolutions and attention are Graft's own (docs/performance.md), and not libtorch's operators in a row.</param>
    public static MemoryEstimate Of(NetworkCost cost, long trained, int together, bool sourceRuns, bool ownConvolutions)
    {
        ArgumentNullException.ThrowIfNull(cost);
        var kept = (double)(cost.Activations - (ownConvolutions ? cost.AttentionWeights : 0)) * together * Single;
        return new MemoryEstimate(
            2 * cost.Parameters * Single,
            States * trained * Single,
            (long)(kept * ((ownConvolutions ? OwnConvolutions : OperatorsInARow) + (sourceRuns ? SecondPass : 0))));
    }
}
