using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// The batches of a stage, the next one read while this one is still being computed: a GPU goes on by itself until somebody asks it for a number.
/// A processor would do the one after the other, so there a batch is read when it is due.
/// </summary>
/// <param name="source">Where batches come from.</param>
/// <param name="ahead">Whether to read ahead.</param>
internal sealed class BatchesAhead(IBatchSource source, bool ahead) : IDisposable
{
    private Batch? _current;
    private Batch? _next;

    /// <summary>Reads ahead where what is trained lies on a GPU.</summary>
    internal static BatchesAhead Of(TrainingStage stage) => new(stage.Data, stage.Trainable[0].Value.Device.Type != DeviceType.Cpu);

    /// <summary>The batch of these draws; what the last call gave ends with it.</summary>
    /// <param name="step">The optimiser step, from 0.</param>
    /// <param name="items">Numbers of the draws.</param>
    internal Batch Read(long step, long[] items)
    {
        if (!ahead)
            return source.Read(step, items);
        Release(ref _current);
        if (!IsNext(step, items))
            Release(ref _next);
        (_current, _next) = (_next ?? Kept(source.Read(step, items)), null);
        return _current;
    }

    /// <summary>Reads the batch that is due next, if batches are read ahead. To be called while the device is at work.</summary>
    /// <param name="step">The optimiser step, from 0.</param>
    /// <param name="items">Numbers of the draws.</param>
    internal void Prepare(long step, long[] items)
    {
        if (!ahead || IsNext(step, items))
            return;
        Release(ref _next);
        _next = Kept(source.Read(step, items));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Release(ref _current);
        Release(ref _next);
    }

    private bool IsNext(long step, long[] items) => _next is not null && _next.Step == step && _next.Items.AsSpan().SequenceEqual(items);

    private static Batch Kept(Batch batch)
    {
        foreach (var tensor in Tensors(batch))
            tensor.Keep();
        return batch;
    }

    private static void Release(ref Batch? batch)
    {
        foreach (var tensor in batch is null ? [] : Tensors(batch))
            tensor.Dispose();
        batch = null;
    }

    private static IEnumerable<Tensor> Tensors(Batch batch) => ((Tensor?[])[batch.X0, batch.T, batch.Noise, batch.ClassLabels, batch.Embedding]).OfType<Tensor>();
}
