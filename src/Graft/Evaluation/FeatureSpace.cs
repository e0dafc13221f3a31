using System.Runtime.CompilerServices;
using Graft.Data;
using Graft.Networks;
using Graft.Networks.Backbones;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>A network that items are looked at through.</summary>
public interface IFeatureSpace
{
    /// <summary>A short name for reports: letters, digits and dashes.</summary>
    string Name { get; }

    /// <summary>The vectors of a set.</summary>
    /// <param name="items">What the network looks at.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">The items are nothing that it looks at.</exception>
    FeatureSet Of(ISampleSource items, CancellationToken cancellationToken = default);
}

/// <summary>
/// A network that pictures are looked at through: vectors for distances between sets, and a distance between two pictures where it has
/// one. Vectors of a set are computed once.
/// </summary>
public sealed class FeatureSpace : IFeatureSpace, IDisposable
{
    private readonly ConditionalWeakTable<IImageSource, FeatureSet> _known = [];
    private readonly List<IDisposable> _owned;

    private FeatureSpace(string name, IFeatureNetwork network, IPictureDistance? distance, params IDisposable[] owned)
    {
        (Name, Network, Distance, _owned) = (name, network, distance, [.. owned]);
    }

    /// <summary>A short name for reports: letters, digits and dashes.</summary>
    public string Name { get; }

    /// <summary>Gives the vectors.</summary>
    public IFeatureNetwork Network { get; }

    /// <summary>A perceptual distance through the same network, or null.</summary>
    public IPictureDistance? Distance { get; }

    /// <summary>
    /// Opens a space by its text: a folder of a classifier made here (<c>models/fashion-features</c>); <c>inception:FILE</c>;
    /// <c>squeeze:BACKBONE:HEADS</c>, <c>alex:…</c> or <c>vgg:…</c>, the torchvision backbone and LPIPS v0.1's heads.
    /// </summary>
    /// <param name="text">What to open.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="group">The processes that extract vectors together (<see cref="FeatureSpaces.Share"/>); null: this one alone.</param>
    /// <exception cref="InputException">The text means nothing, or a file is missing or broken.</exception>
    public static FeatureSpace Open(string text, Device device = default, ProcessGroup? group = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(text);
        var parts = text.Split(':');
        if (parts is ["inception", var file])
        {
            var inception = InceptionFeatures.Load(file, device: device);
            return new FeatureSpace("inception", Shared(inception), null, inception);
        }

        BackboneKind? kind = parts[0] switch
        {
            "squeeze" => BackboneKind.SqueezeNet,
            "alex" => BackboneKind.AlexNet,
            "vgg" => BackboneKind.Vgg16,
            _ => null,
        };
        if (kind is { } backbone && parts.Length > 1)
        {
            if (parts.Length != 3)
                throw new InputException($"The feature network '{text}' names no files: give {parts[0]}:BACKBONE.pth:LPIPS-HEADS.pth.");
            var lpips = Lpips.Load(backbone, parts[1], parts[2], device);
            try
            {
                var features = BackboneFeatures.Load(backbone, parts[1], device: device);
                return new FeatureSpace(parts[0], Shared(features), lpips, features, lpips);
            }
            catch
            {
                lpips.Dispose();
                throw;
            }
        }

        if (!Directory.Exists(text))
            throw new InputException($"The feature network '{text}' is unknown: give a classifier's folder (models/fashion-features), inception:FILE, or squeeze:, alex: or vgg: with BACKBONE.pth:HEADS.pth.");
        var classifier = ResNetClassifier.Load(text, device);
        return new FeatureSpace(classifier.Options.Name, Shared(new ClassifierFeatureNetwork(classifier, device)), new ClassifierDistance(classifier, device), classifier);

        IFeatureNetwork Shared(IFeatureNetwork network) => group is null ? network : SharedFeatures.Of(network, group);
    }

    /// <summary>Every metric that this space allows.</summary>
    public IReadOnlyList<IMetric> Metrics(bool mirrored = false) =>
    [
        new FrechetMetric(this), new KernelMetric(this), new PrecisionRecallMetric(this),
        .. Network is IClassifyingNetwork classifier ? [new InceptionScoreMetric(classifier, Name)] : (IMetric[])[],
        .. Distance is { } distance
            ? [new IntraLpipsMetric(distance, Name), new MemorisationMetric(new MemorisationOptions { Distance = distance, Mirrored = mirrored }, Name)]
            : (IMetric[])[],
    ];

    /// <summary>The vectors of a set.</summary>
    public FeatureSet Of(IImageSource pictures, CancellationToken cancellationToken = default)
    {
        if (_known.TryGetValue(pictures, out var known))
            return known;
        var features = Network.Extract(pictures, cancellationToken);
        _known.Add(pictures, features);
        return features;
    }

    /// <inheritdoc/>
    FeatureSet IFeatureSpace.Of(ISampleSource items, CancellationToken cancellationToken) => Of(items.Pictures(FeatureReport.Need), cancellationToken);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var owned in _owned)
            owned.Dispose();
    }
}

/// <summary>The spaces that a measurement looks through.</summary>
public sealed class FeatureSpaces : IDisposable
{
    private readonly List<FeatureSpace> _spaces = [];

    /// <summary>Opens spaces.</summary>
    /// <param name="texts">As <see cref="FeatureSpace.Open"/> takes them; one that begins with <c>?</c> is left out where it cannot be opened.</param>
    /// <param name="device">Where they compute.</param>
    /// <param name="leftOut">Told what was left out, and why.</param>
    /// <param name="group">The processes that extract vectors together, all of them calling <see cref="Share"/>; null: this one alone.</param>
    /// <exception cref="InputException">One cannot be opened.</exception>
    public FeatureSpaces(IEnumerable<string> texts, Device device = default, Action<string>? leftOut = null, ProcessGroup? group = null)
    {
        ArgumentNullException.ThrowIfNull(texts);
        foreach (var text in texts)
        {
            try
            {
                _spaces.Add(FeatureSpace.Open(text.TrimStart('?'), device, group));
            }
            catch (InputException e) when (text.StartsWith('?'))
            {
                leftOut?.Invoke($"The feature network {text[1..]} is left out: {e.Message}");
            }
            catch
            {
                Dispose();
                throw;
            }
        }
    }

    /// <summary>Extracts the vectors of samples and target together with the other processes; of one process alone nothing happens.</summary>
    /// <param name="samples">The samples.</param>
    /// <param name="target">The target.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">The items are nothing that a network looks at.</exception>
    /// <exception cref="ProcessLostException">Another process ended, or did not answer in time.</exception>
    public void Share(ISampleSource samples, ISampleSource target, CancellationToken cancellationToken = default)
    {
        foreach (var shared in _spaces.Select(s => s.Network).OfType<SharedFeatures>())
        {
            shared.Share(target.Pictures(FeatureReport.Need), samples: false, cancellationToken);
            shared.Share(samples.Pictures(FeatureReport.Need), samples: true, cancellationToken);
        }
    }

    /// <summary>Every metric of every space.</summary>
    public IEnumerable<IMetric> Metrics(bool mirrored = false) => _spaces.SelectMany(s => s.Metrics(mirrored));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var space in _spaces)
            space.Dispose();
    }
}
