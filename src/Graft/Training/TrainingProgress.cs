using Graft.Evaluation;

namespace Graft.Training;

/// <summary>Where a run stands; reported after every step.</summary>
/// <param name="Stage">Name of the stage.</param>
/// <param name="Step">Steps done.</param>
/// <param name="Steps">Steps in all.</param>
/// <param name="Loss">Loss of the last step.</param>
/// <param name="GradientNorm">Global norm of its gradients before clipping.</param>
/// <param name="ItemsPerSecond">Rate since this run (or its resumption) began.</param>
/// <param name="Remaining">Time to the last step at this rate.</param>
public sealed record TrainingProgress(
    string Stage, long Step, long Steps, double Loss, double GradientNorm, double ItemsPerSecond, TimeSpan Remaining)
{
    /// <summary>The last reading of the memorisation meter; null before the first.</summary>
    public Memorisation? Memorisation { get; init; }
}

/// <summary>A run was stopped on request after its state was saved; the message says how to go on.</summary>
public sealed class TrainingStoppedException : OperationCanceledException
{
    /// <summary>Creates the exception.</summary>
    public TrainingStoppedException(string message, CancellationToken token)
        : base(message, token)
    {
    }
}
