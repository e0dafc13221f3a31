using Graft.Charts;
using Graft.Data;
using Graft.Data.Ecg;
using Graft.Diffusion;
using Graft.Evaluation;
using Graft.Formats.Images;
using Graft.Sampling;
using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// The stage that pretraining and plain fine-tuning share: L_simple (Ho et al. 2020, eq. 14) on pictures; L_hybrid (Nichol and
/// Dhariwal 2021, eq. 16) where the schedule says that the network learns the variance.
/// </summary>
internal static class DenoisingStage
{
    /// <summary>Makes the stage.</summary>
    /// <param name="name">For messages.</param>
    /// <param name="model">What is trained.</param>
    /// <param name="images">On what.</param>
    /// <param name="options">The loop's settings.</param>
    /// <param name="trainable">Which parameters; all if not given.</param>
    /// <param name="conditions">What the items of a set are conditioned on; not given: nothing.</param>
    /// <param name="inPlaceOfClasses">Whether these take the place of the network's classes, which the items then need not have.</param>
    internal static TrainingStage Create(
        string name, DiffusionModel model, ISampleSource images, TrainingOptions options, IReadOnlyList<NamedTensor>? trainable = null,
        Func<ISampleSource, ItemConditions>? conditions = null, bool inPlaceOfClasses = false)
    {
        if (images.ItemShape != model.DataShape || images is IImageSource != model.MakesPictures)
            throw new InputException($"The {images.Noun()} are {images.ItemShape} and the model's {(model.MakesPictures ? "pictures " : "")}{model.DataShape}: they must be the same.");
        if (model.Network.Options.IsClassConditional && !inPlaceOfClasses)
            CheckLabels(model, images);
        var process = new ReverseProcess(model.Schedule);
        var learnsVariance = model.Schedule.Options.LearnsVariance;
        var (input, output) = model.Network.Options.Channels();
        if (learnsVariance && output != 2 * input)
            throw new InputException($"The schedule says that the network learns the variance, which takes {2 * input} output channels where it has {output}: set out_channels, or variance_type fixed_small.");
        var sampler = Sampler.Ddim(Math.Min(options.SampleSteps, model.Schedule.Count));
        var (trained, held) = HeldOutItems.Split(images, options);
        return new TrainingStage
        {
            Name = name,
            Network = model.Network,
            Trainable = trainable ?? TrainableParameters(model),
            Data = new SampleBatches(model.Encode(trained), model.Schedule, options.Seed, options.Flip, model.Device, conditions?.Invoke(trained)),
            Warning = learnsVariance || output != 2 * input
                ? null
                : $"The network has {output} output channels and the schedule fixes the variance: only the first {input} are trained (variance_type learned_range trains all).",
            Loss = batch => LossOf(model, process, batch, Predict(model, batch), options.VlbWeight),
            Validate = held is null ? null : HeldOutItems.Mean(
                HeldOutItems.Batches(model.Encode(held), model.Schedule, options, model.Device, conditions?.Invoke(held)), options,
                batch => LossOf(model, process, batch, Predict(model, batch), options.VlbWeight).Total),
            Save = model.Save,
            HoldsModel = DiffusionModel.Is,
            MayRecompute = model.Network.HasBlocks,
            DrawSamples = Sheet(model, images, options, sampler),
            Meter = TrainingMeter.Of(model, trained, options, sampler),
        };
    }

    /// <summary>How samples are drawn into a file on the way: a sheet of pictures, points over their density, or ECGs on paper; null where nothing fits.</summary>
    private static Action<string>? Sheet(DiffusionModel model, ISampleSource data, TrainingOptions options, Sampler sampler)
    {
        if (data is EcgItems ecgs && model.Ecg is not null)
            return path => ImageCodec.SavePng(path, EcgSheet.Draw(model.SampleValues(Math.Min(EcgSheet.Shown, options.SampleCount), sampler, options.Seed), ecgs.Set));
        if (model.MakesPictures)
            return path => model.Sample(options.SampleCount, sampler, options.Seed).SaveGrid(path);
        return !PointPlots.Fits(data) ? null : path => ImageCodec.SavePng(
            path, PointPlots.Samples(model.SampleValues(options.SampleCount, sampler, options.Seed), (data as SampleSet)?.Density));
    }

    /// <summary>Every parameter that a training changes.</summary>
    internal static IReadOnlyList<NamedTensor> TrainableParameters(DiffusionModel model) => [.. model.Network.TrainableParameters()];

    private static void CheckLabels(DiffusionModel model, ISampleSource images)
    {
        if (model.Classes == 0)
            throw new InputException($"The model {model.Origin} is conditioned on embeddings, which the data do not give.");
        if (model.Network.Options.TakesLabelSets)
        {
            var classes = images.LabelSet(0)?.Length;
            if (classes != model.Classes)
                throw new InputException($"The model takes sets of labels over {model.Classes} classes and {images.Description} has {(classes is null ? "none" : $"{classes} classes")}: give data with as many.");
            return;
        }

        for (var i = 0; i < images.Count; i++)
        {
            if (images.Label(i) is not { } label)
            {
                throw new InputException(images is not IImageSource
                    ? $"The model is class-conditional and {images.Description} has no labels: give data with labels."
                    : "The model is class-conditional and the pictures have no labels: put them into one sub-folder a class and set labels_from_folders, or name their classes in a CSV file (labels_csv).");
            }

            if (label < 0 || label >= model.Classes)
                throw new InputException($"The {images.Noun()[..^1]} {images.Name(i)} is of class {label} and the model has {model.Classes} classes, from 0: give {images.Noun()} of as many classes.");
        }
    }

    /// <summary>Noises a batch and asks the network about it.</summary>
    internal static NoisedBatch Predict(DiffusionModel model, Batch batch)
    {
        var (noised, condition) = Noised(model, batch);
        return new NoisedBatch(noised, condition, model.Denoiser.Predict(noised, batch.T, condition));
    }

    /// <summary>x_t, and what the network is conditioned on.</summary>
    internal static (Tensor X, Condition? Condition) Noised(DiffusionModel model, Batch batch)
    {
        var labels = model.Network.Options.IsClassConditional ? batch.ClassLabels : null;
        var condition = labels is null && batch.Embedding is null ? null : new Condition { ClassLabels = labels, Embedding = batch.Embedding };
        return (model.Schedule.AddNoise(batch.X0, batch.Noise, batch.T), condition);
    }

    /// <summary>The denoising loss of what <see cref="Predict"/> gave.</summary>
    internal static Loss LossOf(DiffusionModel model, ReverseProcess process, Batch batch, NoisedBatch noised, double vlbWeight)
    {
        if (!model.Schedule.Options.LearnsVariance)
            return new Loss(Losses.Simple(noised.Output, batch.X0, batch.Noise, batch.T, model.Schedule).Mean);
        var hybrid = Losses.Hybrid(noised.Output, batch.X0, batch.Noise, noised.X, batch.T, process, vlbWeight);
        return new Loss(hybrid.Mean, ("simple", hybrid.Simple.Mean), ("vlb", hybrid.Vlb.Mean));
    }
}

/// <summary>A batch at its noise levels, and what the network says of it.</summary>
/// <param name="X">x_t, [N, C, ...].</param>
/// <param name="Condition">What the network was conditioned on.</param>
/// <param name="Output">The network's output, [N, C, ...] or [N, 2C, ...].</param>
internal sealed record NoisedBatch(Tensor X, Condition? Condition, Tensor Output);
