using System.Diagnostics;
using Graft.Data;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Planning;

/// <summary>What a few real steps took.</summary>
/// <param name="SecondsPerStep">Median of the steps behind the first, which also compiles and allocates.</param>
/// <param name="Steps">How many these are.</param>
/// <param name="Threads">Threads that computed.</param>
public sealed record ProbeResult(double SecondsPerStep, int Steps, int Threads);

/// <summary>A few steps of a planned training on this very machine. They leave nothing behind.</summary>
public static class Probe
{
    /// <summary>Steps that are timed, if they are fast enough.</summary>
    public const int Steps = 3;

    /// <summary>After which no other step is begun.</summary>
    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(60);

    /// <summary>Operations of a step, in GFLOP, beyond which a processor would take too long for a probe.</summary>
    public const double LargestStep = 5000;

    /// <summary>Steps.</summary>
    /// <param name="source">The source; it is not changed.</param>
    /// <param name="target">The pictures.</param>
    /// <param name="method">What is planned.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">Source, pictures and method do not fit together.</exception>
    public static ProbeResult Run(DiffusionModel source, IImageSource target, TransferMethod method, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(method);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var clock = Stopwatch.StartNew();
        var times = new List<double>();
        var run = new TrainingRun
        {
            CancellationToken = patience.Token,
            Progress = new Follower(() =>
            {
                times.Add(clock.Elapsed.TotalSeconds);
                if (times.Count > 1 && clock.Elapsed > Patience)
                    patience.Cancel();
            }),
        };
        method = method with { Training = method.Training with { Steps = Steps + 1, SampleEvery = 0, MeterEvery = 0, StopWhenMemorised = null } };
        try
        {
            method.Adapt(source, target, run).Dispose();
        }
        catch (TrainingStoppedException) when (!cancellationToken.IsCancellationRequested)
        {
            // Slow: what was timed will do.
        }

        var steps = times.Zip(times.Skip(1), (a, b) => b - a).Order().ToList();
        return new ProbeResult(steps[steps.Count / 2], steps.Count, TorchRuntime.Threads);
    }

    private sealed class Follower(Action step) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => step();
    }
}
