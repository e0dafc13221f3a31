using Graft.Diffusion;
using Graft.Networks;

namespace Graft.Tests;

/// <summary>A model that is made and run in no time.</summary>
internal static class TinyModel
{
    public static UNet2DOptions Network { get; } = new()
    {
        SampleSize = 8,
        InChannels = 1,
        OutChannels = 1,
        BlockOutChannels = [8, 16],
        DownBlockTypes = ["DownBlock2D", "AttnDownBlock2D"],
        UpBlockTypes = ["AttnUpBlock2D", "UpBlock2D"],
        LayersPerBlock = 1,
        NormNumGroups = 4,
        AttentionHeadDim = 8,
    };

    public static DiffusionModel Create(UNet2DOptions? network = null, ScheduleOptions? schedule = null, long seed = 1) =>
        DiffusionModel.Create(network ?? Network, schedule ?? new ScheduleOptions(), seed);

    /// <summary>Writes one to a folder.</summary>
    public static string Save(string folder, UNet2DOptions? network = null, ScheduleOptions? schedule = null)
    {
        using var model = Create(network, schedule);
        model.Save(folder);
        return folder;
    }
}
