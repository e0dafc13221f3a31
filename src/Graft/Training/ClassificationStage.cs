using Graft.Data;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Training;

/// <summary>The stage that trains a classifier: cross-entropy with label smoothing (Szegedy et al. 2016, section 7).</summary>
public static class ClassificationStage
{
    /// <summary>Makes the stage; its log names the accuracy on the varied pictures of each step.</summary>
    /// <param name="name">For messages.</param>
    /// <param name="network">What is trained.</param>
    /// <param name="images">On what; each picture has a label below the network's number of classes.</param>
    /// <param name="options">The loop's settings.</param>
    /// <param name="augmentation">How pictures are varied.</param>
    /// <param name="labelSmoothing">Share of the wanted probability that is spread evenly over all classes, in [0, 1).</param>
    /// <exception cref="InputException">Pictures and network do not fit, or a value is out of range.</exception>
    public static TrainingStage Create(
        string name, ResNetClassifier network, IImageSource images, TrainingOptions options, AugmentationOptions augmentation, double labelSmoothing)
    {
        if (labelSmoothing is not (>= 0 and < 1))
            throw new InputException("The option label_smoothing must be at least 0 and below 1.");
        if (network.Options.NumClasses < 2)
            throw new InputException("Cross-entropy needs at least two classes: raise num_classes.");
        ClassificationReport.Check(network.Options, images);
        return new TrainingStage
        {
            Name = name,
            Network = network,
            Trainable = [.. network.Parameters()],
            Data = new ClassificationBatches(images, augmentation, options.Seed, options.Flip, network.Parameters().First().Value.Device),
            Loss = batch => CrossEntropy(network, batch, labelSmoothing),
            Save = network.Save,
            HoldsModel = ResNetClassifier.Is,
        };
    }

    private static Loss CrossEntropy(ResNetClassifier network, Batch batch, double labelSmoothing)
    {
        var logits = network.Logits(batch.X0);
        var labels = batch.ClassLabels!;
        var right = ClassificationReport.Guesses(logits).Zip(labels.ToArray<long>()).Count(p => p.First == p.Second);
        return new Loss(
            Functional.CrossEntropy(logits, labels, labelSmoothing),
            ("accuracy", Tensor.Scalar((double)right / batch.Items.Length, DType.Float64)));
    }
}
