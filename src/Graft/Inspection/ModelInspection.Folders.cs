using System.Text.Json.Nodes;
using Graft.Adapters;
using Graft.Formats.Diffusers;
using Graft.Networks;
using Graft.Networks.Clip;

namespace Graft.Inspection;

/// <content>Folders that hold no diffusion model of their own: adapters, classifiers, and networks of others.</content>
public sealed partial record ModelInspection
{
    /// <summary>An adapter's folder, which names its source; the source is not looked for.</summary>
    private static ModelInspection OfAdapter(string folder)
    {
        var adapter = AdapterFolder.Read(folder);
        var weights = System.IO.Path.Combine(folder, AdapterFolder.WeightsFile);
        var there = File.Exists(weights);
        var read = there ? OfFile(weights) : new ModelInspection { Path = folder, Description = "", Layout = WeightLayout.Adapter };
        var source = adapter.Source is null ? "a source model that was never saved" : $"the source model {adapter.Source}";
        return read with
        {
            Path = folder,
            Layout = WeightLayout.Adapter,
            Description = $"an adapter ({adapter.Kind}) of {source}, without which it draws nothing",
            Notes = [.. adapter.Fingerprint is { } due ? (string[])[$"the source's weights have the SHA-256 {due}"] : []],
            Warnings = there ? [] : [$"The folder {folder} has no weights: {AdapterFolder.WeightsFile} is due there."],
        };
    }

    private static ModelInspection OfClassifier(string folder, DiffusersFiles files, JsonObject config)
    {
        var options = ResNetClassifierOptions.FromJson(config, files.Network);
        var read = OfOtherFolder(folder, files, ResNetClassifierOptions.ClassName);
        return read with
        {
            Layout = WeightLayout.GraftClassifier,
            Description = $"Graft's classifier '{options.Name}' (ResNetClassifier): {options.NumClasses} classes, features of {options.BlockOutChannels[^1]} dimensions for measures",
            PictureShape = [options.InChannels, options.SampleSize, options.SampleSize],
            Notes = [.. read.Notes.Except(NotesOf(WeightLayout.GraftClassifier))],
            Warnings = read.ParameterCount == options.ParameterCount
                ? []
                : [$"config.json asks for {options.ParameterCount} parameters and the weights hold {read.ParameterCount}: they belong to different networks."],
        };
    }

    /// <summary>A pair of towers that was trained here: its files are a CLIPModel's, its weights are not CLIP's.</summary>
    private static ModelInspection OfImageText(string folder, DiffusersFiles files)
    {
        var (vision, text) = ImageTextModel.ReadOptions(files.Network);
        var tokenizer = NameTokenizer.Load(System.IO.Path.Combine(folder, NameTokenizer.FileName));
        var read = OfOtherFolder(folder, files, "CLIPModel");
        var due = 1 + vision.Shapes().Concat(text.Shapes()).Sum(p => p.Shape.Aggregate(1L, (a, b) => a * b));
        return read with
        {
            Layout = WeightLayout.GraftImageText,
            Prefix = "",
            Description = $"an image-text pair trained with Graft, '{vision.Name ?? "of no name"}', by CLIP's loss; it is not CLIP. Pictures: patches of {vision.PatchSize}, {vision.NumHiddenLayers} layers of width {vision.HiddenSize}; "
                + $"names: {tokenizer.Words.Count} words and {tokenizer.Letters.Length} letters, {text.NumHiddenLayers} layers of width {text.HiddenSize}; vectors of {vision.ProjectionDim} dimensions",
            PictureShape = [3, vision.ImageSize, vision.ImageSize],
            Notes = ["its image tower is an encoder of condition pictures, as CLIP's folder is"],
            Warnings =
            [
                .. read.ParameterCount == due ? (string[])[] : [$"config.json asks for {due} parameters and the weights hold {read.ParameterCount}: they belong to different networks."],
                .. text.VocabSize == tokenizer.VocabSize ? (string[])[] : [$"The tokenizer has {tokenizer.VocabSize} tokens and the text tower {text.VocabSize}: they belong to different models."],
            ],
        };
    }

    /// <summary>A folder of another network: its weights are described as a bare file is.</summary>
    private static ModelInspection OfOtherFolder(string folder, DiffusersFiles files, string kind)
    {
        string[] names = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"];
        var weights = files.Weights ?? names.Select(n => System.IO.Path.Combine(files.NetworkFolder, n)).FirstOrDefault(File.Exists)
            ?? throw new InputException($"The folder {folder} holds the configuration of a {kind}, but no weights that could be inspected.");
        var file = OfFile(weights);
        return file with { Path = folder, Description = $"a folder of a {kind}: {file.Description}", Notes = [.. file.Notes.Except(NotesOf(WeightLayout.GraftDenoiser))] };
    }

    /// <summary>What can be done with a bare file.</summary>
    private static string[] NotesOf(WeightLayout layout) => layout switch
    {
        WeightLayout.GuidedDiffusionUNet => ["graft convert makes a folder of it that can be adapted and sampled from; what is unknown is given there, with --model-flags"],
        WeightLayout.Adapter => ["its settings and its source are in adapter_config.json, which belongs beside it"],
        WeightLayout.GraftClassifier or WeightLayout.GraftDenoiser => ["its settings are in config.json, which belongs beside it"],
        _ => [],
    };
}
