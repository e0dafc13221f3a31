using Graft.Data;
using Graft.Formats.Diffusers;
using Graft.Formats.LatentDiffusion;
using Graft.Networks;
using Graft.Torch;

namespace Graft;

/// <content>
/// Models whose network denoises latents (Rombach et al. 2022): pictures are encoded once to be trained on, and what is drawn is decoded.
/// <see cref="ItemShape"/> and <see cref="SampleValues"/> are of latents, <see cref="Shape"/> and <see cref="Sample"/> of pictures.
/// </content>
public sealed partial class DiffusionModel
{
    /// <summary>Pictures that are encoded at a time.</summary>
    private const int EncodedTogether = 4;

    /// <summary>What turns pictures into the latents that the network denoises, and back; null: the network sees pictures themselves.</summary>
    public VqAutoencoder? FirstStage { get; private init; }

    /// <summary>What data are to look like before they are encoded, if they are.</summary>
    internal ItemShape DataShape => FirstStage is null ? ItemShape : Shape;

    /// <summary>
    /// Opens a checkpoint of CompVis' latent diffusion with a VQ autoencoder, as its class-conditional ImageNet model cin256-v2: the U-Net (its
    /// average where there is one), the embedding of classes, the schedule and the autoencoder.
    /// </summary>
    /// <param name="path">The file, <c>.ckpt</c> or <c>.safetensors</c>, under CompVis' names.</param>
    /// <param name="options">What shapes do not show; null: nothing is said, which is enough for the models that CompVis published.</param>
    /// <param name="firstStage">A file with the autoencoder, where it is not in <paramref name="path"/>.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">The file is broken, another model, or without an autoencoder; or something is not said that shapes do not show.</exception>
    public static DiffusionModel LoadLatentDiffusion(string path, LatentDiffusionOptions? options = null, string? firstStage = null, Device device = default)
    {
        using var file = LatentDiffusionFile.Open(path);
        var found = file.Describe(options);
        if (found.FirstStage is null && firstStage is null)
            throw new InputException($"The file {path} holds no autoencoder, without which latents are no pictures: name the file that has it.");
        var configuration = DiffusersFolder.Configure(found.Network, file.Schedule(found));
        return TorchRuntime.Run(() =>
        {
            var decoder = firstStage is null ? file.ReadFirstStage(found)! : FirstStageFile.Load(firstStage);
            UNet2D network;
            try
            {
                network = file.Read(found);
            }
            catch
            {
                decoder.Dispose();
                throw;
            }

            return Finish(network, configuration, device, path, firstStage: decoder);
        });
    }

    /// <summary>The pictures of latents, one after the other, so that a picture does not depend on those beside it.</summary>
    /// <param name="latents">[N, channels, height, width].</param>
    /// <returns>[N, C, H, W], about [-1, 1] and not clipped.</returns>
    /// <exception cref="InputException">The model has no autoencoder, or the latents have another number of channels.</exception>
    public Tensor Decode(Tensor latents)
    {
        ArgumentNullException.ThrowIfNull(latents);
        var stage = FirstStage ?? throw new InputException($"The network of {Origin} makes pictures themselves: there is nothing to decode.");
        return TorchRuntime.Run(() =>
        {
            using var mode = Autograd.NoGrad();
            return TensorScope.Of(() => Tensor.Cat([.. latents.Split(1).Select(z => TensorScope.Of(() => stage.Decode(z)))]));
        });
    }

    /// <summary>The items that the network is trained on: the pictures' latents, encoded once, or the data as they are where there is no autoencoder.</summary>
    /// <param name="data">Pictures of <see cref="Shape"/>; anything where there is no autoencoder.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">They are no pictures, or of another shape.</exception>
    public ISampleSource Encode(ISampleSource data, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (FirstStage is not { } stage)
            return data;
        var pictures = data.Pictures($"The model {Origin} encodes");
        if (pictures.Shape != Shape)
            throw new InputException($"The pictures are {pictures.Shape} and those of {Origin} are {Shape}: they must be the same.");
        var values = new float[checked(pictures.Count * ItemShape.Elements)];
        var batch = new float[EncodedTogether * Shape.Elements];
        TorchRuntime.Run(() =>
        {
            using var mode = Autograd.NoGrad();
            for (var first = 0; first < pictures.Count; first += EncodedTogether)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var scope = new TensorScope();
                var n = Math.Min(EncodedTogether, pictures.Count - first);
                for (var i = 0; i < n; i++)
                    ((ISampleSource)pictures).Read(first + i, batch.AsSpan(i * Shape.Elements, Shape.Elements));
                var x = Tensor.From(batch[..(n * Shape.Elements)], n, Shape.Channels, Shape.Height, Shape.Width).To(Device);
                stage.Encode(x).To(Torch.Device.Cpu).CopyTo(values.AsSpan(first * ItemShape.Elements, n * ItemShape.Elements));
            }
        });
        var labels = Enumerable.Range(0, pictures.Count).Select(pictures.Label).ToArray();
        return new SampleSet(
            ItemShape, values, $"latents of {pictures.Description}", labels.All(l => l is not null) ? Array.ConvertAll(labels, l => l!.Value) : null, pictures.Classes);
    }
}
