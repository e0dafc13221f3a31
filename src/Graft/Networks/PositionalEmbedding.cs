using Graft.Torch;

namespace Graft.Networks;

/// <summary>The sinusoidal embedding of time steps (Vaswani et al. 2017, section 3.5; Ho et al. 2020).</summary>
public static class PositionalEmbedding
{
    private const double MaximalPeriod = 10_000;

    /// <summary>sin and cos of t · 10⁴^(-i / (half - shift)), i = 0 … half - 1.</summary>
    /// <param name="t">Time steps [N], of any number type.</param>
    /// <param name="size">Width of the result; an odd one ends in a zero.</param>
    /// <param name="cosineFirst">cos‖sin instead of sin‖cos.</param>
    /// <param name="shift">0 in guided-diffusion and diffusers, 1 in the first DDPM.</param>
    /// <returns>float32 [N, size].</returns>
    public static Tensor Of(Tensor t, long size, bool cosineFirst, double shift)
    {
        var half = size / 2;
        var frequencies = (Tensor.Arange(0, half) * -Math.Log(MaximalPeriod) * (1 / (half - shift))).Exp().Upload(t.Device);
        var angle = t.To(DType.Float32).Unsqueeze(1) * frequencies.Unsqueeze(0);
        var (sin, cos) = (angle.Sin(), angle.Cos());
        var embedding = Tensor.Cat(cosineFirst ? [cos, sin] : [sin, cos], 1);
        return size % 2 == 0 ? embedding : embedding.Pad([0, 1]);
    }
}
