using Graft.Torch;

namespace Graft.Transfer;

/// <summary>The Haar wavelet transform of pictures, with L = [1, 1]/√2 and H = [-1, 1]/√2 (Zhu et al. 2022, section 4.2).</summary>
public static class HaarWavelet
{
    /// <summary>LH + HL + HH in one kernel: their 2x2 kernels LᵀH, HᵀL and HᵀH added up.</summary>
    private static readonly double[] HighFrequencyKernel = [-0.5, -0.5, -0.5, 1.5];

    /// <summary>hf(x) = LH(x) + HL(x) + HH(x), each channel by itself.</summary>
    /// <param name="x">Pictures, [N, C, H, W]; of an odd edge the last line does not take part.</param>
    /// <returns>[N, C, H/2, W/2]; 0 where a 2x2 block has one value.</returns>
    public static Tensor HighFrequency(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        long n = x.Size(0), c = x.Size(1), height = x.Size(2), width = x.Size(3);
        var kernel = Tensor.From(HighFrequencyKernel, 1, 1, 2, 2).To(x.Type).To(x.Device);
        return Functional.Conv2d(x.Reshape(n * c, 1, height, width), kernel, null, stride: 2).Reshape(n, c, height / 2, width / 2);
    }
}
