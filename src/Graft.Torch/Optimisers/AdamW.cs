using Graft.Torch.Native;

namespace Graft.Torch;

/// <summary>Settings of <see cref="AdamW"/>; PyTorch's defaults.</summary>
public sealed record AdamWOptions
{
    /// <summary>Decay of the gradients' running mean, in [0, 1).</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the squared gradients' running mean, in [0, 1).</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the running mean of squares.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay, times the learning rate, each step.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Gradients are scaled down to this global norm; 0 leaves them.</summary>
    public double MaxGradientNorm { get; init; } = 1.0;
}

/// <summary>
/// AdamW (Loshchilov and Hutter 2019), gradient clipping by the global norm, and the exponential moving average of the weights,
/// in one native pass a step.
/// </summary>
public sealed unsafe class AdamW : IDisposable
{
    private readonly AdamWOptions _options;
    private readonly NamedTensor[] _parameters;
    private readonly Tensor[] _mean;
    private readonly Tensor[] _square;
    private readonly Tensor[]? _ema;

    /// <summary>Prepares state for some parameters.</summary>
    /// <param name="parameters">What is trained; nothing else is touched.</param>
    /// <param name="options">Settings.</param>
    /// <param name="average">Whether to keep a moving average of the weights; it starts equal to them.</param>
    public AdamW(IEnumerable<NamedTensor> parameters, AdamWOptions options, bool average)
    {
        using var mode = Autograd.NoGrad();
        using var scope = new TensorScope(); // a clone's source must not outlive this
        _options = options;
        _parameters = [.. parameters];
        _mean = Array.ConvertAll(_parameters, p => Tensor.Zeros(p.Value.Shape.ToArray(), p.Value.Type, p.Value.Device).Keep());
        _square = Array.ConvertAll(_parameters, p => Tensor.Zeros(p.Value.Shape.ToArray(), p.Value.Type, p.Value.Device).Keep());
        _ema = average ? Array.ConvertAll(_parameters, p => p.Value.Detach().Clone().Keep()) : null;
    }

    /// <summary>Steps taken.</summary>
    public long Steps { get; set; }

    /// <summary>The moving average of the weights, or none.</summary>
    public IEnumerable<NamedTensor>? Average => _ema?.Select((t, i) => new NamedTensor(_parameters[i].Name, t));

    /// <summary>The state by name, for checkpoints: <c>exp_avg.NAME</c>, <c>exp_avg_sq.NAME</c> and, with an average, <c>ema.NAME</c>.</summary>
    public IEnumerable<NamedTensor> State()
    {
        for (var i = 0; i < _parameters.Length; i++)
        {
            yield return new NamedTensor($"exp_avg.{_parameters[i].Name}", _mean[i]);
            yield return new NamedTensor($"exp_avg_sq.{_parameters[i].Name}", _square[i]);
            if (_ema is not null)
                yield return new NamedTensor($"ema.{_parameters[i].Name}", _ema[i]);
        }
    }

    /// <summary>
    /// Takes one step from the parameters' summed gradients, which are then dropped. A parameter without one stays as it is
    /// (its average still moves). All share one count of steps, where PyTorch counts them for each parameter.
    /// </summary>
    /// <param name="learningRate">Of this step.</param>
    /// <param name="emaDecay">Of this step, in [0, 1]; the average becomes decay·average + (1-decay)·weights.</param>
    /// <returns>The global norm of the gradients before clipping. Where it is not finite nothing was changed.</returns>
    public double Step(double learningRate, double emaDecay = 1)
    {
        var count = _parameters.Length;
        var gradients = new Tensor?[count];
        for (var i = 0; i < count; i++)
            gradients[i] = _parameters[i].Value.Grad;
        var options = new NativeAdamW
        {
            LearningRate = learningRate,
            Beta1 = _options.Beta1,
            Beta2 = _options.Beta2,
            Epsilon = _options.Epsilon,
            WeightDecay = _options.WeightDecay,
            MaxNorm = _options.MaxGradientNorm,
            EmaDecay = emaDecay,
            Step = Steps + 1,
        };
        double norm;
        int code;
        fixed (nint* parameters = Array.ConvertAll(_parameters, p => p.Value.Handle),
               grads = Array.ConvertAll(gradients, g => g?.Handle ?? 0),
               mean = Array.ConvertAll(_mean, t => t.Handle),
               square = Array.ConvertAll(_square, t => t.Handle),
               ema = _ema is null ? null : Array.ConvertAll(_ema, t => t.Handle))
        {
            code = NativeMethods.graft_adamw_step(&options, count, parameters, grads, mean, square, ema, &norm);
        }

        for (var i = 0; i < count; i++)
        {
            gradients[i]?.Dispose();
            _parameters[i].Value.Grad = null;
        }

        if (code < 0)
            throw TorchException.Last();
        if (code == 0)
            Steps++;
        return norm;
    }

    /// <summary>Puts the average into the parameters until the returned scope is disposed, which restores them. Without an average: does nothing.</summary>
    public IDisposable ApplyAverage()
    {
        if (_ema is null)
            return new Restoration([], []);
        using var mode = Autograd.NoGrad();
        using var scope = new TensorScope();
        var saved = Array.ConvertAll(_parameters, p => p.Value.Detach().Clone().Keep());
        KeepAverage();
        return new Restoration(_parameters, saved);
    }

    /// <summary>Puts the average into the parameters for good. Without an average: does nothing.</summary>
    public void KeepAverage()
    {
        for (var i = 0; i < (_ema?.Length ?? 0); i++)
            _parameters[i].Value.CopyFrom(_ema![i]);
    }

    /// <inheritdoc/>
    public void Dispose() => TorchRuntime.Run(() =>
    {
        foreach (var t in (Tensor[])[.. _mean, .. _square, .. _ema ?? []])
            t.Dispose();
    });

    private sealed class Restoration(NamedTensor[] parameters, Tensor[] saved) : IDisposable
    {
        private Tensor[] _saved = saved;

        public void Dispose()
        {
            for (var i = 0; i < _saved.Length; i++)
            {
                parameters[i].Value.CopyFrom(_saved[i]);
                _saved[i].Dispose();
            }

            _saved = [];
        }
    }
}
