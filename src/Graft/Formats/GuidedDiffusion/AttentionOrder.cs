using Graft.Torch;

namespace Graft.Formats.GuidedDiffusion;

/// <summary>How the output channels of openai's <c>qkv</c> layers lie.</summary>
public enum AttentionOrder
{
    /// <summary>[heads × (q, k, v) × channels of a head]: <c>QKVAttentionLegacy</c>, and improved-diffusion.</summary>
    Legacy,

    /// <summary>[(q, k, v) × heads × channels of a head]: <c>QKVAttention</c>, flag <c>use_new_attention_order</c>.</summary>
    New,
}

/// <summary>Takes qkv layers apart and puts them together. Values are moved, never computed with.</summary>
internal static class Qkv
{
    private const int Parts = 3;

    /// <summary>One part of a qkv weight [3C, C, 1] or [3C, C], or of its bias [3C]: [C, C] or [C].</summary>
    /// <param name="joined">The layer's parameter.</param>
    /// <param name="part">0, 1 or 2: q, k or v.</param>
    /// <param name="heads">Heads of the layer.</param>
    /// <param name="order">How the channels lie.</param>
    internal static Tensor Take(Tensor joined, int part, long heads, AttentionOrder order)
    {
        var width = joined.Size(0) / Parts;
        var inputs = joined.Count / joined.Size(0);
        var split = order == AttentionOrder.New
            ? joined.Reshape(Parts, width, inputs).Select(0, part)
            : joined.Reshape(heads, Parts, width / heads, inputs).Select(1, part);
        return joined.Dims == 1 ? split.Reshape(width) : split.Reshape(width, inputs);
    }

    /// <summary>The qkv parameter, [3C, C, 1] or [3C], of three parts [C, C] or [C].</summary>
    internal static Tensor Join(IReadOnlyList<Tensor> parts, long heads, AttentionOrder order)
    {
        var width = parts[0].Size(0);
        var inputs = parts[0].Count / width;
        var joined = order == AttentionOrder.New
            ? Tensor.Cat([.. parts.Select(p => p.Reshape(width, inputs))])
            : Tensor.Stack([.. parts.Select(p => p.Reshape(heads, width / heads, inputs))], 1);
        return parts[0].Dims == 1 ? joined.Reshape(Parts * width) : joined.Reshape(Parts * width, inputs, 1);
    }
}
