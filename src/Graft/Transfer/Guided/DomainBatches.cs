using Graft.Data;
using Graft.Diffusion;
using Graft.Torch;
using Graft.Training;

namespace Graft.Transfer.GuidedParts;

/// <summary>
/// Batches of both domains: as many items of the source, which come first, as of the target. Each keeps its own order, noise and times.
/// </summary>
internal sealed class DomainBatches : IBatchSource
{
    private readonly SampleBatches _source;
    private readonly SampleBatches _target;

    internal DomainBatches(ISampleSource source, ISampleSource target, NoiseSchedule schedule, TrainingOptions options, Device device)
    {
        // The complement of the seed: noise that has nothing to do with the other half's.
        _source = new SampleBatches(source, schedule, ~options.Seed, options.Flip, device);
        _target = new SampleBatches(target, schedule, options.Seed, options.Flip, device);
    }

    /// <inheritdoc/>
    public string Description => $"{_source.Description}, against {_target.Description}";

    /// <inheritdoc/>
    /// <returns>2N items for N draws.</returns>
    public Batch Read(long step, long[] items)
    {
        var (source, target) = (_source.Read(step, items), _target.Read(step, items));
        return new Batch(
            step,
            items,
            Tensor.Cat([source.X0, target.X0]),
            Tensor.Cat([source.T, target.T]),
            Tensor.Cat([source.Noise, target.Noise]),
            source.ClassLabels is null || target.ClassLabels is null ? null : Tensor.Cat([source.ClassLabels, target.ClassLabels]));
    }

    /// <summary>The source's half of something that has a row for each item.</summary>
    internal static Tensor SourceOf(Tensor both) => Part(both, 0, 2);

    /// <summary>The target's half.</summary>
    internal static Tensor TargetOf(Tensor both) => Part(both, 1, 2);

    /// <summary>One of several equal parts, which follow each other.</summary>
    internal static Tensor Part(Tensor all, int index, int of) => all.Slice(0, all.Size(0) / of * index, all.Size(0) / of * (index + 1));
}
