using System.Globalization;
using Graft.Data.Ecg;

namespace Graft.Data;

/// <summary>Items of any shape, held in memory as they are: points, recordings, or what a model drew of them.</summary>
public sealed class SampleSet : ISampleSource
{
    private readonly float[] _values;
    private readonly int[]? _labels;

    /// <summary>Makes a set.</summary>
    /// <param name="shape">The shape of an item.</param>
    /// <param name="values">All items one after the other, each in row-major order; at least one item. Not copied.</param>
    /// <param name="description">One line for people.</param>
    /// <param name="labels">The class of each item, from 0; null for none.</param>
    /// <param name="classes">Names of the classes; may be empty.</param>
    /// <exception cref="ArgumentException">The counts do not fit together.</exception>
    public SampleSet(ItemShape shape, float[] values, string description, int[]? labels = null, IReadOnlyList<string>? classes = null)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(values);
        if (values.Length == 0 || values.Length % shape.Elements != 0)
            throw new ArgumentException($"{values.Length} numbers are no whole number of items of {shape}", nameof(values));
        if (labels is not null && labels.Length != values.Length / shape.Elements)
            throw new ArgumentException($"{labels.Length} labels are not one for each of {values.Length / shape.Elements} items", nameof(labels));
        (ItemShape, _values, Description, _labels, Classes) = (shape, values, description, labels, classes ?? []);
    }

    /// <inheritdoc/>
    public int Count => _values.Length / ItemShape.Elements;

    /// <inheritdoc/>
    public ItemShape ItemShape { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Classes { get; }

    /// <inheritdoc/>
    public string Description { get; }

    /// <summary>
    /// The labels of items that may have any number of them: for each item one number for each class, 1 or 0, [N, classes] row-major;
    /// null: none.
    /// </summary>
    /// <exception cref="ArgumentException">They are not as many for each item.</exception>
    public float[]? LabelSets
    {
        get;
        init => field = value is null || (value.Length > 0 && value.Length % Count == 0) ? value : throw new ArgumentException($"{value.Length} labels are not as many for each of {Count} items", nameof(value));
    }

    /// <summary>Leads, rate and unit of the items where they are ECGs.</summary>
    public EcgCard? Ecg { get; init; }

    /// <summary>The density that the items were drawn from, where it is known.</summary>
    public GaussianMixture? Density { get; init; }

    /// <summary>All items one after the other. No copy.</summary>
    public ReadOnlySpan<float> Values => _values;

    /// <summary>One item's numbers. No copy.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    public ReadOnlySpan<float> this[int index] => _values.AsSpan(checked(index * ItemShape.Elements), ItemShape.Elements);

    /// <inheritdoc/>
    public void Read(int index, Span<float> values) => this[index].CopyTo(values);

    /// <summary>The item's number.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    public string Name(int index) => index.ToString(CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public int? Label(int index) => _labels?[index];

    /// <inheritdoc/>
    public float[]? LabelSet(int index)
    {
        if (LabelSets is null)
            return null;
        var width = LabelSets.Length / Count;
        return LabelSets[(index * width)..((index + 1) * width)];
    }
}
