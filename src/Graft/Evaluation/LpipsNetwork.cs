using Graft.Networks.Backbones;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>
/// LPIPS v0.1 on tensors (Zhang et al. 2018, eq. 1): features of a backbone, unit-normalised over channels, squared differences
/// weighted by channel, mean over positions, sum over layers. Differentiable. All calls are inside <see cref="TorchRuntime.Run{T}"/>.
/// </summary>
public sealed class LpipsNetwork : Module
{
    private const double NormEpsilon = 1e-10;

    // Below, a norm is nothing beside NormEpsilon; and the square root has a derivative there.
    private const double SmallestSquare = 1e-30;

    private readonly Head[] _heads;

    /// <summary>Makes the measure over a backbone, which it then owns, with heads of zero.</summary>
    public LpipsNetwork(Backbone backbone)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        Backbone = Add("net", backbone);
        Heads = Add("heads", new HeadList(backbone.Channels));
        _heads = ((HeadList)Heads).Items;
    }

    /// <summary>The feature network.</summary>
    public Backbone Backbone { get; }

    /// <summary>The linear heads, <c>lin0.model.1.weight</c> [1, C, 1, 1] and so on; LPIPS' own are 0 or more.</summary>
    public Module Heads { get; }

    /// <summary>Distances of pairs.</summary>
    /// <param name="a">N pictures.</param>
    /// <param name="b">N pictures of the same size.</param>
    /// <returns>[N].</returns>
    /// <exception cref="InputException">The pictures are too small for the backbone, or not of one size.</exception>
    public Tensor Distance(PictureTensor a, PictureTensor b) => PerLayer(a, b).Sum([1]);

    /// <summary>What each layer adds to the distance.</summary>
    /// <param name="a">N pictures.</param>
    /// <param name="b">N pictures of the same size.</param>
    /// <returns>[N, layers].</returns>
    /// <exception cref="InputException">The pictures are too small for the backbone, or not of one size.</exception>
    public Tensor PerLayer(PictureTensor a, PictureTensor b) =>
        Tensor.Stack(Maps(a, b, weighted: true, map => map.Mean([1, 2, 3])), 1);

    /// <summary>The distance without the learned heads: every channel counts 1.</summary>
    /// <param name="a">N pictures.</param>
    /// <param name="b">N pictures of the same size.</param>
    /// <returns>[N].</returns>
    /// <exception cref="InputException">The pictures are too small for the backbone, or not of one size.</exception>
    public Tensor Unweighted(PictureTensor a, PictureTensor b) =>
        Tensor.Stack(Maps(a, b, weighted: false, map => map.Mean([1, 2, 3])), 1).Sum([1]);

    /// <summary>Where pairs differ: each layer's map enlarged to the pictures (bilinear), and summed.</summary>
    /// <param name="a">N pictures.</param>
    /// <param name="b">N pictures of the same size.</param>
    /// <returns>[N, 1, H, W]. Its mean is not the distance, since enlarging weights positions unequally.</returns>
    /// <exception cref="InputException">The pictures are too small for the backbone, or not of one size.</exception>
    public Tensor Spatial(PictureTensor a, PictureTensor b)
    {
        var (height, width) = (a.Values.Size(2), a.Values.Size(3));
        var maps = Maps(a, b, weighted: true, map => Functional.UpsampleBilinear(map, height, width));
        return maps.Aggregate((sum, map) => sum + map);
    }

    /// <summary>
    /// A vector for each picture such that the squared Euclidean distance of two vectors is the LPIPS of the two pictures: with it,
    /// the distances of all pairs of N pictures take N passes through the backbone.
    /// </summary>
    /// <param name="pictures">N pictures.</param>
    /// <returns>[N, D]; D grows with the pictures' area.</returns>
    /// <exception cref="InputException">The pictures are too small for the backbone.</exception>
    public Tensor Embed(PictureTensor pictures)
    {
        var features = Features(pictures);
        var parts = features.Select((f, i) => (f * (_heads[i].Weight / (f.Size(2) * f.Size(3))).Sqrt()).Flatten(1));
        return Tensor.Cat([.. parts], 1);
    }

    private Tensor[] Maps(PictureTensor a, PictureTensor b, bool weighted, Func<Tensor, Tensor> reduce)
    {
        if (!a.Values.Shape.SequenceEqual(b.Values.Shape))
            throw new InputException($"LPIPS compares pictures of one size, and these are {a.Values} and {b.Values}: resize one set.");
        var (first, second) = (Features(a), Features(b));
        return [.. first.Select((f, i) =>
        {
            var square = (f - second[i]).Square();
            return reduce((weighted ? square * _heads[i].Weight : square).Sum([1], keepDims: true));
        })];
    }

    /// <summary>Features of unit length over the channels, one [N, C, H', W'] for each layer.</summary>
    private Tensor[] Features(PictureTensor pictures)
    {
        var x = pictures.Values;
        if (Math.Min(x.Size(2), x.Size(3)) < Backbone.SmallestEdge)
            throw new InputException($"LPIPS with {Backbone.Name} takes pictures of at least {Backbone.SmallestEdge} x {Backbone.SmallestEdge} pixels, and these are {x.Size(2)} x {x.Size(3)}: enlarge them first.");
        var weight = _heads[0].Weight;
        var taps = Backbone.Forward(ImageNet.Normalise(x.To(weight.Type).To(weight.Device)));
        return Array.ConvertAll(taps, f => TensorScope.Of(() =>
        {
            var norm = f.Square().Sum([1], keepDims: true).Clamp(SmallestSquare, null).Sqrt();
            return f / (norm + NormEpsilon);
        }));
    }

    /// <summary>The heads under their published names.</summary>
    private sealed class HeadList : Module
    {
        internal HeadList(IReadOnlyList<long> channels) =>
            Items = [.. channels.Select((c, i) => Add($"lin{i}.model.1", new Head(c)))];

        internal Head[] Items { get; }
    }

    private sealed class Head(long channels) : WeightedModule([1, channels, 1, 1], null);
}
