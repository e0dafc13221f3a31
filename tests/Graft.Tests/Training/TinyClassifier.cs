using Graft.Networks;
using Graft.Torch;

namespace Graft.Tests.Training;

/// <summary>A classifier of some thousand parameters for 8 x 8 pictures.</summary>
internal static class TinyClassifier
{
    public static ResNetClassifierOptions Options { get; } = new()
    {
        Name = "tiny",
        SampleSize = 8,
        NumClasses = 3,
        BlockOutChannels = [4, 8],
        BlockStrides = [1, 2],
        NormNumGroups = 2,
    };

    public static ResNetClassifier Create(long seed = 3) => ResNetClassifier.Create(Options, seed);

    public static ResNetClassifier Create(ResNetClassifierOptions options) => ResNetClassifier.Create(options, 3);

    public static TinyPictures Pictures(int count = 6) => new(count, labels: [.. Enumerable.Range(0, count).Select(i => i % 3)]);

    public static Dictionary<string, byte[]> Weights(ResNetClassifier network) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        return network.Parameters().ToDictionary(p => p.Name, p => p.Value.ToBytes());
    });
}
