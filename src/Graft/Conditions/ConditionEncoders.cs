using Graft.Hub;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Conditions;

/// <summary>Encoders of condition pictures by what people call them.</summary>
public static class ConditionEncoders
{
    /// <summary>Opens an encoder.</summary>
    /// <param name="text">
    /// A folder, <c>.pt</c> or hub id of CLIP, or of a pair trained here as models/graft-clip; or what <see cref="FeatureConditionEncoder.Load"/> takes, as the folder of a classifier.
    /// </param>
    /// <param name="device">Where it computes.</param>
    /// <exception cref="InputException">There is none, or it is broken.</exception>
    public static IConditionEncoder Load(string? text, Device device = default)
    {
        if (text is null)
            throw new InputException("An encoder of condition pictures is due: name CLIP's (`graft pull openai/clip-vit-base-patch32`, then encoder=openai/clip-vit-base-patch32), or models/graft-clip, or models/fashion-features.");
        var path = ModelReference.Resolve(text);
        if (ClipImageEncoder.Is(path))
            return ClipImageEncoder.Load(path, device);
        if (WideResNetEncoder.Is(path))
            return WideResNetEncoder.Load(path, device);
        return ResNetClassifier.Is(path) || (!Path.Exists(path) && path.Contains(':', StringComparison.Ordinal))
            ? FeatureConditionEncoder.Load(path, device)
            : ClipImageEncoder.Load(path, device);
    }
}
