using Graft.Torch;

namespace Graft.Networks;

/// <summary>Embeddings of labels, whether an item has one or a set of them.</summary>
internal static class LabelEmbedding
{
    /// <summary>The row of each item's class, or the sum of the rows of its set.</summary>
    /// <param name="embedding">[classes, D].</param>
    /// <param name="labels">Classes, int64 [N]; or sets, floating-point [N, classes] of zeros and ones.</param>
    /// <param name="type">The result's type.</param>
    /// <returns>[N, D].</returns>
    /// <exception cref="InputException">The sets are over another number of classes.</exception>
    internal static Tensor OfLabels(this Embedding embedding, Tensor labels, DType type)
    {
        if (!labels.Type.IsFloatingPoint())
            return embedding.Forward(labels);
        var classes = embedding.Weight.Size(0);
        return labels.Shape.Length == 2 && labels.Size(1) == classes
            ? labels.To(type).MatMul(embedding.Weight)
            : throw new InputException($"The labels are {labels}, where sets over the network's {classes} classes are due, [N, {classes}].");
    }
}
