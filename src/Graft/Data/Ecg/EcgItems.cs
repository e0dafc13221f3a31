namespace Graft.Data.Ecg;

/// <summary>
/// ECGs as what training and evaluation read: items [leads, samples], each with its set of labels. Those of an
/// <see cref="EcgTrainingSet"/> may be trained on; all others are for judging, and training refuses them.
/// </summary>
public sealed class EcgItems : ISampleSource
{
    /// <summary>Takes a set.</summary>
    /// <param name="set">Records of one length, at least one.</param>
    /// <param name="description">One line for people; null: what the set says of itself.</param>
    /// <exception cref="InputException">There is none, or the lengths differ.</exception>
    public EcgItems(EcgSet set, string? description = null)
    {
        ArgumentNullException.ThrowIfNull(set);
        if (set.Count == 0)
            throw new InputException($"No record of {set.Card.Name} is left: choose more.");
        var length = set.SampleCount ?? throw new InputException($"The records of {set.Card.Name} differ in length: cut them to one (the step fit_length; of a recipe, length).");
        (Set, ItemShape) = (set, new ItemShape(set.Leads.Count, length));
        Description = description ?? $"{Set}{(IsForJudging ? ", for judging" : ", marked for training")}";
    }

    /// <summary>The records.</summary>
    public EcgSet Set { get; }

    /// <inheritdoc/>
    public int Count => Set.Count;

    /// <inheritdoc/>
    public ItemShape ItemShape { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Classes => Set.Classes;

    /// <inheritdoc/>
    public bool IsForJudging => Set is not EcgTrainingSet;

    /// <inheritdoc/>
    public string Description { get; }

    /// <inheritdoc/>
    public void Read(int index, Span<float> values) => Set[index].Samples.CopyTo(values);

    /// <inheritdoc/>
    public string Name(int index) => Set[index].Name;

    /// <summary>The class of a record that has exactly one; else null.</summary>
    /// <inheritdoc/>
    public int? Label(int index) => Set.Label(index);

    /// <inheritdoc/>
    public float[]? LabelSet(int index) => Set.Classes.Count == 0 ? null : Set.MultiHot(index);

    /// <summary>The ECGs of a source that holds some.</summary>
    /// <param name="source">Any set of items.</param>
    /// <param name="what">What needs ECGs, as the beginning of a sentence.</param>
    /// <exception cref="InputException">It holds something else.</exception>
    public static EcgSet Of(ISampleSource source, string what)
    {
        ArgumentNullException.ThrowIfNull(source);
        return (source as EcgItems)?.Set ?? throw new InputException($"{what} ECGs, and {source.Description} holds items of {source.ItemShape}: leave it out for these.");
    }

    /// <summary>Some of the records, in the order given; what may be trained on stays so.</summary>
    internal EcgItems Choose(IReadOnlyList<int> indices)
    {
        var chosen = new EcgSet(Set.Card, [.. indices.Select(i => Set[i])]);
        return new EcgItems(IsForJudging ? chosen : EcgTrainingSet.From(chosen), $"{indices.Count} of {Description}");
    }
}
