namespace Graft.Data.Ecg;

/// <summary>A set of ECGs as items [leads, samples], for measures that know no more than that.</summary>
public sealed class EcgSource : ISampleSource
{
    /// <summary>Wraps a set.</summary>
    /// <param name="set">At least one record, all of one length.</param>
    /// <param name="description">One line for people; null: what the set says of itself.</param>
    /// <exception cref="InputException">The set is empty, or its records differ in length.</exception>
    public EcgSource(EcgSet set, string? description = null)
    {
        ArgumentNullException.ThrowIfNull(set);
        if (set.SampleCount is not { } samples)
        {
            throw new InputException(set.Count == 0
                ? $"{set.Card.Name} has no records to look at: choose others."
                : $"The records of {set.Card.Name} differ in length: cut or fill them (fit_length).");
        }

        (Set, Description, ItemShape) = (set, description ?? set.ToString(), new ItemShape(set.Leads.Count, samples));
    }

    /// <summary>The ECGs.</summary>
    public EcgSet Set { get; }

    /// <inheritdoc/>
    public int Count => Set.Count;

    /// <inheritdoc/>
    public ItemShape ItemShape { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Classes => Set.Classes;

    /// <inheritdoc/>
    public string Description { get; }

    /// <inheritdoc/>
    public void Read(int index, Span<float> values) => Set[index].Samples.CopyTo(values);

    /// <inheritdoc/>
    public string Name(int index) => Set[index].Name;

    /// <inheritdoc/>
    public int? Label(int index) => Set.Label(index);

    /// <summary>Some of the records, in the order given.</summary>
    internal EcgSource Choose(IReadOnlyList<int> indices) =>
        new(new EcgSet(Set.Card, [.. indices.Select(i => Set[i])]), $"{indices.Count} of {Description}");

    /// <summary>The ECGs of a source that holds some.</summary>
    /// <param name="source">Any set of items.</param>
    /// <param name="what">What needs ECGs, as the beginning of a sentence.</param>
    /// <exception cref="InputException">It holds something else.</exception>
    public static EcgSet Of(ISampleSource source, string what)
    {
        ArgumentNullException.ThrowIfNull(source);
        return (source as EcgSource)?.Set ?? throw new InputException($"{what} ECGs, and {source.Description} holds items of {source.ItemShape}: leave it out for these.");
    }
}
