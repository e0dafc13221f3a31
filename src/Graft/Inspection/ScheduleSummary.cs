using System.Text.Json;
using Graft.Diffusion;

namespace Graft.Inspection;

/// <summary>A noise schedule in short; names are those of <c>scheduler_config.json</c>.</summary>
public sealed record ScheduleSummary
{
    /// <summary>T.</summary>
    public required int NumTrainTimesteps { get; init; }

    /// <summary>How β grows, or <c>trained_betas</c> where the values are listed.</summary>
    public required string BetaSchedule { get; init; }

    /// <summary>β of the first step, as it is used.</summary>
    public required double BetaFirst { get; init; }

    /// <summary>β of the last step, as it is used.</summary>
    public required double BetaLast { get; init; }

    /// <summary>What the network's output means.</summary>
    public required string PredictionType { get; init; }

    /// <summary>The variance of DDPM updates.</summary>
    public required string VarianceType { get; init; }

    /// <summary>The signal-to-noise ratio of the last step; 0 where the schedule ends in pure noise.</summary>
    public required double TerminalSnr { get; init; }

    /// <summary>A sentence where the schedule does not end in noise.</summary>
    public string? Warning { get; init; }

    internal static ScheduleSummary Of(NoiseSchedule schedule)
    {
        var options = schedule.Options;
        return new ScheduleSummary
        {
            NumTrainTimesteps = schedule.Count,
            BetaSchedule = options.TrainedBetas is null ? Name(options.BetaSchedule) : "trained_betas",
            BetaFirst = schedule.Betas[0],
            BetaLast = schedule.Betas[^1],
            PredictionType = Name(options.PredictionType),
            VarianceType = Name(options.VarianceType),
            TerminalSnr = schedule.TerminalSnr,
            Warning = schedule.Warning,
        };
    }

    private static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());
}
