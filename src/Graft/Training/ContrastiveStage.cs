using Graft.Networks.Clip;
using Graft.Torch;

namespace Graft.Training;

/// <summary>The stage that trains a pair of towers, of pictures and of names, by CLIP's loss (Radford et al. 2021, section 2.3).</summary>
public static class ContrastiveStage
{
    /// <summary>Makes the stage; its log names both halves of the loss, the accuracy among the batch's names and the factor of cosines.</summary>
    /// <param name="name">For messages.</param>
    /// <param name="model">What is trained: both towers and the temperature.</param>
    /// <param name="sets">On what.</param>
    /// <param name="options">The loop's settings: pairs are of a whole batch, so <c>accumulation</c> is 1.</param>
    /// <exception cref="InputException">Sets or options cannot be used.</exception>
    public static TrainingStage Create(string name, ImageTextModel model, IReadOnlyList<CaptionedImages> sets, TrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(sets);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Accumulation != 1)
            throw new InputException("A picture is held against all names of its batch, which parts of a batch would not see: set accumulation to 1.");
        var data = new ContrastiveBatches(sets, model.Tokenizer, model.Processor, (int)model.Model.Text.Options.MaxPositionEmbeddings, options);
        var device = model.Model.LogitScale.Device;
        return new TrainingStage
        {
            Name = name,
            Network = model.Model,
            Trainable = [.. model.Model.Parameters()],
            Data = data,
            Loss = batch =>
            {
                var towers = model.Model;
                var pictures = ClipModel.Normalised(towers.Vision.Forward(batch.X0.To(device)).ImageEmbeds);
                var names = ClipModel.Normalised(towers.Text.Forward(data.Texts(batch.Items).To(device)));
                return OfCosines(pictures.MatMul(names.Transpose(0, 1)), batch.ClassLabels!.ToArray<long>(), towers.LogitScale);
            },
            Save = model.Save,
            HoldsModel = ImageTextModel.Is,
        };
    }

    /// <summary>
    /// CLIP's symmetric cross-entropy, in its supervised form: of N pictures and the M different names among them, all pictures of a name are
    /// its positives (Khosla et al. 2020, equation 2; Yang et al. 2022, equations 2 to 4).
    /// <code>
    /// s = exp(min(logit_scale, ln 100)) · cosines                 [N, M]
    /// L = ½ · mean_n( -log softmax_m(s)[n, y(n)] ) + ½ · mean_m( mean over n with y(n) = m of -log softmax_n(s)[n, m] )
    /// </code>
    /// Where each name has one picture this is CLIP's own loss.
    /// </summary>
    /// <param name="cosines">Of pictures and names, [N, M].</param>
    /// <param name="labels">Which name each picture has, y; each name has one or more.</param>
    /// <param name="logitScale">Logarithm of the factor, a scalar.</param>
    internal static Loss OfCosines(Tensor cosines, long[] labels, Tensor logitScale)
    {
        var (n, m) = ((int)cosines.Size(0), (int)cosines.Size(1));
        var scale = logitScale.Clamp(null, ClipModel.LargestLogitScale).Exp();
        var logits = cosines * scale;
        var counts = new int[m];
        foreach (var label in labels)
            counts[label]++;
        var (byPicture, byName) = (new double[n * m], new double[n * m]);
        for (var i = 0; i < n; i++)
        {
            var at = (i * m) + (int)labels[i];
            byPicture[at] = 1.0 / n;
            byName[at] = 1.0 / ((double)counts[labels[i]] * m);
        }

        var ofPictures = -(Functional.LogSoftmax(logits, 1) * Weights(byPicture)).Sum();
        var ofNames = -(Functional.LogSoftmax(logits, 0) * Weights(byName)).Sum();
        var right = Networks.ClassificationReport.Guesses(logits).Zip(labels).Count(p => p.First == p.Second);
        return new Loss(
            (ofPictures + ofNames) * 0.5,
            ("pictures", ofPictures),
            ("names", ofNames),
            ("accuracy", Tensor.Scalar((double)right / n, DType.Float64)),
            ("scale", scale));

        Tensor Weights(double[] values) => Tensor.From(values, n, m).To(cosines.Type).To(cosines.Device);
    }
}
