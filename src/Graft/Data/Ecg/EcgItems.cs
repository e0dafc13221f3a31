namespace Graft.Data.Ecg;

/// <summary>
/// ECGs as what training and evaluation read: items [leads, samples], each with its set of labels. Those of an
/// <see cref="EcgTrainingSet"/> may be trained on; all others are for judging, and training refuses them.
/// </summary>
public sealed class EcgItems : ISampleSource
{
    /// <summary>Takes a set.</summary>
    /// <param name="set">Records of one length, at least one.</param>
    /// <exception cref="InputException">There is none, or the lengths differ.</exception>
    public EcgItems(EcgSet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        if (set.Count == 0)
            throw new InputException($"No record of {set.Card.Name} is left: choose more.");
        var length = set.SampleCount ?? throw new InputException($"The records of {set.Card.Name} differ in length: cut them to one (the step fit_length; of a recipe, length).");
        (Set, ItemShape) = (set, new ItemShape(set.Leads.Count, length));
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
    public string Description => $"{Set}{(IsForJudging ? ", for judging" : ", marked for training")}";

    /// <inheritdoc/>
    public void Read(int index, Span<float> values) => Set[index].Samples.CopyTo(values);

    /// <inheritdoc/>
    public string Name(int index) => Set[index].Name;

    /// <summary>The class of a record that has exactly one; else null.</summary>
    /// <inheritdoc/>
    public int? Label(int index) => Set.Label(index);

    /// <inheritdoc/>
    public float[]? LabelSet(int index) => Set.Classes.Count == 0 ? null : Set.MultiHot(index);
}
