using Graft.Data;
using Graft.Torch;

namespace Graft.Training;

/// <summary>The labels of a set's items as networks are told them: sets of labels where items have them, else classes, else nothing.</summary>
internal sealed class ItemLabels
{
    private readonly ISampleSource _samples;
    private readonly int _setWidth;
    private readonly bool _single;

    internal ItemLabels(ISampleSource samples)
    {
        _samples = samples;
        _setWidth = samples.LabelSet(0)?.Length ?? 0;
        _single = _setWidth == 0 && Enumerable.Range(0, samples.Count).All(i => samples.Label(i) is not null);
    }

    /// <summary>float32 [N, classes] of zeros and ones, or int64 [N], or null.</summary>
    internal Tensor? Of(ReadOnlySpan<int> indices, Device device)
    {
        if (_single)
        {
            var labels = new long[indices.Length];
            for (var k = 0; k < labels.Length; k++)
                labels[k] = _samples.Label(indices[k])!.Value;
            return Tensor.From(labels, labels.Length).Upload(device);
        }

        if (_setWidth == 0)
            return null;
        var sets = new float[indices.Length * _setWidth];
        for (var k = 0; k < indices.Length; k++)
            _samples.LabelSet(indices[k]).CopyTo(sets.AsSpan(k * _setWidth));
        return Tensor.From(sets, indices.Length, _setWidth).Upload(device);
    }
}
