using Graft.Data;
using Graft.Diffusion;
using Graft.Formats;
using Graft.Tests.Formats;
using Graft.Torch;
using Graft.Training;

namespace Graft.Tests.Training;

/// <summary>A model of some thousand parameters and pictures of 8 x 8: a training step takes milliseconds.</summary>
internal static class TinyRun
{
    public static DiffusionModel Model(long seed = 3, double dropout = 0, long? classes = null) =>
        TinyModel.Create(TinyModel.Network with { Dropout = dropout, NumClassEmbeds = classes }, new ScheduleOptions { NumTrainTimesteps = 50 }, seed);

    /// <summary>Everything that a resumed run could get wrong.</summary>
    public static TrainingOptions Options(long steps) => new()
    {
        Steps = steps,
        BatchSize = 4,
        Accumulation = 2,
        LearningRate = 2e-3,
        WarmupSteps = 2,
        Decay = LearningRateDecay.Cosine,
        DecayFraction = 0.5,
        EmaDecay = 0.9,
        Seed = 5,
        Flip = true,
        CheckpointEvery = 4,
    };

    public static string Checkpoint(string folder, long step) => Path.Combine(folder, $"checkpoint-{step:D7}");

    /// <summary>Raw weights, average and moments by name.</summary>
    public static Dictionary<string, byte[]> State(string folder, long step)
    {
        using var file = SafetensorsFile.Open(Path.Combine(Checkpoint(folder, step), "trainer_state.safetensors"));
        return FormatFiles.ReadAll(file);
    }

    public static float[] Floats(byte[] bytes) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(bytes).ToArray();

    public static Dictionary<string, byte[]> Weights(DiffusionModel model) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        return model.Network.Parameters().ToDictionary(p => p.Name, p => p.Value.ToBytes());
    });

    public static void ShouldEqual(Dictionary<string, byte[]> actual, Dictionary<string, byte[]> due)
    {
        actual.Keys.Order().ShouldBe(due.Keys.Order());
        actual.Where(p => !p.Value.AsSpan().SequenceEqual(due[p.Key])).Select(p => p.Key).ShouldBeEmpty();
    }

    /// <summary>Stops a run after some steps.</summary>
    public static TrainingRun StopAfter(string? folder, long step)
    {
        var source = new CancellationTokenSource();
        return new TrainingRun
        {
            Folder = folder,
            CancellationToken = source.Token,
            Progress = new Told(p =>
            {
                if (p.Step == step)
                    source.Cancel();
            }),
        };
    }

    /// <summary>Told at once, in order.</summary>
    public sealed class Told(Action<TrainingProgress> told) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => told(value);
    }
}

/// <summary>Keyed pictures of 8 x 8.</summary>
internal sealed class TinyPictures(int count = 6, ulong seed = 1, int[]? labels = null) : IImageSource
{
    private readonly byte[][] _pictures = Make(count, seed);

    public int Count => count;

    public ImageShape Shape => new(1, 8, 8);

    public IReadOnlyList<string> Classes => [];

    public string Description => $"{count} tiny pictures of seed {seed}";

    public ReadOnlySpan<byte> this[int index] => _pictures[index];

    public string Name(int index) => $"{index}";

    public int? Label(int index) => labels?[index];

    private static byte[][] Make(int count, ulong seed)
    {
        var random = new SplitMix(seed);
        var pictures = new byte[count][];
        for (var i = 0; i < count; i++)
        {
            pictures[i] = new byte[64];
            for (var k = 0; k < 64; k++)
                pictures[i][k] = (byte)random.Next(256);
        }

        return pictures;
    }
}
