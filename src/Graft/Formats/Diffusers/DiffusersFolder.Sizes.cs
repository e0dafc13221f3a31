using Graft.Networks;
using Graft.Torch;

namespace Graft.Formats.Diffusers;

/// <content>The configuration's sizes against those of the weight file.</content>
public static partial class DiffusersFolder
{
    /// <summary>Names of a file's tensors by our names, which are the new ones.</summary>
    private static Dictionary<string, string> OwnNames(WeightFile file)
    {
        var names = new Dictionary<string, string>();
        foreach (var name in file.Names)
        {
            var own = OldAttention().Replace(name, m => Rename(m, AttentionNames.New));
            if (!names.TryAdd(own, name))
                throw new InputException($"The file {file.Path} holds both '{names[own]}' and '{name}', which are one parameter: keep one of them.");
        }

        return names;
    }

    /// <summary>
    /// Compares what every other size follows from, before anything is allocated: a configuration that claims more than the file
    /// holds must not cost memory.
    /// </summary>
    private static void CheckSizes(UNet2DOptions options, WeightFile file, Dictionary<string, string> names)
    {
        var channels = options.BlockOutChannels;
        Check("conv_in.weight", channels[0], options.InChannels, 3, 3);
        Check("conv_out.weight", options.OutChannels, channels[0], 3, 3);
        for (var i = 0; i < channels.Length; i++)
        {
            for (var j = 0; j < options.LayersPerBlock; j++)
                Check($"down_blocks.{i}.resnets.{j}.conv1.weight", channels[i], j > 0 ? channels[i] : channels[Math.Max(0, i - 1)], 3, 3);
        }

        if (options.ClassEmbedType is null && options.NumClassEmbeds is { } classes)
            Check("class_embedding.weight", classes, options.TimeWidth);
        if (options.CrossAttentionDim is not null)
        {
            foreach (var (name, shape) in Module.ShapesOf(options.Build))
                Check(name, shape);
        }

        if (options.TimeEmbeddingType == "learned")
            Check("time_proj.weight", options.NumTrainTimesteps!.Value, options.TimeChannels);
        if (options.TimeEmbeddingType == "positional")
            Check("time_embedding.linear_1.weight", options.TimeWidth, options.TimeChannels);

        void Check(string name, params long[] due)
        {
            if (!names.TryGetValue(name, out var inFile))
                throw new InputException($"The weights of {file.Path} do not fit the network: {name} is missing.");
            var (_, shape) = file.Describe(inFile);
            if (!shape.SequenceEqual(due))
                throw new InputException($"The weights of {file.Path} do not fit the network: {name} is [{string.Join(", ", shape)}] where config.json asks for [{string.Join(", ", due)}].");
        }
    }
}
