using Graft.Torch;

namespace Graft.Networks.Clip;

/// <summary>One vector for each place, or for each token: weight [entries, width].</summary>
internal sealed class ClipTable(long entries, long width) : WeightedModule([entries, width], null)
{
    private const double Deviation = 0.02;

    /// <summary>The vectors of some entries: int64 [...] to [..., width].</summary>
    internal Tensor Rows(Tensor index) => Functional.Embedding(Weight, index);

    /// <inheritdoc/>
    protected override void Reset(Initialiser initialiser) => initialiser.Normal(Weight, "weight", Deviation);
}
