using Graft.Torch;

namespace Graft.Inspection;

/// <summary>A tensor of a weight file.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Sizes of the dimensions.</param>
public sealed record InspectedTensor(string Name, DType Type, IReadOnlyList<long> Shape)
{
    /// <summary>Number of elements.</summary>
    public long Count => Shape.Aggregate(1L, (product, size) => product * size);
}

/// <summary>Tensors whose names begin alike.</summary>
/// <param name="Prefix">The beginning.</param>
/// <param name="Tensors">How many tensors have it.</param>
/// <param name="Elements">How many elements these have together.</param>
public sealed record NamePrefix(string Prefix, int Tensors, long Elements);
