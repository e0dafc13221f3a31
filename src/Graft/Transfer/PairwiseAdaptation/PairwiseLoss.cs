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
    /// <param name="together">How many pictures are compared with each other, 2 to N, or 0 for all; see <see cref="PairwiseSimilarity.LogProbabilities"/>.</param>
    /// <param name="group">The processes whose pictures are compared, N of each; null: this one's.</param>
    public static PairwiseLoss Of(Tensor adapted, Tensor source, Tensor x0, Tensor weight, PairwiseForm form, int together, ProcessGroup? group = null)
    {
        var (high, highSource) = (HaarWavelet.HighFrequency(adapted), HaarWavelet.HighFrequency(source));
        // Not weight · error²: what is left out may be infinite, and 0 · ∞ is no number.
        var error = Tensor.Where(weight.IsGreater(0), high - HaarWavelet.HighFrequency(x0), Tensor.Zeros(high.Shape.ToArray()).To(high.Type).To(high.Device));
        return new PairwiseLoss(Distance(adapted, source, form, together, group), Distance(high, highSource, form, together, group), (weight * error.Square()).Mean());
    }

    /// <summary>How far the similarities of two batches lie apart: the sum, or the mean over entries, of a group, and the mean over groups.</summary>
    private static Tensor Distance(Tensor adapted, Tensor source, PairwiseForm form, int together, ProcessGroup? group)
    {
        var (own, frozen) = (OfAll(adapted, group), OfAll(source, group));
        var all = together == 0 ? (int)own.Size(0) : together;
        var (log, logSource) = (PairwiseSimilarity.LogProbabilities(own, all), PairwiseSimilarity.LogProbabilities(frozen, all));
        var distance = form == PairwiseForm.Paper
            ? PairwiseSimilarity.Divergence(log, logSource).Sum() / log.Size(0)
            : PairwiseSimilarity.Divergence(logSource, log).Sum() / log.Count;
        // Every process has the whole distance and the gradient through its own pictures; the mean over processes is to be their sum.
        return group is null ? distance : (distance * group.Size) - (distance.Detach() * (group.Size - 1));
    }

    /// <summary>The pictures of all processes in the order of parts, of which this one's alone have gradients.</summary>
    private static Tensor OfAll(Tensor own, ProcessGroup? group)
    {
        if (group is null)
            return own;
        var all = group.AllGather(own.Detach().Contiguous());
        all[group.Rank] = own;
        return Tensor.Cat(all);
    }
}
