using Graft.Torch;

namespace Graft.Diffusion;

/// <summary>Training losses of diffusion models.</summary>
public static class Losses
{
    /// <summary>
    /// L_simple (Ho et al. 2020, eq. 14): the squared distance between what the network gives and ε; or, by the schedule's
    /// prediction type, x_0 or v (Salimans and Ho 2022, section 4). Half-precision outputs are compared in single precision.
    /// </summary>
    /// <param name="output">The network's output at x_t, [N, C, ...]; of [N, 2C, ...] the first C channels take part.</param>
    /// <param name="x0">Clean samples, [N, C, ...].</param>
    /// <param name="noise">The noise that was added, [N, C, ...].</param>
    /// <param name="t">Steps, int64 [N].</param>
    /// <param name="schedule">The schedule of the noise.</param>
    public static ItemLoss Simple(Tensor output, Tensor x0, Tensor noise, Tensor t, NoiseSchedule schedule)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        var prediction = Wide(NetworkOutput.Split(output, x0.Size(1)).Prediction);
        var target = schedule.At(t, x0).Target(schedule.Options.PredictionType, x0, noise);
        return ItemLoss.Of((prediction - Wide(target)).Square());
    }

    private static Tensor Wide(Tensor x) => x.Type is DType.Float16 or DType.BFloat16 ? x.To(DType.Float32) : x;
}

/// <summary>A loss for each item of a batch, and over all.</summary>
/// <param name="PerItem">[N].</param>
/// <param name="Mean">A scalar: the mean over items.</param>
public readonly record struct ItemLoss(Tensor PerItem, Tensor Mean)
{
    /// <summary>Means over all dimensions but the first of what was computed element by element, [N, ...].</summary>
    public static ItemLoss Of(Tensor elements)
    {
        ArgumentNullException.ThrowIfNull(elements);
        var perItem = elements.Flatten(1).Mean([1]);
        return new ItemLoss(perItem, perItem.Mean());
    }
}
