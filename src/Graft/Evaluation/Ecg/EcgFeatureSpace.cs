using System.Runtime.CompilerServices;
using Graft.Data;
using Graft.Data.Ecg;
using Graft.Networks;

namespace Graft.Evaluation.Ecg;

/// <summary>
/// A classifier of ECGs that records are looked at through: the values of its hidden layer, mean over crops. Its numbers compare with
/// each other only; vectors of a set are computed once.
/// </summary>
/// <param name="network">The network; it stays the caller's.</param>
public sealed class EcgFeatureSpace(XResNet1d network) : IFeatureSpace
{
    private readonly ConditionalWeakTable<EcgSet, FeatureSet> _known = [];
    private readonly Lazy<string> _hash = new(network.Fingerprint);

    /// <inheritdoc/>
    public string Name => network.Options.Name;

    /// <summary>The distances between sets in this space: Fréchet, kernel, precision and recall.</summary>
    public IReadOnlyList<IMetric> Metrics => [new FrechetMetric(this), new KernelMetric(this), new PrecisionRecallMetric(this)];

    /// <inheritdoc/>
    public FeatureSet Of(ISampleSource items, CancellationToken cancellationToken = default)
    {
        var set = EcgItems.Of(items, $"The network {Name} looks at");
        if (_known.TryGetValue(set, out var known))
            return known;
        var features = new FeatureSet
        {
            Values = EcgClassification.Features(network, set, cancellationToken),
            Network = $"{Name}, hidden layer of {network.Options.HeadChannels}",
            NetworkHash = _hash.Value,
            Preparation = FormattableString.Invariant($"mean over crops of {network.Options.CropSamples / network.Options.SamplingRate:0.##} s, half overlapping"),
            Source = items.Description,
        };
        _known.Add(set, features);
        return features;
    }
}
