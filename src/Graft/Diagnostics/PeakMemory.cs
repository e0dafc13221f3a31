using System.Globalization;

namespace Graft.Diagnostics;

/// <summary>The most memory that the process held at once since a moment, as Linux counts it (<c>VmHWM</c>): everything, libraries too.</summary>
public static class PeakMemory
{
    private const string Counters = "/proc/self/clear_refs";
    private const string Status = "/proc/self/status";
    private const string Line = "VmHWM:";

    /// <summary>Begins to count anew.</summary>
    /// <returns>Whether the system can.</returns>
    public static bool Reset()
    {
        try
        {
            File.WriteAllText(Counters, "5");
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Bytes since <see cref="Reset"/>; null where the system does not say.</summary>
    public static long? Bytes()
    {
        try
        {
            var line = File.ReadLines(Status).FirstOrDefault(l => l.StartsWith(Line, StringComparison.Ordinal));
            return line is null ? null : long.Parse(line[Line.Length..].Replace("kB", "", StringComparison.Ordinal), NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture) * 1024;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            return null;
        }
    }
}
