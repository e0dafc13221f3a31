using Graft.Formats;
using Graft.Torch;

namespace Graft.Networks.Clip;

/// <summary>Where CLIP's image tower is read from, and written to.</summary>
internal static class ClipCheckpoint
{
    internal const string ConfigFile = "config.json";
    internal const string WeightsFile = "model.safetensors";
    private static readonly string[] WeightsFiles = [WeightsFile, "model.safetensors.index.json", "pytorch_model.bin"];

    /// <exception cref="InputException">A file is missing or broken, holds another network, or does not fit the configuration.</exception>
    public static ClipVisionModel Load(string path, Device device)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return TorchRuntime.Run(() => Directory.Exists(path) ? LoadFolder(path, device) : LoadFile(path, device));
    }

    public static void Save(ClipVisionModel model, string folder) => TorchRuntime.Run(() =>
    {
        WeightFile.Write(Path.Combine(folder, WeightsFile), model.Parameters());
        AtomicFile.WriteText(Path.Combine(folder, ConfigFile), JsonStyle.Sorted(model.Options.ToJson()));
    });

    private static ClipVisionModel LoadFolder(string folder, Device device)
    {
        var config = Path.Combine(folder, ConfigFile);
        var weights = WeightsFiles.Select(f => Path.Combine(folder, f)).FirstOrDefault(File.Exists);
        if (!File.Exists(config) || weights is null)
            throw new InputException($"There is no CLIP model at {folder}: give a Hugging Face folder with {ConfigFile} and {WeightsFile} (or pytorch_model.bin), or openai's .pt.");
        var options = ClipVisionOptions.FromJson(JsonStyle.ReadObject(config), config);
        using var file = WeightFile.Open(weights);
        if (!file.Contains(ClipVisionModel.ProjectionName))
            throw new InputException($"The file {weights} holds no {ClipVisionModel.ProjectionName}: give a CLIPVisionModelWithProjection or a CLIPModel, whose embeddings are defined.");
        return Fill(options, file, n => file.Contains(n) ? file.Describe(n).Shape : null, n => file.Contains(n) ? file.Read(n) : null, device);
    }

    private static ClipVisionModel LoadFile(string path, Device device)
    {
        using var file = WeightFile.Open(path, scripts: true);
        if (!OpenAiClip.Is(file))
        {
            throw new InputException(file.Contains(ClipVisionModel.ProjectionName)
                ? $"The file {path} has Hugging Face's names: give its folder, whose {ConfigFile} says what the shapes do not."
                : $"The file {path} does not hold CLIP's image tower: give a Hugging Face folder or openai's .pt.");
        }

        return Fill(OpenAiClip.Infer(file), file, n => OpenAiClip.ShapeOf(file, n), n => OpenAiClip.Read(file, n), device);
    }

    /// <summary>Shapes are compared before anything is built, so that a wrong configuration cannot ask for any amount of memory.</summary>
    private static ClipVisionModel Fill(ClipVisionOptions options, WeightFile file, Func<string, long[]?> shapeOf, Func<string, Tensor?> read, Device device)
    {
        foreach (var (name, shape) in options.Shapes())
        {
            var given = shapeOf(name);
            if (given is null || !given.AsSpan().SequenceEqual(shape))
            {
                throw new InputException(
                    $"The weights of {file.Path} do not fit the network: {name} is {(given is null ? "missing" : $"[{string.Join(", ", given)}] where [{string.Join(", ", shape)}] is due")}.");
            }
        }

        var network = new ClipVisionModel(options);
        try
        {
            network.Load(read, file.Path);
            network.RequireGrad(false);
            network.MoveTo(device);
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }
}
