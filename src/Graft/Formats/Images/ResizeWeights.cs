namespace Graft.Formats.Images;

/// <summary>For each output position along one axis, which inputs count and how much.</summary>
/// <remarks>
/// The arithmetic (order and precision included) is that of Pillow's resampling, so that results are equal to the byte:
/// weights in double, normalised to a sum of 1; for 8 bits rounded to integers of 22 fractional bits.
/// </remarks>
internal sealed class ResizeWeights
{
    /// <summary>8 bits of sample and 2 for sums below 0 and above 1 leave 22 of 32.</summary>
    public const int FractionBits = 32 - 8 - 2;

    private ResizeWeights(int taps, int[] first, int[] count, double[] weights)
    {
        Taps = taps;
        First = first;
        Count = count;
        Weights = weights;
    }

    /// <summary>Weights stored for each output; the first <see cref="Count"/> of them are used.</summary>
    public int Taps { get; }

    /// <summary>The first input of each output.</summary>
    public int[] First { get; }

    /// <summary>How many inputs each output uses.</summary>
    public int[] Count { get; }

    /// <summary>[outputs, <see cref="Taps"/>].</summary>
    public double[] Weights { get; }

    public static ResizeWeights Create(int inputs, int outputs, ResizeFilter filter)
    {
        var scale = (double)inputs / outputs;
        var filterScale = Math.Max(scale, 1.0);
        var support = Support(filter) * filterScale;
        var taps = ((int)Math.Ceiling(support) * 2) + 1;
        var first = new int[outputs];
        var count = new int[outputs];
        var weights = new double[checked(outputs * taps)];
        var step = 1.0 / filterScale;

        for (var i = 0; i < outputs; i++)
        {
            var centre = (i + 0.5) * scale;
            var from = Math.Max(0, (int)(centre - support + 0.5));
            var to = Math.Min(inputs, (int)(centre + support + 0.5));
            var row = weights.AsSpan(i * taps, to - from);
            var sum = 0.0;
            for (var k = 0; k < row.Length; k++)
            {
                row[k] = Value(filter, (k + from - centre + 0.5) * step);
                sum += row[k];
            }

            if (sum != 0.0)
            {
                foreach (ref var weight in row)
                    weight /= sum;
            }

            first[i] = from;
            count[i] = row.Length;
        }

        return new ResizeWeights(taps, first, count, weights);
    }

    public int[] ToFixedPoint() =>
        Array.ConvertAll(Weights, static w => (int)((w * (1 << FractionBits)) + (w < 0 ? -0.5 : 0.5)));

    private static double Support(ResizeFilter filter) => filter switch
    {
        ResizeFilter.Bicubic => 2.0,
        ResizeFilter.Bilinear => 1.0,
        ResizeFilter.Box => 0.5,
        ResizeFilter.Lanczos => 3.0,
        _ => throw new ArgumentOutOfRangeException(nameof(filter), filter, "unknown filter"),
    };

    private static double Value(ResizeFilter filter, double x) => filter switch
    {
        ResizeFilter.Bicubic => Cubic(Math.Abs(x)),
        ResizeFilter.Bilinear => Math.Max(0.0, 1.0 - Math.Abs(x)),
        ResizeFilter.Box => x is > -0.5 and <= 0.5 ? 1.0 : 0.0,
        _ => x is >= -3.0 and < 3.0 ? Sinc(x) * Sinc(x / 3) : 0.0,
    };

    private static double Cubic(double x)
    {
        const double A = -0.5;
        if (x < 1.0)
            return ((((A + 2.0) * x) - (A + 3.0)) * x * x) + 1;
        return x < 2.0 ? (((((x - 5) * x) + 8) * x) - 4) * A : 0.0;
    }

    private static double Sinc(double x) => x == 0.0 ? 1.0 : Math.Sin(x * Math.PI) / (x * Math.PI);
}
