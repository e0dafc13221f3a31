using Graft.Conditions;
using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// The conditions of a set's items as a training sees them: each item's own, its mirror image's where it was mirrored, and zeros where it
/// was dropped (Ho and Salimans 2022), which is a function of (seed, draw).
/// </summary>
/// <param name="plain">A condition for each item.</param>
/// <param name="mirrored">A condition for each mirrored item; null where nothing is mirrored.</param>
/// <param name="dropout">Share of draws whose condition is dropped.</param>
/// <param name="seed">Of what is dropped.</param>
internal sealed class ItemConditions(ConditionTable plain, ConditionTable? mirrored, double dropout, long seed)
{
    private readonly KeyedRandom _random = new(seed, "training/condition drop-out");

    /// <summary>float32 [N, D].</summary>
    /// <param name="indices">Which items.</param>
    /// <param name="isMirrored">Whether each was mirrored.</param>
    /// <param name="items">Numbers of the draws.</param>
    internal Tensor Of(ReadOnlySpan<int> indices, ReadOnlySpan<bool> isMirrored, ReadOnlySpan<long> items)
    {
        var width = plain.Dimension;
        var values = new float[indices.Length * width];
        for (var k = 0; k < indices.Length; k++)
        {
            if (dropout > 0 && _random.Uniform(0, items[k]) < dropout)
                continue;
            var table = isMirrored[k] ? mirrored ?? throw new InvalidOperationException("Mirrored items have no conditions.") : plain;
            table[indices[k]].CopyTo(values.AsSpan(k * width));
        }

        return Tensor.From(values, indices.Length, width);
    }
}
