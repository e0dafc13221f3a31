using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Sampling;

/// <summary>
/// Masked sampling (ANL): c' = c ⊙ m with m ~ Bernoulli(1 − rate) for each element, drawn once for each item or anew at each step. A mask
/// is a function of (seed, item, step), so that item i does not depend on the batch.
/// </summary>
internal sealed class MaskedConditionDenoiser : IDenoiser
{
    private readonly IDenoiser _denoiser;
    private readonly ConditionOptions _options;
    private readonly KeyedRandom _random;
    private readonly long[] _items;

    /// <param name="denoiser">The model.</param>
    /// <param name="options">Rate, per step, rescale.</param>
    /// <param name="seed">Of the masks.</param>
    /// <param name="items">Which items the batches hold.</param>
    internal MaskedConditionDenoiser(IDenoiser denoiser, ConditionOptions options, long seed, long[] items) =>
        (_denoiser, _options, _random, _items) = (denoiser, options, new KeyedRandom(seed, "sampling/condition mask"), items);

    /// <inheritdoc/>
    public Tensor Predict(Tensor x, Tensor t, Condition? condition = null)
    {
        using var scope = new TensorScope();
        var c = condition?.Embedding ?? throw new ArgumentException("there is no condition to mask", nameof(condition));
        // In continuous time a step is told by its time too: the first bits of t name it.
        var step = _options.MaskPerStep ? BitConverter.DoubleToInt64Bits(t.Slice(0, 0, 1).To(DType.Float64).Item()) >> 11 : 0;
        var kept = _random.Uniform(step, _items, c.Shape[1..]).IsGreater(_options.MaskRate).To(c.Type);
        if (_options.MaskRescale)
            kept *= 1 / (1 - _options.MaskRate);
        return _denoiser.Predict(x, t, condition with { Embedding = c * kept.To(c.Device) }).MoveToOuter();
    }
}

/// <summary>
/// Classifier-free guidance (Ho and Salimans 2022, eq. 6, with s = 1 + w): ε(0) + s·(ε(c) − ε(0)), where zeros stand for no condition. Both
/// passes are one batch of twice the size; a learned variance is the conditional one.
/// </summary>
internal sealed class ClassifierFreeDenoiser(IDenoiser denoiser, double scale) : IDenoiser
{
    /// <inheritdoc/>
    public Tensor Predict(Tensor x, Tensor t, Condition? condition = null)
    {
        using var scope = new TensorScope();
        var c = condition?.Embedding ?? throw new ArgumentException("there is no condition to guide by", nameof(condition));
        var both = new Condition
        {
            ClassLabels = condition.ClassLabels is { } labels ? Tensor.Cat([labels, labels]) : null,
            Embedding = Tensor.Cat([c, c * 0.0]),
        };
        var halves = denoiser.Predict(Tensor.Cat([x, x]), Tensor.Cat([t, t]), both).Chunk(2);
        var (with, without) = (NetworkOutput.Split(halves[0], x.Size(1)), NetworkOutput.Split(halves[1], x.Size(1)));
        var guided = without.Prediction + ((with.Prediction - without.Prediction) * scale);
        return (with.Variance is null ? guided : Tensor.Cat([guided, with.Variance], 1)).MoveToOuter();
    }
}
