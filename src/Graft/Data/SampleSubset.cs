namespace Graft.Data;

/// <summary>Some items of a set that holds no pictures, in the order given. No copy.</summary>
internal sealed class SampleSubset : ISampleSource
{
    private readonly ISampleSource _samples;
    private readonly int[] _indices;

    internal SampleSubset(ISampleSource samples, IReadOnlyList<int> indices)
    {
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentOutOfRangeException.ThrowIfZero(indices.Count, nameof(indices));
        foreach (var index in indices)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index, nameof(indices));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, samples.Count, nameof(indices));
        }

        _samples = samples;
        _indices = [.. indices];
    }

    /// <inheritdoc/>
    public int Count => _indices.Length;

    /// <inheritdoc/>
    public ItemShape ItemShape => _samples.ItemShape;

    /// <inheritdoc/>
    public IReadOnlyList<string> Classes => _samples.Classes;

    /// <inheritdoc/>
    public string Description => $"{Count} of {_samples.Description}";

    /// <inheritdoc/>
    public void Read(int index, Span<float> values) => _samples.Read(_indices[index], values);

    /// <inheritdoc/>
    public string Name(int index) => _samples.Name(_indices[index]);

    /// <inheritdoc/>
    public int? Label(int index) => _samples.Label(_indices[index]);

    /// <inheritdoc/>
    public float[]? LabelSet(int index) => _samples.LabelSet(_indices[index]);

    /// <inheritdoc/>
    public bool IsForJudging => _samples.IsForJudging;
}
