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

    /// <summary>
    /// L_hybrid = L_simple + λ·L_vlb for a network that learns the variance (Nichol and Dhariwal 2021, section 3.1, eq. 16). L_vlb
    /// trains the variance only: its gradient does not reach the mean. Estimated from one step an item, L_vlb is T times the step's
    /// term, so λ = 0.001 is openai's <c>RESCALED_MSE</c>. The bound is in bits per dimension, as there.
    /// </summary>
    /// <param name="output">The network's output at x_t, [N, 2C, ...].</param>
    /// <param name="x0">Clean samples: 8-bit pictures in [−1, 1], [N, C, ...].</param>
    /// <param name="noise">The noise that was added, [N, C, ...].</param>
    /// <param name="x">x_t, [N, C, ...].</param>
    /// <param name="t">Steps, int64 [N].</param>
    /// <param name="process">All steps of the schedule, or those that are trained.</param>
    /// <param name="vlbWeight">λ, the weight of the whole bound.</param>
    /// <exception cref="InputException">The network does not learn the variance.</exception>
    public static HybridLoss Hybrid(
        Tensor output, Tensor x0, Tensor noise, Tensor x, Tensor t, ReverseProcess process, double vlbWeight = 0.001)
    {
        ArgumentNullException.ThrowIfNull(process);
        var simple = Simple(output, x0, noise, t, process.Schedule);
        var (mean, variance) = NetworkOutput.Split(Wide(output), x0.Size(1));
        if (variance is null)
            throw NetworkOutput.LacksVariance();
        var frozen = new NetworkOutput(mean.Detach(), variance);
        var vlb = process.Term(process.Step(frozen, Wide(x), t, clip: false).Distribution, Wide(x0), Wide(x), t);
        return new HybridLoss(simple, vlb, vlbWeight * process.Timesteps.Count);
    }

    private static Tensor Wide(Tensor x) => x.Type is DType.Float16 or DType.BFloat16 ? x.To(DType.Float32) : x;
}

/// <summary>L_hybrid and its terms.</summary>
/// <param name="Simple">L_simple.</param>
/// <param name="Vlb">The terms of L_vlb, in bits per dimension, of one step an item: their sum over all steps is the bound.</param>
/// <param name="Weight">λ·T, of <paramref name="Vlb"/> in the total.</param>
public readonly record struct HybridLoss(ItemLoss Simple, ItemLoss Vlb, double Weight)
{
    /// <summary>A scalar: the mean over items.</summary>
    public Tensor Mean => Simple.Mean + (Weight * Vlb.Mean);
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
