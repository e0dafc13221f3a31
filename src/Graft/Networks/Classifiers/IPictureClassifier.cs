using Graft.Data;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>A network that tells classes of pictures: what <see cref="ClassificationReport"/> judges.</summary>
public interface IPictureClassifier
{
    /// <summary>Shape of its pictures.</summary>
    ImageShape Shape { get; }

    /// <summary>Number of logits.</summary>
    int NumClasses { get; }

    /// <summary>The network itself.</summary>
    Module Network { get; }

    /// <summary>Unnormalised log-probabilities of the classes, [N, classes].</summary>
    /// <param name="x">[N, C, H, W] in [-1, 1].</param>
    Tensor Logits(Tensor x);
}
