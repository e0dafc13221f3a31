namespace Graft.Sampling;

/// <summary>
/// Drawing with a U-Net whose deep layers are computed at every so many-th evaluation and taken from there in between (Ma, Fang and Wang 2024,
/// <i>DeepCache: Accelerating Diffusion Models for Free</i>, section 3.2, uniform). An approximation: samples change, the less the closer evaluations are.
/// </summary>
public sealed record FeatureReuse
{
    /// <summary>N: every N-th evaluation computes everything; at least 2. The paper takes 2 to 20.</summary>
    public int Every { get; init; } = 2;

    /// <summary>
    /// How many of the network's skip connections every evaluation computes anew, from the first, which ends at the input's convolution: at
    /// least 1, less than there are. More of them, closer to the exact sample, and slower.
    /// </summary>
    public int Connections { get; init; } = 1;

    /// <summary>For descriptions.</summary>
    internal string Text => $", deep features reused (every {Every}, {Connections} fresh)";

    /// <param name="available">Skip connections of the network.</param>
    /// <exception cref="InputException">A value is out of range.</exception>
    internal void Validate(long available)
    {
        if (Every < 2)
            throw new InputException($"Deep features were to be computed once in {Every} evaluations and reused in between: give 2 or more, or leave it out.");
        if (Connections < 1 || Connections >= available)
            throw new InputException($"{Connections} skip connections cannot be computed anew: the network has {available}; give 1 to {available - 1}.");
    }
}
