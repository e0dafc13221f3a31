using Graft.Torch;

namespace Graft.Conditions;

/// <summary>
/// A frozen network that turns an item into the vector that a generator is conditioned on: CLIP's image tower, a classifier's features, or
/// anything else that looks at pictures or signals.
/// </summary>
public interface IConditionEncoder : IDisposable
{
    /// <summary>Length of a vector.</summary>
    int Dimension { get; }

    /// <summary>What it is called in reports and records: network, and which of its layers.</summary>
    string Name { get; }

    /// <summary>
    /// SHA-256 in lower-case hexadecimal of all that a vector depends on besides the item: the weights and what is done to an item first.
    /// Vectors of different hashes must not be mixed.
    /// </summary>
    string Hash { get; }

    /// <summary>
    /// The vectors of a batch. Nothing is recorded for gradients, neither of the weights nor of the items. To be called inside
    /// <see cref="TorchRuntime.Run{T}"/>; the result belongs to the scope it is made in.
    /// </summary>
    /// <param name="images">
    /// Float32 in [-1, 1], the range of training's x0. Pictures: [N, 1 or 3, H, W] of any size; grey is repeated where colour is due.
    /// Other items: [N, …] as the encoder says.
    /// </param>
    /// <returns>
    /// [N, <see cref="Dimension"/>], float32, on the encoder's device. Not normalised: of CLIP these are the <c>image_embeds</c> before they
    /// are divided by their length.
    /// </returns>
    /// <exception cref="InputException">The items are nothing that the encoder looks at.</exception>
    /// <exception cref="ArgumentException">Another type or number of dimensions, or values outside of the range.</exception>
    Tensor Encode(Tensor images);
}
