using System.Security.Cryptography;
using System.Text;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Conditions;

/// <summary>
/// A condition from a wide residual network before its last layer. What FixMatch made of a few labels has seen these labels alone, so that pictures
/// generated from its vectors may be judged by as few (docs/augmentation.md).
/// </summary>
public sealed class WideResNetEncoder : IConditionEncoder
{
    private readonly WideResNet _network;
    private readonly Device _device;
    private readonly Lazy<string> _hash;

    /// <summary>Takes a network, which the encoder then owns.</summary>
    /// <param name="network">The network; its running statistics are used, whatever it was doing before.</param>
    /// <param name="device">Where it computes.</param>
    public WideResNetEncoder(WideResNet network, Device device = default)
    {
        ArgumentNullException.ThrowIfNull(network);
        network.Train(false);
        (_network, _device) = (network, device);
        _hash = new Lazy<string>(() => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"wide residual network 1\n{network.Fingerprint()}"))));
    }

    /// <inheritdoc/>
    public int Dimension => _network.Options.GroupChannels[^1];

    /// <inheritdoc/>
    public string Name => $"{_network.Options.Name}, mean of {Dimension} channels ({Hash[..8]})";

    /// <inheritdoc/>
    public string Hash => _hash.Value;

    /// <summary>Whether a folder's configuration is of such a network.</summary>
    public static bool Is(string folder) => WideResNet.IsOne(folder);

    /// <summary>Opens a folder that FixMatch wrote.</summary>
    /// <param name="folder">With <c>config.json</c> and <c>model.safetensors</c>.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">A file is missing, broken, or does not fit the other.</exception>
    public static WideResNetEncoder Load(string folder, Device device = default) => new(WideResNet.Load(folder, device), device);

    /// <inheritdoc/>
    public Tensor Encode(Tensor images)
    {
        var channels = _network.Options.InChannels;
        ConditionPictures.Check(images);
        if (images.Size(1) > channels)
            throw new InputException($"The encoder {Name} looks at grey pictures, and these have colour: give another encoder.");
        using var mode = Autograd.NoGrad();
        return TensorScope.Of(() => _network.Features(images.To(_device).Expand(-1, channels, -1, -1).Contiguous()));
    }

    /// <inheritdoc/>
    public void Dispose() => _network.Dispose();
}
