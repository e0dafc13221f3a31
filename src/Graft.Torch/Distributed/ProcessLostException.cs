namespace Graft.Torch;

/// <summary>Another process of the group ended, cannot be reached, or did not answer in time. The command line answers with exit code 3.</summary>
public sealed class ProcessLostException : GraftException
{
    /// <summary>Creates the exception with its sentence.</summary>
    public ProcessLostException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with its sentence and what caused it.</summary>
    public ProcessLostException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
