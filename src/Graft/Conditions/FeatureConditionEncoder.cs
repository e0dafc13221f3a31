using System.Security.Cryptography;
using System.Text;
using Graft.Data;
using Graft.Evaluation;
using Graft.Torch;

namespace Graft.Conditions;

/// <summary>
/// A condition from any network that measures look through: <c>models/fashion-features</c> before its last layer, for machines without CLIP's
/// weights, or a published backbone.
/// </summary>
/// <remarks>Pictures go in as bytes, as for measures: each number is rounded to the nearest of 256 steps.</remarks>
public sealed class FeatureConditionEncoder : IConditionEncoder
{
    private readonly IFeatureNetwork _network;
    private readonly IDisposable _owned;
    private readonly Device _device;
    private readonly Lazy<string> _hash;

    /// <summary>Takes a network, which the encoder then owns.</summary>
    /// <param name="network">What gives the features.</param>
    /// <param name="device">Where the vectors are to lie; where the network computes is its own affair.</param>
    public FeatureConditionEncoder(IFeatureNetwork network, Device device = default)
        : this(network, network, device)
    {
    }

    private FeatureConditionEncoder(IFeatureNetwork network, IDisposable owned, Device device)
    {
        ArgumentNullException.ThrowIfNull(network);
        (_network, _owned, _device) = (network, owned, device);
        _hash = new Lazy<string>(() => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
            $"features 1\n{network.Name}\n{network.Hash}\n{network.Preparation}"))));
    }

    /// <inheritdoc/>
    public int Dimension => _network.Dimension;

    /// <inheritdoc/>
    public string Name => $"{_network.Name} ({Hash[..8]})";

    /// <inheritdoc/>
    public string Hash => _hash.Value;

    /// <summary>Opens a network by its text, as <see cref="FeatureSpace.Open"/> takes it: a classifier's folder, <c>inception:FILE</c>, and so on.</summary>
    /// <param name="text">Which.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">The text means nothing, or a file is missing or broken.</exception>
    public static FeatureConditionEncoder Load(string text, Device device = default)
    {
        var space = FeatureSpace.Open(text, device);
        return new FeatureConditionEncoder(space.Network, space, device);
    }

    /// <inheritdoc/>
    public Tensor Encode(Tensor images)
    {
        var pictures = ConditionPictures.From(images);
        // A classifier takes as many channels as it was trained on; the published networks repeat grey themselves.
        if (_network is ClassifierFeatureNetwork { Channels: 3 } && pictures.Shape.Channels == 1)
            pictures = Repeated(pictures);
        var values = _network.Extract(pictures).Values;
        var rows = new float[values.Length];
        for (var i = 0; i < pictures.Count; i++)
        {
            for (var k = 0; k < Dimension; k++)
                rows[(i * Dimension) + k] = (float)values[i, k];
        }

        return TensorScope.Of(() => Tensor.From(rows, pictures.Count, Dimension).To(_device));
    }

    /// <inheritdoc/>
    public void Dispose() => _owned.Dispose();

    private static Samples Repeated(IImageSource grey)
    {
        var shape = grey.Shape with { Channels = 3 };
        return new Samples([.. Enumerable.Range(0, grey.Count).Select(i => (byte[])[.. grey[i], .. grey[i], .. grey[i]])], shape, null, grey.Description);
    }
}
