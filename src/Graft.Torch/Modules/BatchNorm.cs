namespace Graft.Torch;

/// <summary>
/// <c>nn.BatchNorm1d</c> and <c>2d</c> (Ioffe and Szegedy 2015): weight and bias [channels]. A training pass normalises by the batch and moves
/// <c>running_mean</c> and <c>running_var</c>, by which all other passes normalise; both are among the parameters, so that they are
/// loaded, saved and moved by name, and are never trained.
/// </summary>
public sealed class BatchNorm : WeightedModule
{
    private readonly double _momentum;
    private readonly double _epsilon;
    private Tensor _mean;
    private Tensor _variance;

    /// <summary>Creates the parameters.</summary>
    /// <param name="channels">Channels.</param>
    /// <param name="momentum">Share of the batch's statistics in the running ones after a step.</param>
    /// <param name="epsilon">Added to the variance.</param>
    public BatchNorm(long channels, double momentum = 0.1, double epsilon = 1e-5)
        : base([channels], channels)
    {
        (_momentum, _epsilon) = (momentum, epsilon);
        _mean = AddParameter("running_mean", channels);
        _variance = AddParameter("running_var", channels);
    }

    /// <summary>x [N, channels, ...], same shape out.</summary>
    public Tensor Forward(Tensor x) => IsTraining
        ? Functional.BatchNormOfBatch(x, Weight, Bias!, _mean, _variance, _momentum, _epsilon)
        : Functional.BatchNorm(x, Weight, Bias!, _mean, _variance, _epsilon);

    /// <summary>The running statistics of a network's batch norms, which training passes change without gradients.</summary>
    /// <param name="network">Any module.</param>
    public static IReadOnlyList<NamedTensor> Statistics(Module network)
    {
        ArgumentNullException.ThrowIfNull(network);
        return
        [
            .. network.Modules().Where(m => m.Module is BatchNorm).SelectMany(m =>
            {
                var norm = (BatchNorm)m.Module;
                var prefix = m.Name.Length == 0 ? "" : $"{m.Name}.";
                return new[] { new NamedTensor($"{prefix}running_mean", norm._mean), new NamedTensor($"{prefix}running_var", norm._variance) };
            }),
        ];
    }

    /// <inheritdoc/>
    protected override void OnReplaced(Tensor old, Tensor replacement)
    {
        base.OnReplaced(old, replacement);
        if (old == _mean)
            _mean = replacement;
        if (old == _variance)
            _variance = replacement;
    }

    /// <inheritdoc/>
    protected override void Reset(Initialiser initialiser)
    {
        Weight.Fill(1);
        Bias!.Fill(0);
        _mean.Fill(0);
        _variance.Fill(1);
    }
}
