using Graft.Torch;

namespace Graft.Networks;

/// <summary>What a classifier makes of pictures.</summary>
/// <param name="Maps">After each residual block, [N, C_i, H_i, W_i], the highest resolution first.</param>
/// <param name="Pooled">Mean over positions of the last normalised and activated map, [N, C_last]: what the classes are read from.</param>
public sealed record ClassifierFeatures(IReadOnlyList<Tensor> Maps, Tensor Pooled)
{
    private const double Epsilon = 1e-10;

    /// <summary>
    /// A perceptual distance of each pair of pictures, [N]: features are scaled to unit length over channels, squared differences are
    /// summed over channels and averaged over positions, then over maps. It is LPIPS (Zhang et al. 2018, eq. 1) without learned
    /// weights and over another network: its numbers compare with each other only, never with published ones.
    /// </summary>
    /// <param name="other">Features of as many pictures by the same network.</param>
    public Tensor Distance(ClassifierFeatures other)
    {
        Tensor? sum = null;
        for (var i = 0; i < Maps.Count; i++)
        {
            var distance = (Unit(Maps[i]) - Unit(other.Maps[i])).Square().Sum([1]).Mean([1, 2]);
            sum = sum is null ? distance : sum + distance;
        }

        return sum! * (1.0 / Maps.Count);
    }

    /// <summary>Vectors [N, D] whose squared Euclidean distance is <see cref="Distance"/>.</summary>
    public Tensor Embedding() => Tensor.Cat([.. Maps.Select(m => (Unit(m) * Math.Sqrt(1.0 / (m.Size(2) * m.Size(3) * Maps.Count))).Flatten(1))], 1);

    private static Tensor Unit(Tensor map) => map / (map.Square().Sum([1], keepDims: true).Sqrt() + Epsilon);
}
