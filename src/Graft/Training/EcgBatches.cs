using Graft.Data.Ecg;
using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// Batches of random crops of ECGs. Every epoch is a permutation of the records; order and the crops' beginnings are functions of
/// (seed, draw number).
/// </summary>
public sealed class EcgBatches : IBatchSource
{
    private readonly EcgTrainingSet _set;
    private readonly float[][] _labels;
    private readonly int _crop;
    private readonly Device _device;
    private readonly EpochOrder _order;
    private readonly KeyedRandom _begin;

    /// <summary>Prepares batches.</summary>
    /// <param name="set">The records; only those for training can be in it.</param>
    /// <param name="crop">Samples of a crop.</param>
    /// <param name="seed">Seed of order and crops.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <exception cref="InputException">A record is shorter than a crop, or holds what is no number.</exception>
    public EcgBatches(EcgTrainingSet set, int crop, long seed, Device device = default)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentOutOfRangeException.ThrowIfLessThan(crop, 1);
        EcgCrops.Check(set, crop);
        (_set, _crop, _device) = (set, crop, device);
        _labels = [.. Enumerable.Range(0, set.Count).Select(set.MultiHot)];
        _order = new EpochOrder(set.Count, seed);
        _begin = new KeyedRandom(seed, "training/crop");
    }

    /// <inheritdoc/>
    public string Description => _set.ToString();

    /// <inheritdoc/>
    public Batch Read(long step, long[] items)
    {
        ArgumentNullException.ThrowIfNull(items);
        var leads = _set.Leads.Count;
        var values = new float[items.Length * leads * _crop];
        for (var k = 0; k < items.Length; k++)
        {
            var record = _set[_order.IndexOf(items[k])];
            var first = (int)_begin.Integer(0, items[k], 0, record.SampleCount - _crop + 1);
            EcgCrops.Copy(record, first, _crop, values.AsSpan(k * leads * _crop));
        }

        return new Batch(
            step,
            items,
            Tensor.From(values, items.Length, leads, _crop).Upload(_device),
            Tensor.Zeros([items.Length], DType.Int64, _device),
            Tensor.Empty([0], device: _device),
            null);
    }

    /// <summary>Which classes the records of a batch have: 1 or 0, float32 [N, classes].</summary>
    /// <param name="items">As <see cref="Read"/> was given them.</param>
    public Tensor Labels(long[] items)
    {
        ArgumentNullException.ThrowIfNull(items);
        return Tensor.From([.. items.SelectMany(i => _labels[_order.IndexOf(i)])], items.Length, _set.Classes.Count).Upload(_device);
    }
}

/// <summary>Crops of records.</summary>
internal static class EcgCrops
{
    internal static void Check(EcgSet set, int crop)
    {
        foreach (var record in set.Records)
        {
            if (record.SampleCount < crop)
                throw new InputException($"The record {Formats.FileFault.Quote(record.Name)} of {set.Card.Name} has {record.SampleCount} samples, and a crop {crop}: fill it (fit_length), or leave it out.");
            if (record.Samples.ContainsAnyExceptInRange(float.MinValue, float.MaxValue))
                throw new InputException($"The record {Formats.FileFault.Quote(record.Name)} of {set.Card.Name} has samples that are no numbers: fill them (fill_missing), or leave it out.");
        }
    }

    /// <summary>[leads, crop] of a record.</summary>
    internal static void Copy(EcgRecord record, int first, int crop, Span<float> values)
    {
        for (var lead = 0; lead < record.LeadCount; lead++)
            record.Lead(lead).Slice(first, crop).CopyTo(values[(lead * crop)..]);
    }

    /// <summary>Where crops begin so that they cover a record, each half beyond the last; the end gets one of its own.</summary>
    internal static List<int> Begins(int samples, int crop)
    {
        var begins = new List<int>();
        for (var first = 0; first + crop <= samples; first += Math.Max(1, crop / 2))
            begins.Add(first);
        if (begins[^1] + crop < samples)
            begins.Add(samples - crop);
        return begins;
    }
}
