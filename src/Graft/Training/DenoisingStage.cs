using Graft.Data;
using Graft.Diffusion;
using Graft.Sampling;
using Graft.Torch;

namespace Graft.Training;

/// <summary>The stage that pretraining and plain fine-tuning share: L_simple (Ho et al. 2020, eq. 14) on pictures.</summary>
internal static class DenoisingStage
{
    /// <summary>Makes the stage.</summary>
    /// <param name="name">For messages.</param>
    /// <param name="model">What is trained.</param>
    /// <param name="images">On what.</param>
    /// <param name="options">The loop's settings.</param>
    /// <param name="trainable">Which parameters; all if not given.</param>
    internal static TrainingStage Create(
        string name, DiffusionModel model, IImageSource images, TrainingOptions options, IReadOnlyList<NamedTensor>? trainable = null)
    {
        if (images.Shape != model.Shape)
            throw new InputException($"The pictures are {images.Shape} and the model's {model.Shape}: they must be the same.");
        if (model.Network.Options.IsClassConditional)
            CheckLabels(model, images);
        var sampler = Sampler.Ddim(Math.Min(options.SampleSteps, model.Schedule.Count));
        return new TrainingStage
        {
            Name = name,
            Network = model.Network,
            Trainable = trainable ?? TrainableParameters(model),
            Data = new ImageBatches(images, model.Schedule.Count, options.Seed, options.Flip, model.Device),
            Loss = batch => Loss(model, batch, Predict(model, batch)),
            Save = model.Save,
            DrawSamples = path => model.Sample(options.SampleCount, sampler, options.Seed).SaveGrid(path),
        };
    }

    /// <summary>Every parameter that a training changes: all but the Fourier features of time, which are drawn once.</summary>
    internal static IReadOnlyList<NamedTensor> TrainableParameters(DiffusionModel model) =>
        [.. model.Network.Parameters().Where(p => model.Network.Options.TimeEmbeddingType != "fourier" || p.Name != "time_proj.weight")];

    private static void CheckLabels(DiffusionModel model, IImageSource images)
    {
        if (model.Classes == 0)
            throw new InputException($"The model {model.Origin} is conditioned on embeddings, which pictures do not give.");
        for (var i = 0; i < images.Count; i++)
        {
            if (images.Label(i) is not { } label)
                throw new InputException("The model is class-conditional and the pictures have no labels: put them into one sub-folder a class and set labels_from_folders.");
            if (label < 0 || label >= model.Classes)
                throw new InputException($"The picture {images.Name(i)} is of class {label} and the model has {model.Classes} classes, from 0: give pictures of as many classes.");
        }
    }

    /// <summary>Noises a batch and asks the network about it.</summary>
    internal static NoisedBatch Predict(DiffusionModel model, Batch batch)
    {
        var noised = model.Schedule.AddNoise(batch.X0, batch.Noise, batch.T);
        var condition = model.Network.Options.IsClassConditional ? new Condition { ClassLabels = batch.ClassLabels } : null;
        return new NoisedBatch(noised, condition, model.Denoiser.Predict(noised, batch.T, condition));
    }

    /// <summary>The denoising loss of what <see cref="Predict"/> gave.</summary>
    internal static Loss Loss(DiffusionModel model, Batch batch, NoisedBatch noised) =>
        new(Losses.Simple(noised.Output, batch.X0, batch.Noise, batch.T, model.Schedule).Mean);
}

/// <summary>A batch at its noise levels, and what the network says of it.</summary>
/// <param name="X">x_t, [N, C, ...].</param>
/// <param name="Condition">What the network was conditioned on.</param>
/// <param name="Output">The network's output, [N, C, ...] or [N, 2C, ...].</param>
internal sealed record NoisedBatch(Tensor X, Condition? Condition, Tensor Output);
