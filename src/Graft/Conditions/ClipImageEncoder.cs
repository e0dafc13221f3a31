using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Formats;
using Graft.Formats.Images;
using Graft.Networks.Clip;
using Graft.Torch;

namespace Graft.Conditions;

/// <summary>CLIP's image tower with its preparation of pictures: what ANL's condition is made by.</summary>
public sealed class ClipImageEncoder : IConditionEncoder
{
    private const string ProcessorFile = "preprocessor_config.json";
    private const int MostAtOnce = 32;
    private readonly Device _device;
    private readonly Lazy<string> _hash;

    /// <summary>Takes a network, which the encoder then owns, and moves it to a device.</summary>
    /// <param name="model">With its weights.</param>
    /// <param name="processor">How pictures are prepared.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">The processor gives pictures of another size than the network takes.</exception>
    public ClipImageEncoder(ClipVisionModel model, ClipImageProcessorOptions processor, Device device = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(processor);
        processor.CheckGives(model.Options.ImageSize);
        Model = model;
        Processor = new ClipImageProcessor(processor);
        _device = device;
        _hash = new Lazy<string>(() => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
            $"clip image_embeds 1\n{model.Fingerprint()}\n{JsonStyle.Sorted(model.Options.ToJson())}{processor}"))));
        TorchRuntime.Run(() => model.MoveTo(device));
    }

    /// <summary>The network.</summary>
    public ClipVisionModel Model { get; }

    /// <summary>How pictures are prepared.</summary>
    public ClipImageProcessor Processor { get; }

    /// <inheritdoc/>
    public int Dimension => (int)Model.Options.ProjectionDim;

    /// <inheritdoc/>
    public string Name => $"{Model.Options.Name ?? "CLIP"} ViT/{Model.Options.PatchSize} of {Model.Options.ImageSize} x {Model.Options.ImageSize}, image_embeds ({Hash[..8]})";

    /// <inheritdoc/>
    public string Hash => _hash.Value;

    /// <summary>Whether a folder says that it holds a CLIP model, or its image tower; other networks have files of the same names.</summary>
    public static bool Is(string folder)
    {
        var config = Path.Combine(folder, ClipCheckpoint.ConfigFile);
        if (!File.Exists(config))
            return false;
        var json = JsonStyle.ReadObject(config);
        return json["vision_config"] is JsonObject || (json["model_type"] is JsonValue kind && kind.TryGetValue<string>(out var name) && name is "clip" or "clip_vision_model");
    }

    /// <summary>
    /// Opens a Hugging Face folder or openai's <c>.pt</c> (see <see cref="ClipVisionModel.Load"/>). Pictures are prepared as the folder's
    /// <c>preprocessor_config.json</c> says, or in the usual way where it has none; for a <c>.pt</c> as openai's transform does.
    /// </summary>
    /// <param name="path">The folder or file.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">A file is missing or broken, holds another network, or does not fit the others.</exception>
    public static ClipImageEncoder Load(string path, Device device = default)
    {
        var model = ClipVisionModel.Load(path);
        try
        {
            return new ClipImageEncoder(model, ProcessorOf(path, (int)model.Options.ImageSize), device);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The embeddings of a batch in [-1, 1]. Each number is first rounded to the nearest of a byte's 256 steps, since CLIP's preparation begins
    /// with bytes: a picture of a file comes back as it was, and a model's sample is seen as it would be saved.
    /// </summary>
    /// <inheritdoc/>
    public Tensor Encode(Tensor images)
    {
        var pictures = ConditionPictures.From(images);
        return Encode([.. Enumerable.Range(0, pictures.Count).Select(pictures.ToPicture)]);
    }

    /// <summary>The embeddings of pictures of any sizes, with alpha or without; otherwise as <see cref="Encode(Tensor)"/>.</summary>
    /// <param name="pictures">At least one.</param>
    /// <returns>[N, <see cref="Dimension"/>].</returns>
    /// <exception cref="InputException">One is smaller than the processor's crop, and nothing enlarges it.</exception>
    public Tensor Encode(IReadOnlyList<Picture> pictures)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        ArgumentOutOfRangeException.ThrowIfZero(pictures.Count, nameof(pictures));
        using var mode = Autograd.NoGrad();
        return TensorScope.Of(() => Tensor.Cat([.. pictures.Chunk(MostAtOnce).Select(
            some => TensorScope.Of(() => Model.Forward(Processor.Prepare(some).To(_device)).ImageEmbeds))]));
    }

    /// <summary>
    /// Writes a Hugging Face folder: the network, and <c>preprocessor_config.json</c>, which says nothing of <see cref="ClipProcessorKind"/>: the
    /// folder is read as Hugging Face's.
    /// </summary>
    public void Save(string folder)
    {
        Model.Save(folder);
        AtomicFile.WriteText(Path.Combine(folder, ProcessorFile), JsonStyle.Sorted(Processor.Options.ToJson()));
    }

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();

    private static ClipImageProcessorOptions ProcessorOf(string path, int edge)
    {
        if (!Directory.Exists(path))
            return ClipImageProcessorOptions.Standard(edge, ClipProcessorKind.OpenAi);
        var file = Path.Combine(path, ProcessorFile);
        return File.Exists(file)
            ? ClipImageProcessorOptions.FromJson(JsonStyle.ReadObject(file), file)
            : ClipImageProcessorOptions.Standard(edge, ClipProcessorKind.HuggingFace);
    }
}
