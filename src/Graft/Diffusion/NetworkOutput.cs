using Graft.Torch;

namespace Graft.Diffusion;

/// <summary>The two halves of what a denoiser gives.</summary>
/// <param name="Prediction">ε, x_0, v or the mean of x_(t−1), [N, C, ...].</param>
/// <param name="Variance">What the network says about the variance, [N, C, ...]; null if it says nothing.</param>
public readonly record struct NetworkOutput(Tensor Prediction, Tensor? Variance)
{
    /// <summary>Takes an output of C or 2C channels apart (Nichol and Dhariwal 2021, section 3.1).</summary>
    /// <param name="output">[N, C, ...] or [N, 2C, ...].</param>
    /// <param name="channels">C, the samples' channels.</param>
    /// <exception cref="InputException">The output has another number of channels.</exception>
    public static NetworkOutput Split(Tensor output, long channels)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (output.Size(1) == channels)
            return new NetworkOutput(output, null);
        if (output.Size(1) != 2 * channels)
            throw new InputException($"The network gives {output.Size(1)} channels for samples of {channels}: it must give {channels}, or {2 * channels} with a learned variance.");
        return new NetworkOutput(output.Slice(1, 0, channels), output.Slice(1, channels, 2 * channels));
    }

    internal static InputException LacksVariance() =>
        new("The schedule says that the network learned the variance, but its output has no channels for it: set variance_type fixed_small.");
}
