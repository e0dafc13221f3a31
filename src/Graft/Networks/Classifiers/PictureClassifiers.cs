using Graft.Torch;

namespace Graft.Networks;

/// <summary>Classifiers of pictures on disk, of whatever architecture.</summary>
public static class PictureClassifiers
{
    /// <summary>Opens a folder that a classifier was saved in: by <c>graft pretrain</c> with <c>kind: classifier</c> or <c>fixmatch</c>.</summary>
    /// <param name="folder">With <c>config.json</c> and <c>model.safetensors</c>.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">A file is missing, broken, or does not fit the other.</exception>
    public static IPictureClassifier Load(string folder, Device device = default) =>
        WideResNet.IsOne(folder) ? WideResNet.Load(folder, device) : ResNetClassifier.Load(folder, device);
}
