using Graft.Torch;

namespace Graft.Networks.Transformers;

/// <summary>Queries, keys and values in one product, of feature maps as they lie, as <see cref="Functional.SelfAttention"/> takes them.</summary>
internal static class JointProjection
{
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="query">C to C; all three with a bias, or none.</param>
    /// <param name="key">As the query.</param>
    /// <param name="value">As the query.</param>
    /// <returns>[N, 3C, H, W].</returns>
    internal static Tensor Of(Tensor x, Linear query, Linear key, Linear value)
    {
        var channels = x.Size(1);
        var weights = Tensor.Cat([query.WholeWeight, key.WholeWeight, value.WholeWeight]).Reshape(3 * channels, channels, 1, 1);
        return Functional.Conv1x1(x, weights, query.Bias is null ? null : Tensor.Cat([query.Bias, key.Bias!, value.Bias!]));
    }

    /// <summary>The same of tokens, [N, T, C]: a map with a column of positions, [N, 3C, T, 1].</summary>
    /// <inheritdoc cref="Of"/>
    internal static Tensor OfTokens(Tensor tokens, Linear query, Linear key, Linear value) => Of(tokens.Transpose(1, 2).Unsqueeze(3), query, key, value);

    /// <summary>A map with a column of positions, [N, C, T, 1], as tokens, [N, T, C].</summary>
    internal static Tensor Tokens(Tensor map) => map.Squeeze(3).Transpose(1, 2);
}
