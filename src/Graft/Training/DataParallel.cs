using System.Text;
using System.Text.Json.Nodes;
using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// A process's share in data-parallel training (Li et al. 2020, "PyTorch Distributed"): each works through its share of a batch's parts, and
/// gradients are summed over the processes, so that all take the same step. Without a group, the one process has the whole share, and
/// nothing here does anything.
/// </summary>
internal sealed class DataParallel(ProcessGroup? group)
{
    private IReadOnlyList<NamedTensor> _parameters = [];
    private GradientReducer? _reducer;
    private bool _stop;

    /// <summary>Number of this process, from 0.</summary>
    internal int Rank => group?.Rank ?? 0;

    /// <summary>Number of processes.</summary>
    internal int Size => group?.Size ?? 1;

    /// <summary>Whether this process writes, reads checkpoints, measures and decides.</summary>
    internal bool IsFirst => Rank == 0;

    /// <summary>Whether a run stops before its next step. Several processes stop together, by what the last step's sum said.</summary>
    internal bool ShouldStop(CancellationToken token) => group is null ? token.IsCancellationRequested : _stop;

    /// <summary>Checks that a stage can be trained by so many processes.</summary>
    /// <exception cref="InputException">A process would have nothing to do, or the stage keeps a state that is not shared.</exception>
    internal void Check(TrainingStage stage, TrainingOptions options)
    {
        if (group is null)
            return;
        if (options.Accumulation < Size)
            throw new InputException($"{Size} processes share the parts of a batch, and accumulation {options.Accumulation} makes {options.Accumulation} of them: set training.accumulation to a multiple of {Size} that divides the batch size {options.BatchSize}.");
        if (stage.Buffers.Count > 0)
            throw new InputException($"The stage '{stage.Name}' keeps running statistics, which several processes do not share: train it in one process.");
    }

    /// <summary>Checks that all processes were given the same run.</summary>
    /// <exception cref="InputException">This one was given another than the first.</exception>
    internal void Check(JsonObject identity)
    {
        if (group is null)
            return;
        using var scope = new TensorScope();
        var own = Encoding.UTF8.GetBytes(identity.ToJsonString());
        var bytes = new byte[(int)FromFirst(() => own.Length)];
        own.AsSpan(0, Math.Min(own.Length, bytes.Length)).CopyTo(bytes);
        var shared = Tensor.From(bytes, [bytes.Length]).To(group.Device);
        group.Broadcast(shared);
        var first = Encoding.UTF8.GetString(shared.ToBytes());
        if (first != identity.ToJsonString())
            throw new InputException($"Process {Rank} was given another run than process 0 ({Encoding.UTF8.GetString(own)} in place of {first}): give all processes the same options, data and source.");
    }

    /// <summary>A number that the first process finds, for all.</summary>
    internal double FromFirst(Func<double> find)
    {
        if (group is null)
            return find();
        using var scope = new TensorScope();
        var value = Tensor.From([IsFirst ? find() : 0], [1]).To(group.Device);
        group.Broadcast(value);
        return value.Item();
    }

    /// <summary>Gives all processes the first one's values of some tensors.</summary>
    internal void ShareFirst(IEnumerable<NamedTensor> tensors)
    {
        if (group is null)
            return;
        using var mode = Autograd.NoGrad();
        foreach (var (_, value) in tensors)
        {
            using var scope = new TensorScope();
            var shared = value.Detach().Contiguous();
            group.Broadcast(shared);
            if (!IsFirst)
                value.CopyFrom(shared);
        }
    }

    /// <summary>Watches what is trained, which is the same in every process and requires gradients, until what it returns is disposed.</summary>
    internal IDisposable? Watch(IReadOnlyList<NamedTensor> parameters)
    {
        _parameters = parameters;
        return _reducer = group?.Watch([.. parameters.Select(p => p.Value)]);
    }

    /// <summary>Says that the next backward pass is a step's last here: sums of gradients begin while it goes on.</summary>
    internal void BeforeLastBackward() => _reducer?.Begin();

    /// <summary>Waits for the sums of a step's gradients, and sums its loss, its terms and the wish to stop.</summary>
    /// <param name="loss">This process's share of the loss.</param>
    /// <param name="terms">Its share of the terms, whose sums take their place.</param>
    /// <param name="token">Whether the run is to stop.</param>
    /// <returns>The loss.</returns>
    /// <exception cref="ProcessLostException">Another process ended; nothing has been changed but gradients.</exception>
    internal double Sum(double loss, List<(string Name, double Value)> terms, CancellationToken token)
    {
        if (group is null || _reducer is null)
            return loss;
        using var scope = new TensorScope();
        // A parameter that no process has a gradient of is left alone by the optimiser, as in one process.
        double[] own = [loss, token.IsCancellationRequested ? 1 : 0, .. terms.Select(t => t.Value), .. _parameters.Select(p => p.Value.Grad is null ? 0.0 : 1.0)];
        var numbers = Tensor.From(own, [own.Length]).To(group.Device);
        _reducer.Finish();
        group.AllReduce(numbers).Wait();
        var sums = numbers.ToArray<double>();
        _stop = sums[1] > 0;
        for (var i = 0; i < terms.Count; i++)
            terms[i] = terms[i] with { Value = sums[2 + i] };
        foreach (var ((_, value), has) in _parameters.Zip(sums.Skip(2 + terms.Count)))
        {
            if (has == 0)
                value.Grad = null;
        }

        return sums[0];
    }
}
