using System.Globalization;
using Graft.Data;
using Graft.Diffusion;
using Graft.Networks;
using Graft.Sampling;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Diagnostics;

/// <summary>A short adaptation and its samples on a device, held against the same on the processor: everything drawn is the same on both.</summary>
internal static class DeviceTest
{
    private static readonly UNet2DOptions Network = SelfTest.SmallNetwork with { SampleSize = 16, BlockOutChannels = [16, 32] };

    /// <summary>Losses may differ by so much of themselves: orders of sums, and with TensorFloat-32 rounded factors.</summary>
    private static double LossTolerance => TorchRuntime.TensorFloat32 ? 2e-2 : 1e-3;

    /// <summary>Of a sample's 256 levels.</summary>
    private static int LevelTolerance => TorchRuntime.TensorFloat32 ? 16 : 2;

    /// <summary>What the device computes, and whether it is what the processor does.</summary>
    internal static Finding Of(Device device) => Compare(device.ToString(), Run(Device.Cpu), Run(device));

    internal static Finding Compare(string device, Outcome due, Outcome found)
    {
        var loss = due.Losses.Zip(found.Losses, (a, b) => Math.Abs(a - b) / Math.Abs(a)).Aggregate(0.0, Math.Max); // unlike Max this keeps what is no number
        var levels = due.Pixels.Zip(found.Pixels, (a, b) => Math.Abs(a - b)).Max();
        var said = string.Create(CultureInfo.InvariantCulture, $"losses of {due.Losses.Length} steps within {loss:0.0e+0} of the processor's, samples within {levels} of 256 levels");
        return loss <= LossTolerance && levels <= LevelTolerance // false where one is no number
            ? Finding.Ok(device, said)
            : Finding.Fail(device, $"{said}, where {LossTolerance} and {LevelTolerance} are the most", "Check the driver and the CUDA version of this libtorch (python3 -c 'import torch; print(torch.version.cuda)'), or compute with --device cpu.");
    }

    internal static Outcome Run(Device device)
    {
        using var source = DiffusionModel.Create(Network, new ScheduleOptions { NumTrainTimesteps = 100 }, 1, device);
        var losses = new Losses();
        var training = new TrainingOptions { Steps = 4, BatchSize = 4, Accumulation = 2, LearningRate = 1e-3, EmaDecay = 0.5, Seed = 1 };
        using var adapted = new Finetune { Training = training }.Adapt(source, Pictures(), new TrainingRun { Progress = losses });
        var samples = adapted.Sample(2, Sampler.Ddpm(10), seed: 1);
        return new Outcome([.. losses.Values], [.. samples[0], .. samples[1]]);
    }

    /// <summary>Four drawn pictures.</summary>
    private static Samples Pictures()
    {
        var random = new KeyedRandom(1, "doctor.pictures");
        var shape = new ImageShape(1, (int)Network.SampleSize!, (int)Network.SampleSize!);
        byte[] Picture(int item) => [.. Enumerable.Range(0, shape.Height * shape.Width).Select(i => (byte)(256 * random.Uniform(0, item, i)))];
        return new Samples([.. Enumerable.Range(0, 4).Select(Picture)], shape, null, "four drawn pictures");
    }

    /// <summary>What a run gave.</summary>
    /// <param name="Losses">Of its steps.</param>
    /// <param name="Pixels">Of its samples.</param>
    internal sealed record Outcome(double[] Losses, byte[] Pixels);

    private sealed class Losses : IProgress<TrainingProgress>
    {
        internal List<double> Values { get; } = [];

        public void Report(TrainingProgress value) => Values.Add(value.Loss);
    }
}
