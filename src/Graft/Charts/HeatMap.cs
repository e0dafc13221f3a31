using Graft.Formats.Images;

namespace Graft.Charts;

/// <summary>A function of the plane as colours, with a bar that says what they mean.</summary>
public sealed record HeatMap
{
    private const int Gap = 8;
    private const int Bar = 14; // width of the colour bar
    private const int Scale = 2; // of the font

    // Single-hue and diverging ramps after ColorBrewer's Blues and RdBu (Harrower and Brewer 2003), which colour-blind people can tell apart.
    private static readonly Rgb[] Rising = [new(255, 255, 255), new(222, 235, 247), new(158, 202, 225), new(66, 146, 198), new(8, 81, 156), new(8, 48, 107)];
    private static readonly Rgb[] Diverging = [new(5, 48, 97), new(67, 147, 195), new(209, 229, 240), new(247, 247, 247), new(253, 219, 199), new(214, 96, 77), new(103, 0, 31)];

    /// <summary>The function, of x and y.</summary>
    public required Func<double, double, double> Value { get; init; }

    /// <summary>Values of the first and the last colour; what lies beyond takes these. Values that are not finite stay white.</summary>
    public required (double From, double To) Range { get; init; }

    /// <summary>Whether the colours part at the middle of the range (blue below, red above) in place of rising from white.</summary>
    public bool IsDiverging { get; init; }

    /// <summary>Pixels that the bar and its labels take at the right.</summary>
    internal int BarWidth => (2 * Gap) + Bar + Ticks().Labels.Select(l => Canvas.WidthOf(l, Scale)).DefaultIfEmpty(0).Max();

    /// <summary>The colour of a value.</summary>
    public Rgb ColourOf(double value)
    {
        if (!double.IsFinite(value))
            return Rgb.White;
        var ramp = IsDiverging ? Diverging : Rising;
        var place = Math.Clamp((value - Range.From) / (Range.To - Range.From), 0, 1) * (ramp.Length - 1);
        var below = Math.Min((int)place, ramp.Length - 2);
        var part = place - below;
        return new Rgb(Mix(ramp[below].R, ramp[below + 1].R), Mix(ramp[below].G, ramp[below + 1].G), Mix(ramp[below].B, ramp[below + 1].B));

        byte Mix(byte a, byte b) => (byte)Math.Round(a + (part * (b - a)));
    }

    /// <summary>Draws the map into a plot, and the bar beside it.</summary>
    internal void Draw(Canvas canvas, (int X, int Y, int Width, int Height) plot, (double From, double To) x, (double From, double To) y)
    {
        for (var row = 0; row < plot.Height; row++)
        {
            var at = y.To - ((row + 0.5) / plot.Height * (y.To - y.From));
            for (var column = 0; column < plot.Width; column++)
            {
                var colour = ColourOf(Value(x.From + ((column + 0.5) / plot.Width * (x.To - x.From)), at));
                canvas.Fill(plot.X + column, plot.Y + row, plot.X + column + 1, plot.Y + row + 1, colour);
            }
        }

        var left = plot.X + plot.Width + Gap;
        for (var row = 0; row < plot.Height; row++)
            canvas.Fill(left, plot.Y + row, left + Bar, plot.Y + row + 1, ColourOf(Range.To - ((row + 0.5) / plot.Height * (Range.To - Range.From))));
        var (ticks, labels) = Ticks();
        for (var i = 0; i < ticks.Length; i++)
        {
            var middle = plot.Y + ((Range.To - ticks[i]) / (Range.To - Range.From) * plot.Height);
            canvas.Text(labels[i], left + Bar + Gap, (int)Math.Round(middle - (Canvas.HeightOf(Scale) / 2.0)), new Rgb(40, 40, 40), Scale);
        }
    }

    private (double[] Ticks, string[] Labels) Ticks()
    {
        var ticks = Axis.Ticks(Range.From, Range.To, 6);
        return (ticks, Axis.Labels(ticks));
    }
}
