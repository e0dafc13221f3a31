using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>A classifier on disk, whatever its architecture: <c>config.json</c> and <c>model.safetensors</c>.</summary>
internal static class ClassifierFolder
{
    private const string ConfigFile = "config.json";
    private const string WeightsFile = "model.safetensors";

    /// <summary>Whether a folder holds one, or something that one written there would replace.</summary>
    internal static bool Is(string folder) => File.Exists(Path.Combine(folder, ConfigFile)) || File.Exists(Path.Combine(folder, WeightsFile));

    /// <summary>What a folder's configuration calls its architecture; nothing where there is none to read.</summary>
    internal static string? ClassName(string folder)
    {
        var config = Path.Combine(folder, ConfigFile);
        if (!File.Exists(config))
            return null;
        return JsonStyle.ReadObject(config)["_class_name"] is JsonValue value && value.TryGetValue<string>(out var name) ? name : null;
    }

    /// <summary>Opens a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="noun">What is looked for, for messages: <c>classifier</c>.</param>
    /// <param name="read">Reads the options, of which the path is told for messages.</param>
    /// <param name="count">Numbers that the options ask for.</param>
    /// <param name="build">Makes the network.</param>
    /// <param name="device">Where it is to compute.</param>
    /// <exception cref="InputException">A file is missing, broken, or does not fit the other.</exception>
    internal static TNetwork Load<TOptions, TNetwork>(
        string folder, string noun, Func<JsonObject, string, TOptions> read, Func<TOptions, long> count, Func<TOptions, TNetwork> build, Device device)
        where TNetwork : Module
    {
        var config = Path.Combine(folder, ConfigFile);
        if (!File.Exists(config))
            throw new InputException($"There is no {noun} at {folder}: give a folder with {ConfigFile} and {WeightsFile}.");
        var options = read(JsonStyle.ReadObject(config), config);
        return TorchRuntime.Run(() =>
        {
            var weights = Path.Combine(folder, WeightsFile);
            using var file = WeightFile.Open(weights);
            // Before anything is built, so that a wrong configuration cannot ask for any amount of memory.
            var (held, due) = (file.Names.Sum(n => file.Describe(n).Shape.Aggregate(1L, (a, b) => a * b)), count(options));
            if (held != due)
                throw new InputException($"The file {weights} holds {held} numbers where {config} asks for {due}: they belong to different networks.");
            var network = build(options);
            try
            {
                network.Load(name => file.Contains(name) ? file.Read(name) : null, weights);
                network.MoveTo(device);
                return network;
            }
            catch
            {
                network.Dispose();
                throw;
            }
        });
    }

    /// <summary>Writes a folder; each file appears whole.</summary>
    internal static void Save(string folder, Module network, JsonObject options) => TorchRuntime.Run(() =>
    {
        WeightFile.Write(Path.Combine(folder, WeightsFile), network.Parameters());
        AtomicFile.WriteText(Path.Combine(folder, ConfigFile), JsonStyle.Sorted(options));
    });
}
