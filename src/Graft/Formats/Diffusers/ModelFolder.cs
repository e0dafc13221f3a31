using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Networks;

namespace Graft.Formats.Diffusers;

/// <summary>
/// A model's folder, whatever its network. U-Nets for pictures have diffusers' layout (<see cref="DiffusersFolder"/>). Other networks
/// lie in <c>denoiser/</c>, under the names of their own parameters; the scheduler's configuration and the index are as in diffusers'.
/// </summary>
internal static class ModelFolder
{
    /// <summary>The folder of a network that is no U-Net for pictures.</summary>
    internal const string NetworkFolder = "denoiser";

    /// <summary>Whether a folder looks like one.</summary>
    internal static bool Is(string folder) => DiffusersFolder.Is(folder);

    /// <summary>Reads network and configuration; the parameters are on the CPU, float32.</summary>
    /// <exception cref="InputException">A file is missing, broken, or does not fit the others.</exception>
    internal static (DenoisingNetwork Network, DiffusersConfiguration Configuration) Read(string folder)
    {
        var files = DiffusersFolder.Locate(folder);
        var config = JsonStyle.ReadObject(files.Network);
        var kind = DenoisingNetworks.ClassOf(config);
        if (DenoisingNetworks.IsUNet(kind) || !DenoisingNetworks.Names.Contains(kind))
            return DiffusersFolder.Read(folder);
        var options = DenoisingNetworks.Read(config, files.Network);
        var scheduler = files.Scheduler ?? throw DiffusersFolder.LacksScheduler(folder);
        var weights = files.Weights ?? throw DiffusersFolder.LacksWeights(files);
        return (ReadWeights(weights, options), new DiffusersConfiguration
        {
            Index = files.Index is null ? null : JsonStyle.ReadObject(files.Index),
            Network = config,
            Scheduler = JsonStyle.ReadObject(scheduler),
        });
    }

    /// <summary>Writes a model's folder. Every file appears whole; the index comes last.</summary>
    internal static void Write(string folder, DenoisingNetwork network, DiffusersConfiguration configuration)
    {
        if (network is UNet2D unet)
        {
            DiffusersFolder.Write(folder, unet, configuration);
            return;
        }

        AtomicFile.WriteText(Path.Combine(folder, "scheduler", "scheduler_config.json"), JsonStyle.Sorted(configuration.Scheduler));
        AtomicFile.WriteText(Path.Combine(folder, NetworkFolder, "config.json"), JsonStyle.Sorted(network.Options.ToJson(configuration.Network)));
        WeightFile.Write(Path.Combine(folder, NetworkFolder, DiffusersFolder.WeightsName + ".safetensors"), network.Parameters());
        var index = (JsonObject?)configuration.Index?.DeepClone() ?? new JsonObject { ["_class_name"] = "GraftPipeline" };
        index[NetworkFolder] = new JsonArray("graft", network.Options.ClassName);
        index["scheduler"] ??= new JsonArray("graft", "NoiseSchedule");
        AtomicFile.WriteText(Path.Combine(folder, "model_index.json"), JsonStyle.Sorted(index));
    }

    /// <summary>The configuration of a network and a schedule that were made here.</summary>
    internal static DiffusersConfiguration Configure(DenoiserOptions network, ScheduleOptions schedule) => network is UNet2DOptions unet
        ? DiffusersFolder.Configure(unet, schedule)
        : new DiffusersConfiguration { Network = network.ToJson(), Scheduler = schedule.ToJson() };

    private static DenoisingNetwork ReadWeights(string path, DenoiserOptions options)
    {
        using var file = WeightFile.Open(path);
        foreach (var (name, due) in options.KeyParameters())
        {
            if (!file.Contains(name))
                throw new InputException($"The weights of {path} do not fit the network: {name} is missing.");
            if (file.Describe(name).Shape is var shape && !shape.SequenceEqual(due))
                throw new InputException($"The weights of {path} do not fit the network: {name} is [{string.Join(", ", shape)}] where config.json asks for [{string.Join(", ", due)}].");
        }

        var network = options.Build();
        try
        {
            network.Load(name => file.Contains(name) ? file.Read(name) : null, path);
            var known = network.Parameters().Select(p => p.Name).ToHashSet();
            var surplus = file.Names.Where(n => !known.Contains(n)).ToList();
            return surplus.Count == 0
                ? network
                : throw new InputException($"The file {path} holds {surplus.Count} tensors that the configuration does not account for, as '{surplus[0]}': config.json belongs to another network.");
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }
}
