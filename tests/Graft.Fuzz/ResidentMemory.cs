using System.Globalization;

namespace Graft.Fuzz;

/// <summary>The process's resident memory as Linux counts it; zero elsewhere.</summary>
internal static class ResidentMemory
{
    /// <summary>Forgets the peak; what is resident now, in bytes.</summary>
    public static long Restart()
    {
        if (!OperatingSystem.IsLinux())
            return 0;
        File.WriteAllText("/proc/self/clear_refs", "5");
        return Peak();
    }

    /// <summary>The peak since the last <see cref="Restart"/>, in bytes.</summary>
    public static long Peak()
    {
        if (!OperatingSystem.IsLinux())
            return 0;
        foreach (var line in File.ReadLines("/proc/self/status"))
        {
            if (line.StartsWith("VmHWM:", StringComparison.Ordinal))
                return 1024 * long.Parse(line.AsSpan(6).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture);
        }

        return 0;
    }
}
