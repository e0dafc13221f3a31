using Graft.Torch;

namespace Graft.Sampling;

/// <summary>Dynamic thresholding (Saharia et al. 2022, section 2.3): clip to a quantile of each sample and scale it back into [-1, 1].</summary>
internal static class DynamicThreshold
{
    private static readonly Operator SortOp = new("aten::sort");

    /// <summary>x_0 clipped to ±s and divided by s, where s is the quantile of |x_0| of each item, from 1 to <paramref name="largest"/>.</summary>
    public static Tensor Apply(Tensor x0, double ratio, double largest)
    {
        var shape = new long[x0.Dims];
        Array.Fill(shape, 1);
        shape[0] = x0.Size(0);
        var bound = Quantile(x0.Abs().Flatten(1), ratio).Clamp(1, largest).Reshape(shape);
        return Tensor.Maximum(Tensor.Minimum(x0, bound), -bound) / bound;
    }

    /// <summary>Quantiles of rows, [N, 1], linear between neighbours. By sorting: aten::quantile refuses more than 16 million elements.</summary>
    private static Tensor Quantile(Tensor rows, double ratio)
    {
        var sorted = SortOp.CallMany(rows, 1L, false)[0];
        var place = ratio * (rows.Size(1) - 1);
        var below = (long)Math.Floor(place);
        var above = Math.Min(below + 1, rows.Size(1) - 1);
        var low = sorted.Slice(1, below, below + 1);
        return low + ((sorted.Slice(1, above, above + 1) - low) * (place - below));
    }
}
