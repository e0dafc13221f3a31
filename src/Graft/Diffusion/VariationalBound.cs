using Graft.Torch;

namespace Graft.Diffusion;

/// <summary>A variational bound on the negative log-likelihood of samples, in bits per dimension, and what it is made of.</summary>
/// <param name="Total">The bound, [N].</param>
/// <param name="Prior">KL(q(x_T | x_0) ‖ N(0, 1)), [N].</param>
/// <param name="Terms">The terms of each step, [N, steps]; the first column is that of the first update, from noise.</param>
/// <param name="OriginalError">Mean squared error of the predicted clean samples at each step, [N, steps].</param>
/// <param name="NoiseError">Mean squared error of the predicted noise at each step, [N, steps].</param>
public sealed record BitsPerDimension(Tensor Total, Tensor Prior, Tensor Terms, Tensor OriginalError, Tensor NoiseError);

/// <summary>
/// L_vlb (Ho et al. 2020, eq. 5), in bits per dimension: each value is a mean over the dimensions of an item, divided by ln 2.
/// The data are 8-bit pictures in [−1, 1].
/// </summary>
public static class VariationalBound
{
    private static readonly double BitsPerNat = 1 / Math.Log(2);

    /// <summary>
    /// One term of the bound for each item: L_(t−1) = KL(q(x_s | x_t, x_0) ‖ p_θ(x_s | x_t)), and at the process's first step
    /// L_0 = −log p_θ(x_0 | x_t) (Ho et al. 2020, eq. 5 and 13).
    /// </summary>
    /// <param name="process">The steps.</param>
    /// <param name="reverse">p_θ(x_s | x_t), of <see cref="ReverseProcess.Step(Tensor, Tensor, Tensor, bool)"/>.</param>
    /// <param name="x0">Clean samples, [N, C, ...].</param>
    /// <param name="x">x_t, [N, C, ...].</param>
    /// <param name="t">Training steps, int64 [N].</param>
    public static ItemLoss Term(this ReverseProcess process, Gaussian reverse, Tensor x0, Tensor x, Tensor t)
    {
        ArgumentNullException.ThrowIfNull(process);
        ArgumentNullException.ThrowIfNull(x0);
        var first = process.Timesteps[^1];
        var kl = process.Posterior(x0, x, t).KlTo(reverse);
        var decoder = -reverse.DiscretisedLogLikelihood(x0);
        var isFirst = NoiseSchedule.Column(t, x0, i => i == first ? 1 : 0).IsGreater(0.5);
        return ItemLoss.Of(Tensor.Where(isFirst, decoder, kl) * BitsPerNat);
    }

    /// <summary>L_T = KL(q(x_T | x_0) ‖ N(0, 1)) for each item, [N], at the process's last step: no network can change it.</summary>
    /// <param name="process">The steps.</param>
    /// <param name="x0">Clean samples, [N, C, ...].</param>
    public static Tensor Prior(this ReverseProcess process, Tensor x0)
    {
        ArgumentNullException.ThrowIfNull(process);
        ArgumentNullException.ThrowIfNull(x0);
        var signal = process.Schedule.AlphasCumulative[process.Timesteps[0]];
        var end = new Gaussian(x0 * Math.Sqrt(signal), Tensor.Scalar(Math.Log(1 - signal), x0.Type).To(x0.Device));
        var normal = new Gaussian(Tensor.Zeros([], x0.Type, x0.Device), Tensor.Zeros([], x0.Type, x0.Device));
        return ItemLoss.Of(end.KlTo(normal) * BitsPerNat).PerItem;
    }

    /// <summary>
    /// The whole bound of samples under a denoiser: the sum over all steps of the process. As expensive as sampling with as many
    /// steps; memory does not grow with them.
    /// </summary>
    /// <param name="process">The steps.</param>
    /// <param name="denoiser">The model.</param>
    /// <param name="x0">8-bit pictures in [−1, 1], [N, C, ...].</param>
    /// <param name="noise">Standard normal noise of x0's shape for each update, numbered from 0, the noisiest.</param>
    /// <param name="condition">What the denoiser is conditioned on.</param>
    /// <param name="clip">Whether predicted clean samples are clipped, as samplers would.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <exception cref="InputException">The network's output does not fit the samples.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static BitsPerDimension BitsPerDimension(
        this ReverseProcess process,
        IDenoiser denoiser,
        Tensor x0,
        Func<int, Tensor> noise,
        Condition? condition = null,
        bool clip = true,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(process);
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(x0);
        ArgumentNullException.ThrowIfNull(noise);
        using var mode = Autograd.NoGrad();
        using var run = new TensorScope();
        var steps = process.Timesteps;
        var (terms, originals, noises) = (new Tensor[steps.Count], new Tensor[steps.Count], new Tensor[steps.Count]);
        for (var k = 0; k < steps.Count; k++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var scope = new TensorScope();
            var t = Tensor.Full(steps[k], [x0.Size(0)], DType.Int64, x0.Device);
            var z = noise(k).To(x0.Type).To(x0.Device);
            var level = process.Schedule.At(t, x0);
            var x = level.AddNoise(x0, z);
            var step = process.Step(denoiser.Predict(x, t, condition), x, t, clip);
            terms[k] = process.Term(step.Distribution, x0, x, t).PerItem.MoveToOuter();
            originals[k] = ItemLoss.Of((step.Original - x0).Square()).PerItem.MoveToOuter();
            noises[k] = ItemLoss.Of((level.NoiseFromOriginal(step.Original, x) - z).Square()).PerItem.MoveToOuter();
        }

        var bound = Tensor.Stack(terms, 1);
        var prior = process.Prior(x0);
        return new BitsPerDimension(
            (bound.Sum([1]) + prior).MoveToOuter(), prior.MoveToOuter(), bound.MoveToOuter(),
            Tensor.Stack(originals, 1).MoveToOuter(), Tensor.Stack(noises, 1).MoveToOuter());
    }
}
