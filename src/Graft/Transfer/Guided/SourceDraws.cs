using System.Diagnostics;
using System.Runtime.CompilerServices;
using Graft.Data;
using Graft.Sampling;
using Graft.Training;
using Microsoft.Extensions.Logging;

namespace Graft.Transfer.GuidedParts;

/// <summary>
/// Items drawn from source models. A comparison adapts one source many times, and drawing can take longer than the rest: each model's last draw
/// is kept as long as the model is.
/// </summary>
internal static class SourceDraws
{
    private const int RecordingsAtATime = 32; // as graft sample draws them
    private static readonly TimeSpan TellEvery = TimeSpan.FromSeconds(10);
    private static readonly ConditionalWeakTable<DiffusionModel, Drawn> Last = [];

    /// <param name="source">The model.</param>
    /// <param name="count">How many.</param>
    /// <param name="sampler">How.</param>
    /// <param name="seed">Of the noise.</param>
    /// <param name="run">Told how far it is, and stops it.</param>
    internal static ISampleSource Of(DiffusionModel source, int count, Sampler sampler, long seed, TrainingRun run)
    {
        var settings = (source.Fingerprint(), count, sampler, seed);
        lock (Last)
        {
            if (Last.TryGetValue(source, out var last) && last.Settings == settings)
                return last.Items;
            var (progress, stop) = (new Teller(run.Logger, count), run.CancellationToken);
            ISampleSource items = source.MakesPictures ? source.Sample(count, sampler, seed, progress: progress, cancellationToken: stop)
                : source.ItemShape.Rank == 1 ? source.SampleValues(count, sampler, seed, progress: progress, cancellationToken: stop)
                : source.SampleValues(count, sampler, seed, batchSize: RecordingsAtATime, progress: progress, cancellationToken: stop);
            Last.AddOrUpdate(source, new Drawn(settings, items));
            return items;
        }
    }

    private sealed record Drawn((string Fingerprint, int Count, Sampler Sampler, long Seed) Settings, ISampleSource Items);

    /// <summary>A line now and then, with the rate and what is left.</summary>
    private sealed class Teller(ILogger logger, int count) : IProgress<(long Done, long Of)>
    {
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private TimeSpan _next = TellEvery;

        public void Report((long Done, long Of) value)
        {
            if (_clock.Elapsed < _next)
                return;
            _next = _clock.Elapsed + TellEvery;
            var rate = value.Done / _clock.Elapsed.TotalSeconds;
            logger.LogInformation(
                "drawing {Count} items from the source: {Share:P0}, {Rate:0} evaluations a second, {Left:0} s left",
                count, value.Done / (double)value.Of, rate, (value.Of - value.Done) / rate);
        }
    }
}
