using System.Globalization;

namespace Graft;

/// <summary>
/// Base of every exception that Graft throws on purpose. The message is one sentence: what, where, what to do. What it quotes from files
/// cannot steer a terminal: a question mark stands for characters that break lines, turn the direction of writing or are not seen.
/// </summary>
public class GraftException : Exception
{
    /// <summary>Creates the exception with its sentence.</summary>
    public GraftException(string message)
        : base(Printable(message))
    {
    }

    /// <summary>Creates the exception with its sentence and what caused it.</summary>
    public GraftException(string message, Exception? innerException)
        : base(Printable(message), innerException)
    {
    }

    private static string Printable(string message) => message.Any(IsHidden)
        ? string.Concat(message.Select(c => IsHidden(c) ? '?' : c))
        : message;

    private static bool IsHidden(char c) => char.GetUnicodeCategory(c)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
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
