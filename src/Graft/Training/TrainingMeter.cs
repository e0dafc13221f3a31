using Graft.Data;
using Graft.Evaluation;
using Graft.Sampling;
using Microsoft.Extensions.Logging;

namespace Graft.Training;

/// <summary>
/// The memorisation meter of a run: its readings become terms of the log, a note, a warning, and the end of the run where that is
/// asked for. Readings draw from a seed of their own and change nothing that is trained.
/// </summary>
internal sealed class TrainingMeter(TrainingStage stage, TrainingOptions options, ILogger logger)
{
    /// <summary>The share at which a run is said to copy.</summary>
    internal const double WarningShare = 0.25;

    /// <summary>More training pictures than these are not compared with.</summary>
    internal const int MostTraining = 2000;

    private bool _introduced;
    private bool _warned;

    /// <summary>The last reading.</summary>
    internal Memorisation? Last { get; private set; }

    /// <summary>What a stage hands to the loop; null if there are to be no readings.</summary>
    internal static Func<Memorisation>? Of(DiffusionModel model, ISampleSource images, TrainingOptions options, Sampler sampler)
    {
        if (options.MeterPeriod == 0)
            return null;
        var meter = new Lazy<MemorisationMeter>(() => new MemorisationMeter(
            images, new MemorisationOptions { Distance = SampleDistances.Of(images), Mirrored = options.Flip, MostTraining = MostTraining, Seed = options.Seed }));
        return () => meter.Value.Measure(model.MakesPictures
            ? model.Sample(options.MeterCount, sampler, options.Seed)
            : model.SampleValues(options.MeterCount, sampler, options.Seed));
    }

    /// <summary>Whether there is a reading after so many steps.</summary>
    internal bool IsDue(long done) => stage.Meter is not null && options.MeterPeriod > 0 && done > 0 && done % options.MeterPeriod == 0;

    /// <summary>Whether the last reading ends the run.</summary>
    internal bool IsCrossed => options.StopWhenMemorised is { } bar && Last?.Memorised is { } share && share.Value >= bar;

    /// <summary>Reads the meter, with the weights that the network holds.</summary>
    /// <returns>The log's terms.</returns>
    internal IEnumerable<(string Name, double Value)> Read(long done)
    {
        var reading = stage.Meter!();
        Last = reading;
        if (!_introduced)
        {
            _introduced = true;
            logger.LogInformation("Memorisation meter: {Description}", reading.Description);
            if (reading.NoShare is { } reason)
                logger.LogInformation("{Reason}", reason);
        }

        if (reading.Memorised is { } share && share.Value >= WarningShare && !_warned)
        {
            _warned = true;
            logger.LogWarning("The run has begun to copy: at step {Step} {Share} of the samples are copies of training pictures.", done, share);
        }

        return Terms(reading);
    }

    private static IEnumerable<(string Name, double Value)> Terms(Memorisation reading)
    {
        yield return ("median_distance", reading.MedianDistance);
        if (reading.Memorised is not { } share)
            yield break;
        yield return ("median_distance_ratio", reading.MedianRatio!.Value);
        yield return ("memorised_share", share.Value);
        yield return ("memorised_low", share.Interval.Low);
        yield return ("memorised_high", share.Interval.High);
        yield return ("memorised_of", share.Of);
    }
}
