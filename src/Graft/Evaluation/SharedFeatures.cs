using System.Runtime.CompilerServices;
using Graft.Data;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>
/// A feature network that several processes run together: <see cref="Share"/> gives each its part of a set and everybody the vectors of all.
/// What was not shared is computed alone, so that no process waits for one that has nothing to measure.
/// </summary>
/// <param name="network">The network; it stays the caller's.</param>
/// <param name="group">The processes, which all call <see cref="Share"/> for the same sets in the same order.</param>
internal class SharedFeatures(IFeatureNetwork network, ProcessGroup group) : IFeatureNetwork
{
    private const int Whole = 64; // the largest batch of every network: parts that are multiples of it cut no batch of small pictures
    private readonly ConditionalWeakTable<IImageSource, FeatureSet> _shared = [];

    /// <inheritdoc/>
    public string Name => network.Name;

    /// <inheritdoc/>
    public string Hash => network.Hash;

    /// <inheritdoc/>
    public string Preparation => network.Preparation;

    /// <inheritdoc/>
    public int Dimension => network.Dimension;

    /// <summary>The network, shared.</summary>
    internal static SharedFeatures Of(IFeatureNetwork network, ProcessGroup group) =>
        network is IClassifyingNetwork classifier ? new SharedClassifier(classifier, group) : new SharedFeatures(network, group);

    /// <summary>Computes a set's vectors (and what else may be asked of <paramref name="samples"/>) together.</summary>
    internal virtual void Share(IImageSource pictures, bool samples, CancellationToken cancellationToken) =>
        _shared.AddOrUpdate(pictures, Together(pictures, part => network.Extract(part, cancellationToken)));

    /// <inheritdoc/>
    public FeatureSet Extract(IImageSource pictures, CancellationToken cancellationToken = default) =>
        _shared.TryGetValue(pictures, out var shared) ? shared : network.Extract(pictures, cancellationToken);

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    /// <summary>Each process's part by itself, all of them put together: process r takes the r-th of equal runs of pictures.</summary>
    private protected FeatureSet Together(IImageSource pictures, Func<IImageSource, FeatureSet> extract)
    {
        var each = ((pictures.Count + group.Size - 1) / group.Size + Whole - 1) / Whole * Whole;
        int First(int rank) => Math.Min(rank * each, pictures.Count);
        var (first, last) = (First(group.Rank), First(group.Rank + 1));
        var own = last > first ? extract(new ImageSubset(pictures, [.. Enumerable.Range(first, last - first)])) : null;
        return TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            // The first process has pictures wherever there are any, and so knows the width.
            var width = Tensor.From([(long)(own?.Dimension ?? 0)], 1).To(group.Device);
            group.Broadcast(width);
            var values = new double[pictures.Count, (int)width.Item()];
            for (var rank = 0; rank < group.Size && First(rank) < pictures.Count; rank++)
            {
                long count = First(rank + 1) - First(rank);
                var rows = rank == group.Rank ? Matrix.ToTensor(own!.Values).To(group.Device) : Tensor.Zeros([count, values.GetLength(1)], DType.Float64, group.Device);
                group.Broadcast(rows, rank);
                rows.CopyTo(Matrix.Rows(values, First(rank), (int)count));
            }

            // A process without pictures says what it knows: the first one, which always has some, is the one that measures.
            return new FeatureSet
            {
                Values = values, Network = own?.Network ?? Name, NetworkHash = own?.NetworkHash ?? Hash, Preparation = own?.Preparation ?? Preparation, Source = pictures.Description,
            };
        });
    }

    /// <summary>One that classifies: of samples the logits are shared as well.</summary>
    private sealed class SharedClassifier(IClassifyingNetwork network, ProcessGroup group) : SharedFeatures(network, group), IClassifyingNetwork
    {
        private readonly ConditionalWeakTable<IImageSource, FeatureSet> _logits = [];

        /// <inheritdoc/>
        public FeatureSet ExtractLogits(IImageSource pictures, CancellationToken cancellationToken = default) =>
            _logits.TryGetValue(pictures, out var shared) ? shared : network.ExtractLogits(pictures, cancellationToken);

        /// <inheritdoc/>
        internal override void Share(IImageSource pictures, bool samples, CancellationToken cancellationToken)
        {
            base.Share(pictures, samples, cancellationToken);
            if (samples)
                _logits.AddOrUpdate(pictures, Together(pictures, part => network.ExtractLogits(part, cancellationToken)));
        }
    }
}
