using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Sampling;

/// <summary>What is done to each predicted clean sample before it is used: nothing, clipping, or dynamic thresholding.</summary>
public abstract record Clipping
{
    /// <summary>Nothing.</summary>
    public static Clipping None { get; } = new Nothing();

    /// <summary>Clips to ±<paramref name="range"/>.</summary>
    /// <param name="range">Above 0.</param>
    /// <exception cref="InputException">The range is not above 0.</exception>
    public static Clipping To(double range = 1) =>
        range > 0 ? new Bounds(range) : throw new InputException($"The range of clipping is {range}: it must be above 0.");

    /// <summary>
    /// Dynamic thresholding (Saharia et al. 2022, section 2.3): clips each item to ±s and divides it by s, where s is a quantile of |x_0|,
    /// at least <paramref name="smallest"/> and at most <paramref name="largest"/>. The paper has no largest s; diffusers'
    /// <c>sample_max_value</c> is one.
    /// </summary>
    /// <param name="ratio">The quantile, above 0 and at most 1.</param>
    /// <param name="smallest">Above 0.</param>
    /// <param name="largest">At least <paramref name="smallest"/>.</param>
    /// <exception cref="InputException">A number is out of range.</exception>
    public static Clipping Dynamic(double ratio = 0.995, double smallest = 1, double largest = double.PositiveInfinity)
    {
        if (ratio is not (> 0 and <= 1))
            throw new InputException($"The quantile of dynamic thresholding is {ratio}: it must be above 0 and at most 1.");
        return smallest > 0 && largest >= smallest
            ? new Threshold(ratio, smallest, largest)
            : throw new InputException($"The bounds of dynamic thresholding are {smallest} and {largest}: they must be above 0 and rise.");
    }

    /// <summary>What a schedule's configuration asks for.</summary>
    public static Clipping Of(ScheduleOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Thresholding)
            return Dynamic(options.DynamicThresholdingRatio, 1, options.SampleMaxValue);
        return options.ClipSample ? To(options.ClipSampleRange) : None;
    }

    /// <summary>Applies it.</summary>
    /// <param name="x0">Predicted clean samples, [N, C, ...].</param>
    public abstract Tensor Apply(Tensor x0);

    private sealed record Nothing : Clipping
    {
        public override Tensor Apply(Tensor x0) => x0;
    }

    private sealed record Bounds(double Range) : Clipping
    {
        public override Tensor Apply(Tensor x0) => x0.Clamp(-Range, Range);
    }

    private sealed record Threshold(double Ratio, double Smallest, double Largest) : Clipping
    {
        private static readonly Operator SortOp = new("aten::sort");

        public override Tensor Apply(Tensor x0)
        {
            var shape = new long[x0.Dims];
            Array.Fill(shape, 1);
            shape[0] = x0.Size(0);
            var bound = Quantile(x0.Abs().Flatten(1)).Clamp(Smallest, Largest).Reshape(shape);
            return Tensor.Maximum(Tensor.Minimum(x0, bound), -bound) / bound;
        }

        /// <summary>Quantiles of rows, [N, 1], linear between neighbours. By sorting: aten::quantile refuses more than 16 million elements.</summary>
        private Tensor Quantile(Tensor rows)
        {
            var sorted = SortOp.CallMany(rows, 1L, false)[0];
            var place = Ratio * (rows.Size(1) - 1);
            var below = (long)Math.Floor(place);
            var above = Math.Min(below + 1, rows.Size(1) - 1);
            var low = sorted.Slice(1, below, below + 1);
            return low + ((sorted.Slice(1, above, above + 1) - low) * (place - below));
        }
    }
}
