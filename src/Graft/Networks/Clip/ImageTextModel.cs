using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Formats.Images;
using Graft.Torch;

namespace Graft.Networks.Clip;

/// <summary>
/// A pair of towers that we trained ourselves by CLIP's method, with its tokenizer and its preparation of pictures: pictures and names as
/// vectors whose cosine says how well they go together. Its folder is one of Hugging Face's <c>CLIPModel</c> but for the tokenizer.
/// </summary>
public sealed class ImageTextModel : IDisposable
{
    internal const string ProcessorFile = "preprocessor_config.json";
    private const int MostAtOnce = 64;
    private readonly Device _device;

    /// <summary>Takes towers, which the pair then owns.</summary>
    /// <param name="model">The towers.</param>
    /// <param name="tokenizer">Its tokens are those of the tower of texts.</param>
    /// <param name="processor">How pictures are prepared.</param>
    /// <exception cref="InputException">The parts do not fit together.</exception>
    public ImageTextModel(ClipModel model, NameTokenizer tokenizer, ClipImageProcessorOptions processor)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(processor);
        processor.CheckGives(model.Vision.Options.ImageSize);
        if (model.Text.Options.VocabSize != tokenizer.VocabSize || model.Text.Options.EosTokenId != tokenizer.End)
            throw new InputException($"The tokenizer has {tokenizer.VocabSize} tokens and ends texts with {tokenizer.End}, where the text tower has {model.Text.Options.VocabSize} and {model.Text.Options.EosTokenId}: take the one that lay beside the model.");
        (Model, Tokenizer, Processor) = (model, tokenizer, new ClipImageProcessor(processor));
        _device = TorchRuntime.Run(() => model.LogitScale.Device);
    }

    /// <summary>The towers.</summary>
    public ClipModel Model { get; }

    /// <summary>How texts become tokens.</summary>
    public NameTokenizer Tokenizer { get; }

    /// <summary>How pictures are prepared.</summary>
    public ClipImageProcessor Processor { get; }

    /// <summary>What it is called.</summary>
    public string Name => Model.Vision.Options.Name ?? "image-text pair";

    /// <summary>Length of a vector.</summary>
    public int Dimension => (int)Model.Vision.Options.ProjectionDim;

    /// <summary>Whether a folder holds such a pair.</summary>
    public static bool Is(string folder) => File.Exists(Path.Combine(folder, NameTokenizer.FileName)) && File.Exists(Path.Combine(folder, ClipCheckpoint.ConfigFile));

    /// <summary>Opens a folder that <see cref="Save"/> wrote.</summary>
    /// <param name="folder">With <c>config.json</c>, <c>model.safetensors</c>, <c>preprocessor_config.json</c> and <c>graft_tokenizer.json</c>.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">A file is missing, broken, or does not fit the others.</exception>
    public static ImageTextModel Load(string folder, Device device = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!Is(folder))
            throw new InputException($"There is no image-text pair at {folder}: give a folder with {ClipCheckpoint.ConfigFile}, {ClipCheckpoint.WeightsFile} and {NameTokenizer.FileName}, as models/graft-clip.");
        var config = Path.Combine(folder, ClipCheckpoint.ConfigFile);
        var (vision, text) = ReadOptions(config);
        var tokenizer = NameTokenizer.Load(Path.Combine(folder, NameTokenizer.FileName));
        var processorFile = Path.Combine(folder, ProcessorFile);
        var processor = File.Exists(processorFile)
            ? ClipImageProcessorOptions.FromJson(JsonStyle.ReadObject(processorFile), processorFile)
            : ClipImageProcessorOptions.Standard((int)vision.ImageSize, ClipProcessorKind.HuggingFace);
        return TorchRuntime.Run(() =>
        {
            var weights = Path.Combine(folder, ClipCheckpoint.WeightsFile);
            using var file = WeightFile.Open(weights);
            Check(file, vision, text);
            var model = new ClipModel(vision, text);
            try
            {
                model.Load(name => ClipModel.HuggingFaceName(name) is var theirs && file.Contains(theirs) ? file.Read(theirs) : null, weights);
                model.MoveTo(device);
                return new ImageTextModel(model, tokenizer, processor);
            }
            catch
            {
                model.Dispose();
                throw;
            }
        });
    }

    /// <summary>Writes the folder; each file appears whole.</summary>
    public void Save(string folder) => TorchRuntime.Run(() =>
    {
        WeightFile.Write(Path.Combine(folder, ClipCheckpoint.WeightsFile), Model.HuggingFaceParameters());
        AtomicFile.WriteText(Path.Combine(folder, ClipCheckpoint.ConfigFile), JsonStyle.Sorted(Configuration()));
        AtomicFile.WriteText(Path.Combine(folder, ProcessorFile), JsonStyle.Sorted(Processor.Options.ToJson()));
        Tokenizer.Save(Path.Combine(folder, NameTokenizer.FileName));
    });

    /// <summary>The vectors of pictures of any sizes. To be called inside <see cref="TorchRuntime.Run{T}"/>; nothing is recorded for gradients.</summary>
    /// <param name="pictures">At least one.</param>
    /// <returns>Float32 [N, <see cref="Dimension"/>], of length 1 each.</returns>
    public Tensor Encode(IReadOnlyList<Picture> pictures)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        using var mode = Autograd.NoGrad();
        return TensorScope.Of(() => Tensor.Cat([.. pictures.Chunk(MostAtOnce).Select(some => TensorScope.Of(
            () => ClipModel.Normalised(Model.Vision.Forward(Processor.Prepare(some).To(_device)).ImageEmbeds)))]));
    }

    /// <summary>The vectors of texts; otherwise as of pictures.</summary>
    /// <param name="texts">At least one.</param>
    public Tensor Encode(IReadOnlyList<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        using var mode = Autograd.NoGrad();
        return TensorScope.Of(() => Tensor.Cat([.. texts.Chunk(MostAtOnce).Select(some => TensorScope.Of(() =>
        {
            var (tokens, length) = Tokenizer.EncodeAll(some, (int)Model.Text.Options.MaxPositionEmbeddings);
            return ClipModel.Normalised(Model.Text.Forward(Tensor.From(tokens, some.Length, length).To(_device)));
        }))]));
    }

    /// <summary>
    /// The vectors of names, each seen through several templates: the mean of the templates' vectors, brought back to length 1 (Radford et al.
    /// 2021, section 3.1.4).
    /// </summary>
    /// <param name="names">At least one.</param>
    /// <param name="templates">At least one, with <c>{}</c> in the name's place.</param>
    public Tensor EncodeNames(IReadOnlyList<string> names, IReadOnlyList<string> templates)
    {
        ArgumentNullException.ThrowIfNull(names);
        ArgumentNullException.ThrowIfNull(templates);
        using var mode = Autograd.NoGrad();
        return TensorScope.Of(() =>
        {
            var sum = Encode([.. names.Select(n => Fill(templates[0], n))]);
            foreach (var template in templates.Skip(1))
                sum += Encode([.. names.Select(n => Fill(template, n))]);
            return ClipModel.Normalised(sum);
        });
    }

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();

    /// <summary>A template with a name in its place.</summary>
    internal static string Fill(string template, string name) => template.Replace("{}", name, StringComparison.Ordinal);

    /// <summary>Both towers' architectures, of a configuration of <c>model_type</c> <c>clip</c>.</summary>
    internal static (ClipVisionOptions Vision, ClipTextOptions Text) ReadOptions(string config)
    {
        var json = JsonStyle.ReadObject(config);
        var vision = ClipVisionOptions.FromJson(json, config);
        if (json["text_config"] is not JsonObject text)
            throw new InputException($"The configuration {config} says nothing of a tower of texts (text_config): take the file that lay beside the model.");
        text = (JsonObject)text.DeepClone();
        text["projection_dim"] = vision.ProjectionDim;
        return (vision, ClipTextOptions.FromJson(text, config));
    }

    private JsonObject Configuration()
    {
        var vision = Model.Vision.Options.ToJson();
        foreach (var key in (string[])["architectures", "torch_dtype", ClipVisionOptions.NameKey])
            vision.Remove(key);
        var json = new JsonObject
        {
            ["architectures"] = new JsonArray("CLIPModel"),
            ["logit_scale_init_value"] = 2.6592,
            ["model_type"] = "clip",
            ["projection_dim"] = Dimension,
            ["text_config"] = Model.Text.Options.ToJson(),
            ["torch_dtype"] = "float32",
            ["vision_config"] = vision,
        };
        if (Model.Vision.Options.Name is { } name)
            json[ClipVisionOptions.NameKey] = name;
        return json;
    }

    /// <summary>Shapes are compared before anything is built, so that a wrong configuration cannot ask for any amount of memory.</summary>
    private static void Check(WeightFile file, ClipVisionOptions vision, ClipTextOptions text)
    {
        foreach (var (name, shape) in vision.Shapes().Concat(text.Shapes()).Append(("logit_scale", [])))
        {
            var given = file.Contains(name) ? file.Describe(name).Shape : null;
            if (given is null || !given.AsSpan().SequenceEqual(shape))
            {
                throw new InputException(
                    $"The weights of {file.Path} do not fit the network: {name} is {(given is null ? "missing" : $"[{string.Join(", ", given)}]")} where [{string.Join(", ", shape)}] is due.");
            }
        }
    }
}
