using System.Text.Json.Nodes;
using Graft.Formats.LatentDiffusion;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Formats.Diffusers;

/// <summary>The autoencoder in a model's folder: <c>first_stage/</c>, under CompVis' names, and its entry of the index.</summary>
internal static class FirstStageFolder
{
    internal const string Name = "first_stage";

    /// <summary>Whether a model's folder has one, or says that it should.</summary>
    internal static bool Is(string folder) => File.Exists(Path.Combine(folder, Name, "config.json")) || InIndex(folder);

    /// <summary>What it is; null: the model has none, or its configuration is lost.</summary>
    /// <exception cref="InputException">The configuration is broken.</exception>
    internal static VqAutoencoderOptions? Describe(string folder)
    {
        var config = Path.Combine(folder, Name, "config.json");
        return File.Exists(config) ? VqAutoencoderOptions.FromJson(JsonStyle.ReadObject(config), config) : null;
    }

    /// <summary>Reads it, on the CPU in single precision; null: the model has none.</summary>
    /// <exception cref="InputException">A file is missing, broken, or does not fit the others.</exception>
    internal static VqAutoencoder? Read(string folder)
    {
        if (!Is(folder))
            return null;
        var (config, weights) = (Path.Combine(folder, Name, "config.json"), WeightsOf(folder));
        if (!File.Exists(config) || !File.Exists(weights))
            throw new InputException($"The model {folder} makes latents, and {(File.Exists(config) ? weights : config)} is missing, without which they are no pictures: copy the folder {Name} too.");
        var options = VqAutoencoderOptions.FromJson(JsonStyle.ReadObject(config), config);
        using var file = WeightFile.Open(weights);
        ShapeCheck.Against(weights, GuidedDiffusion.GuidedDiffusionFile.ShapesOf(file), "", Module.ShapesOf(() => new VqAutoencoder(options)));
        return FirstStageFile.Read(file, options, "");
    }

    /// <summary>Writes it, and names it in the index, which is there already.</summary>
    internal static void Write(string folder, VqAutoencoder network)
    {
        var json = network.Options.ToJson();
        AtomicFile.WriteText(Path.Combine(folder, Name, "config.json"), JsonStyle.Sorted(json));
        WeightFile.Write(WeightsOf(folder), network.Parameters());
        var path = Path.Combine(folder, "model_index.json");
        var index = JsonStyle.ReadObject(path);
        index["_class_name"] = "GraftLatentPipeline"; // diffusers would take the latents for pictures
        index[Name] = new JsonArray("graft", VqAutoencoderOptions.ClassName);
        AtomicFile.WriteText(path, JsonStyle.Sorted(index));
    }

    private static string WeightsOf(string folder) => Path.Combine(folder, Name, DiffusersFolder.WeightsName + ".safetensors");

    private static bool InIndex(string folder)
    {
        var path = Path.Combine(folder, "model_index.json");
        return File.Exists(path) && JsonStyle.ReadObject(path).ContainsKey(Name);
    }
}
