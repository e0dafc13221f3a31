using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Graft.Diffusion;
using Graft.Sampling;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Benchmarks;

/// <summary>
/// Graft's process: reads commands from stdin, one a line, and answers each with one line of JSON. benchmarks/pytorch/step.py knows
/// the same. Training steps are those of the library's own loop (<see cref="Trainer"/>), which waits for commands between its steps.
/// </summary>
internal sealed class Worker : IProgress<TrainingProgress>, IDisposable
{
    internal const int Items = 256;
    internal const int SamplingSteps = 50;
    internal const double LearningRate = 1e-4;
    private readonly DiffusionModel _source;
    private readonly int _batch;
    private readonly Device _device;
    private readonly CancellationTokenSource _stop = new();
    private readonly TextReader _commands;
    private readonly TextWriter _answers;
    private readonly long _loaded;
    private DiffusionModel? _trained;
    private Timing? _timing;
    private int _left;
    private long _drawn;

    internal Worker(string folder, int batch, Device device, TextReader commands, TextWriter answers)
    {
        (_batch, _device, _commands, _answers) = (batch, device, commands, answers);
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            var ones = Tensor.Ones([64, 64]);
            _ = ones.MatMul(ones);
        });
        _loaded = HighWaterMark();
        _source = DiffusionModel.Load(folder, device);
        Answer(new { version = TorchRuntime.Version, threads = TorchRuntime.Threads });
    }

    /// <summary>Serves until <c>quit</c> or the end of the commands.</summary>
    internal void Serve()
    {
        // Until the first "train" there is no optimiser, so that sampling alone can be weighed.
        TorchRuntime.Run(ReadCommands);
        if (_stop.IsCancellationRequested)
            return;
        var method = new Finetune
        {
            Training = new TrainingOptions { Steps = long.MaxValue, BatchSize = _batch, LearningRate = LearningRate, Seed = 1 },
        };
        var (model, stages) = method.Prepare(_source, RandomItems.For(_source, Items));
        _trained = model;
        _source.Dispose();
        try
        {
            new Trainer(stages[0], method.Training, new TrainingRun { Progress = this, CancellationToken = _stop.Token }).Train();
        }
        catch (TrainingStoppedException)
        {
            // "quit" stops the loop, which says so.
        }
    }

    /// <summary>A step was made.</summary>
    public void Report(TrainingProgress value)
    {
        if (--_left > 0)
            return;
        Answer(_timing!.Value.Of(value.Loss));
        ReadCommands();
    }

    public void Dispose()
    {
        _trained?.Dispose();
        _source.Dispose();
        _stop.Dispose();
    }

    internal static long HighWaterMark()
    {
        var line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmHWM", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }

    private void ReadCommands()
    {
        while (true)
        {
            var words = (_commands.ReadLine() ?? "quit").Split(' ');
            switch (words[0])
            {
                case "train":
                    _left = int.Parse(words[1], CultureInfo.InvariantCulture);
                    _timing = Timing.Start();
                    return;
                case "sample":
                    var timing = Timing.Start();
                    var mean = Sample(int.Parse(words[1], CultureInfo.InvariantCulture));
                    Answer(timing.Of(mean));
                    break;
                case "sgemm":
                    Answer(new { gflops = MatrixProduct() });
                    break;
                case "memory":
                    Answer(new { bytes = HighWaterMark() - _loaded, loaded = _loaded });
                    break;
                case "parity":
                    Answer(Parity.Compute(_source, _batch, words[1]));
                    break;
                case "quit":
                    _stop.Cancel();
                    return;
                default:
                    throw new InputException($"The command '{words[0]}' is unknown.");
            }
        }
    }

    private double Sample(int steps)
    {
        using var scope = new TensorScope();
        var model = _trained ?? _source;
        long[] items = [.. Enumerable.Range(0, _batch).Select(i => _drawn + i)];
        _drawn += _batch;
        var (start, noise) = Noise.Keyed(1, items, model.ItemShape.Sizes, _device);
        var condition = RandomItems.Labels(model.Network.Options, _batch) is { } labels ? new Condition { ClassLabels = labels.To(_device) } : null;
        model.Network.Train(false);
        return Ddim(model, start, noise, condition, steps).To(Device.Cpu).Mean().Item();
    }

    internal static Tensor Ddim(DiffusionModel model, Tensor start, StepNoise noise, Condition? condition, int steps, int first = 0)
    {
        var sampler = new DdimSampler { Timesteps = model.Schedule.Timesteps(SamplingSteps)[first..(first + steps)] };
        return sampler.Sample(model.Denoiser, model.Schedule, start, noise, condition);
    }

    /// <summary>The best of ten products of 1024 x 1024 matrices in 10⁹ operations a second, as <c>graft doctor</c> measures it.</summary>
    private double MatrixProduct()
    {
        const int Edge = 1024;
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        long[] rows = [.. Enumerable.Range(0, Edge).Select(i => (long)i)];
        var random = new KeyedRandom(0, "benchmark/matrix");
        var (a, b) = (random.Uniform(0, rows, [Edge]).To(_device), random.Uniform(1, rows, [Edge]).To(_device));
        var best = double.MaxValue;
        for (var i = 0; i < 10; i++)
        {
            using var product = new TensorScope();
            var watch = Stopwatch.StartNew();
            var c = a.MatMul(b);
            if (_device.Type != DeviceType.Cpu)
                _ = c.Select(0, 0).Select(0, 0).Item();
            best = Math.Min(best, watch.Elapsed.TotalSeconds);
        }

        return 2.0 * Edge * Edge * Edge / best / 1e9;
    }

    private void Answer(object answer)
    {
        _answers.WriteLine(JsonSerializer.Serialize(answer));
        _answers.Flush();
    }

    private readonly record struct Timing(long Wall, TimeSpan Cpu)
    {
        internal static Timing Start() => new(Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);

        internal object Of(double value) => new
        {
            seconds = Stopwatch.GetElapsedTime(Wall).TotalSeconds,
            cpu = (Environment.CpuUsage.TotalTime - Cpu).TotalSeconds,
            value,
        };
    }
}
