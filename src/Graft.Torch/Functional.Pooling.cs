namespace Graft.Torch;

/// <content>What feature networks need beside convolutions: pooling, batch normalisation with stored statistics, bilinear resizing.</content>
public static partial class Functional
{
    private static readonly Operator MaxPoolOp = new("aten::max_pool2d");
    private static readonly Operator BatchNormOp = new("aten::batch_norm");
    private static readonly Operator BilinearOp = new("aten::upsample_bilinear2d");

    /// <summary>Largest value of each window of <paramref name="size"/>².</summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="size">Edge of the window.</param>
    /// <param name="stride">Step between windows.</param>
    /// <param name="padding">Rows and columns put around; they never win.</param>
    /// <param name="ceiling">Whether a last window that leaves the picture counts.</param>
    public static Tensor MaxPool(Tensor x, long size, long stride, long padding = 0, bool ceiling = false) =>
        MaxPoolOp.Call(x, size, stride, padding, 1, ceiling);

    /// <summary>Mean of each window of <paramref name="size"/>² (<c>avg_pool2d</c>).</summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="size">Edge of the window.</param>
    /// <param name="stride">Step between windows.</param>
    /// <param name="padding">Rows and columns put around.</param>
    /// <param name="countPadding">Whether they count in the mean.</param>
    public static Tensor AveragePool(Tensor x, long size, long stride, long padding, bool countPadding) =>
        AvgPoolOp.Call(x, size, stride, padding, false, countPadding);

    /// <summary>Batch normalisation (Ioffe &amp; Szegedy 2015) with stored mean and variance: inference only.</summary>
    /// <param name="x">[N, C, ...].</param>
    /// <param name="weight">[C].</param>
    /// <param name="bias">[C].</param>
    /// <param name="mean">[C].</param>
    /// <param name="variance">[C].</param>
    /// <param name="epsilon">Added to the variance.</param>
    public static Tensor BatchNorm(Tensor x, Tensor weight, Tensor bias, Tensor mean, Tensor variance, double epsilon) =>
        BatchNormOp.Call(x, weight, bias, mean, variance, false, 0.0, epsilon, false);

    /// <summary>Batch normalisation by the batch's own mean and variance, as in training; the running ones are moved in place.</summary>
    /// <param name="x">[N, C, ...].</param>
    /// <param name="weight">[C].</param>
    /// <param name="bias">[C].</param>
    /// <param name="mean">Running mean, [C]: becomes (1 - momentum) · mean + momentum · the batch's.</param>
    /// <param name="variance">Running variance, [C]: the same, of the batch's with divisor n - 1.</param>
    /// <param name="momentum">The share.</param>
    /// <param name="epsilon">Added to the variance.</param>
    public static Tensor BatchNormOfBatch(Tensor x, Tensor weight, Tensor bias, Tensor mean, Tensor variance, double momentum, double epsilon) =>
        BatchNormOp.Call(x, weight, bias, mean, variance, true, momentum, epsilon, false);

    /// <summary>Bilinear resize of x [N, C, H, W] without antialiasing, corners not aligned: <c>F.interpolate(mode="bilinear")</c>.</summary>
    public static Tensor UpsampleBilinear(Tensor x, long height, long width) =>
        BilinearOp.Call(x, new[] { height, width }, false, Argument.None, Argument.None);
}
