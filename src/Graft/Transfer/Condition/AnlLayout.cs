using System.Text.Json.Nodes;

namespace Graft.Transfer;

/// <summary>Which Attention-NonLinear module stands behind the residual blocks.</summary>
public enum AnlVariant
{
    /// <summary>Latent diffusion's spatial transformer: self-attention, attention to the condition, gated feed-forward map.</summary>
    Full,

    /// <summary>Attention to the condition and a pointwise non-linear map: what the paper's name says, literally.</summary>
    Lean,

    /// <summary>
    /// The source's own spatial transformers, which are trained in copies and look at the condition in place of the classes that they were
    /// trained with: latent diffusion models only.
    /// </summary>
    Existing,
}

/// <summary>Behind which residual blocks they stand.</summary>
public enum AnlPlaces
{
    /// <summary>Behind every one that does not change the resolution.</summary>
    Everywhere,

    /// <summary>Only at levels that attend, and in the middle: as latent diffusion has its transformers.</summary>
    Attention,
}

/// <summary>The modules of ANL, as an adapter's folder keeps them.</summary>
/// <param name="Variant">Which module.</param>
/// <param name="Places">Behind which blocks.</param>
/// <param name="DecoderOnly">Whether only on the way up.</param>
/// <param name="Dimension">D, the length of a condition; 0: unconditional.</param>
/// <param name="Heads">Of the full module's attention.</param>
/// <param name="Expansion">Of the lean module's map: its hidden channels are so many times the block's.</param>
internal sealed record AnlLayout(AnlVariant Variant, AnlPlaces Places, bool DecoderOnly, int Dimension, long Heads, long Expansion)
{
    internal const int LargestDimension = 1 << 16;
    internal const int LargestHeads = 1024;
    internal const int LargestExpansion = 16;

    /// <summary>As <c>adapter_config.json</c> holds them.</summary>
    internal JsonObject ToJson() => new()
    {
        ["variant"] = Variant.ToString().ToLowerInvariant(),
        ["places"] = Places.ToString().ToLowerInvariant(),
        ["decoder_only"] = DecoderOnly,
        ["dimension"] = Dimension,
        ["heads"] = Heads,
        ["expansion"] = Expansion,
    };

    /// <summary>Reads them.</summary>
    /// <exception cref="InputException">A setting is missing or out of range.</exception>
    internal static AnlLayout FromJson(JsonObject json, string where)
    {
        try
        {
            var layout = new AnlLayout(
                Enum.Parse<AnlVariant>((string)json["variant"]!, ignoreCase: true), Enum.Parse<AnlPlaces>((string)json["places"]!, ignoreCase: true),
                (bool)json["decoder_only"]!, (int)json["dimension"]!, (long)json["heads"]!, (long)json["expansion"]!);
            if (layout.Dimension is < 0 or > LargestDimension || layout.Heads is < 1 or > LargestHeads || layout.Expansion is < 1 or > LargestExpansion
                || !Enum.IsDefined(layout.Variant) || !Enum.IsDefined(layout.Places))
            {
                throw new FormatException("out of range");
            }

            return layout;
        }
        catch (Exception e) when (e is NullReferenceException or InvalidOperationException or FormatException or ArgumentException or OverflowException)
        {
            throw new InputException($"The adapter's configuration {where} cannot be read: variant, places, decoder_only, dimension (0 to {LargestDimension}), heads (1 to {LargestHeads}) and expansion (1 to {LargestExpansion}) are due.", e);
        }
    }
}
