using Graft.Data;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Benchmarks;

/// <summary>What a model is trained on here: random items in memory, since what is in them does not change what a step costs.</summary>
internal static class RandomItems
{
    private const double LabelShare = 0.05;

    /// <summary>Pictures for a model of pictures; for others recordings, with sets of labels where the network takes them.</summary>
    internal static ISampleSource For(DiffusionModel model, int count) =>
        model.MakesPictures ? new MemoryPictures(model.Shape, count) : Recordings(model, count);

    /// <summary>The labels of the first items; null where the network takes none.</summary>
    internal static Tensor? Labels(DenoiserOptions network, int count) =>
        network.TakesLabelSets ? Tensor.From(LabelSets(network, count), count, network.Classes) : null;

    private static SampleSet Recordings(DiffusionModel model, int count) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        long[] items = [.. Enumerable.Range(0, count).Select(i => (long)i)];
        var values = new KeyedRandom(0, "benchmark/recordings").Normal(0, items, model.ItemShape.Sizes);
        return new SampleSet(model.ItemShape, values.ToArray<float>(), $"{count} random recordings of {model.ItemShape}")
        {
            LabelSets = model.Network.Options.TakesLabelSets ? LabelSets(model.Network.Options, count) : null,
        };
    });

    private static float[] LabelSets(DenoiserOptions network, int count)
    {
        var random = new KeyedRandom(0, "benchmark/labels");
        return [.. Enumerable.Range(0, checked((int)(count * network.Classes))).Select(i => random.Uniform(0, i) < LabelShare ? 1f : 0f)];
    }
}
