namespace Graft;

/// <summary>Base of every exception that Graft throws on purpose. The message is one sentence: what, where, what to do.</summary>
public class GraftException : Exception
{
    /// <summary>Creates the exception with its sentence.</summary>
    public GraftException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with its sentence and what caused it.</summary>
    public GraftException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>What the user gave (a file, a folder, an option, a recipe) cannot be used. The command line answers with exit code 2.</summary>
public sealed class InputException : GraftException
{
    /// <summary>Creates the exception with its sentence.</summary>
    public InputException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with its sentence and what caused it.</summary>
    public InputException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
