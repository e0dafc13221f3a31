using Graft.Formats.Images;

namespace Graft.Charts;

/// <summary>How the values of a series are drawn.</summary>
public enum SeriesKind
{
    /// <summary>A line from point to point.</summary>
    Line,

    /// <summary>A staircase: each value holds until the next x, as in a cumulative distribution.</summary>
    Steps,

    /// <summary>A dot a point.</summary>
    Points,

    /// <summary>A bar from 0 to each value, which reaches to the next x; the last point ends the last bar. A histogram.</summary>
    Bars,
}

/// <summary>Values of a chart.</summary>
public sealed record Series
{
    /// <summary>What the legend says; empty: it is not listed. ASCII.</summary>
    public string Label { get; init; } = "";

    /// <summary>The values, in order of x where they are joined; what is not finite is left out.</summary>
    public required IReadOnlyList<(double X, double Y)> Points { get; init; }

    /// <summary>How they are drawn.</summary>
    public SeriesKind Kind { get; init; }

    /// <summary>The colour; null takes the next of <see cref="Chart.Palette"/>.</summary>
    public Rgb? Colour { get; init; }

    /// <summary>Whether the line is dashed.</summary>
    public bool Dashed { get; init; }

    /// <summary>Width of the line in pixels; dots are three times as wide.</summary>
    public double Width { get; init; } = 2;
}
