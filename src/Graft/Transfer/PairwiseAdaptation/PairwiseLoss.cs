using Graft.Torch;

namespace Graft.Transfer;

/// <summary>The terms that DDPM-PA adds to the denoising loss (Zhu et al. 2022, section 4). Each is a scalar.</summary>
/// <param name="Image">L_img: pairwise similarities of the predicted clean pictures.</param>
/// <param name="HighFrequency">L_hf: the same of their high-frequency parts.</param>
/// <param name="HighFrequencyError">L_hfmse: high-frequency parts of the predicted and the real clean pictures.</param>
public readonly record struct PairwiseLoss(Tensor Image, Tensor HighFrequency, Tensor HighFrequencyError)
{
    /// <summary>Computes the terms.</summary>
    /// <param name="adapted">x̃_0 by the adapted network, [N, C, H, W].</param>
    /// <param name="source">x̃_0 by the source network from the same x_t and t; no gradients.</param>
    /// <param name="x0">The clean pictures.</param>
    /// <param name="weight">The share of each picture in L_hfmse, [N, 1, 1, 1]; 0 leaves it out.</param>
    /// <param name="form">Whose form of the divergence.</param>
    /// <param name="together">How many pictures are compared with each other, 2 to N; see <see cref="PairwiseSimilarity.LogProbabilities"/>.</param>
    public static PairwiseLoss Of(Tensor adapted, Tensor source, Tensor x0, Tensor weight, PairwiseForm form, int together)
    {
        var (high, highSource) = (HaarWavelet.HighFrequency(adapted), HaarWavelet.HighFrequency(source));
        // Not weight · error²: what is left out may be infinite, and 0 · ∞ is no number.
        var error = Tensor.Where(weight.IsGreater(0), high - HaarWavelet.HighFrequency(x0), Tensor.Zeros(high.Shape.ToArray()).To(high.Type).To(high.Device));
        return new PairwiseLoss(Distance(adapted, source, form, together), Distance(high, highSource, form, together), (weight * error.Square()).Mean());
    }

    /// <summary>How far the similarities of two batches lie apart: the sum, or the mean over entries, of a group, and the mean over groups.</summary>
    private static Tensor Distance(Tensor adapted, Tensor source, PairwiseForm form, int together)
    {
        var (log, logSource) = (PairwiseSimilarity.LogProbabilities(adapted, together), PairwiseSimilarity.LogProbabilities(source, together));
        return form == PairwiseForm.Paper
            ? PairwiseSimilarity.Divergence(log, logSource).Sum() / log.Size(0)
            : PairwiseSimilarity.Divergence(logSource, log).Sum() / log.Count;
    }
}
