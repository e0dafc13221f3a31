using Graft.Torch;

namespace Graft.Data.Ecg;

/// <summary>ECGs with the same leads, sampling rate and unit, held in memory, with their labels and splits.</summary>
public class EcgSet
{
    private readonly EcgRecord[] _records;
    private readonly Dictionary<string, int> _places;

    /// <summary>Creates a set.</summary>
    /// <param name="card">What holds for all records.</param>
    /// <param name="records">The records; no two have the same name.</param>
    /// <exception cref="ArgumentException">A record has another number of leads, or two have the same name.</exception>
    public EcgSet(EcgCard card, IReadOnlyList<EcgRecord> records)
    {
        ArgumentNullException.ThrowIfNull(card);
        ArgumentNullException.ThrowIfNull(records);
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var record in records)
        {
            if (record.LeadCount != card.Leads.Count)
                throw new ArgumentException($"the record '{record.Name}' has {record.LeadCount} leads and the set {card.Leads.Count}", nameof(records));
            if (!names.Add(record.Name))
                throw new ArgumentException($"two records are called '{record.Name}'", nameof(records));
        }

        Card = card;
        _records = [.. records];
        _places = card.Classes.Select((name, i) => (name, i)).ToDictionary(p => p.name, p => p.i, StringComparer.Ordinal);
    }

    /// <summary>What holds for all records: leads, sampling rate, unit, classes, and what was done to them.</summary>
    public EcgCard Card { get; }

    /// <summary>The records.</summary>
    public IReadOnlyList<EcgRecord> Records => _records;

    /// <summary>Number of records.</summary>
    public int Count => _records.Length;

    /// <summary>Names of the leads.</summary>
    public IReadOnlyList<string> Leads => Card.Leads;

    /// <summary>Samples a second.</summary>
    public double SamplingRate => Card.SamplingRate;

    /// <summary>The unit of the samples, as <c>mV</c>.</summary>
    public string Unit => Card.Unit;

    /// <summary>Names of the classes; a label is a place in this list.</summary>
    public IReadOnlyList<string> Classes => Card.Classes;

    /// <summary>Samples of each lead where all records have as many; else null.</summary>
    public int? SampleCount => _records.Length > 0 && _records.All(r => r.SampleCount == _records[0].SampleCount) ? _records[0].SampleCount : null;

    /// <summary>The record of a place.</summary>
    public EcgRecord this[int index] => _records[index];

    /// <summary>Which classes a record has: 1 for each of its statements that is a class, 0 for the others.</summary>
    /// <param name="index">The record.</param>
    /// <returns>As many as <see cref="Classes"/>.</returns>
    public float[] MultiHot(int index)
    {
        var labels = new float[Classes.Count];
        foreach (var statement in _records[index].Statements)
        {
            if (_places.TryGetValue(statement, out var place))
                labels[place] = 1;
        }

        return labels;
    }

    /// <summary>The class of a record that has exactly one; null where it has none or several.</summary>
    /// <param name="index">The record.</param>
    public int? Label(int index)
    {
        var labels = MultiHot(index);
        var first = Array.IndexOf(labels, 1);
        return first >= 0 && Array.LastIndexOf(labels, 1) == first ? first : null;
    }

    /// <summary>The place of a lead.</summary>
    /// <exception cref="InputException">There is no such lead.</exception>
    public int LeadIndex(string lead)
    {
        var at = Leads.ToList().IndexOf(lead);
        return at >= 0 ? at : throw new InputException($"The set {Card.Name} has no lead {Formats.FileFault.Quote(lead)}, but {string.Join(", ", Leads)}; choose one of them.");
    }

    /// <summary>The records that satisfy a condition.</summary>
    public EcgSet Where(Func<EcgRecord, bool> condition) => new(Card, [.. _records.Where(condition)]);

    /// <summary>The records of a split.</summary>
    public EcgSet Of(EcgSplit split) => Where(r => r.Split == split);

    /// <summary>The same records with other classes: statements that are none of them do not count.</summary>
    /// <param name="classes">Names, no two the same.</param>
    public EcgSet WithClasses(params IReadOnlyList<string> classes) => new(Card with { Classes = [.. classes] }, _records);

    /// <summary>The same records with other statements, for classes that are made of several or of what a set has in words.</summary>
    /// <param name="classes">Names, no two the same.</param>
    /// <param name="statements">What to say of a record.</param>
    public EcgSet Relabel(IReadOnlyList<string> classes, Func<EcgRecord, IEnumerable<string>> statements)
    {
        ArgumentNullException.ThrowIfNull(classes);
        return new EcgSet(Card with { Classes = [.. classes] }, [.. _records.Select(r => new EcgRecord(r.Name, r.Samples.ToArray(), r.LeadCount, r.Split)
        {
            Fold = r.Fold, Age = r.Age, Sex = r.Sex, Statements = [.. statements(r)],
        })]);
    }

    /// <summary>Does something to every record, and writes it down in <see cref="EcgCard.Steps"/>.</summary>
    /// <param name="steps">In their order.</param>
    /// <exception cref="InputException">A step cannot be done; the message names the record.</exception>
    public EcgSet Prepare(params IReadOnlyList<EcgStep> steps)
    {
        var preparation = new EcgPreparation(Card, steps);
        return new EcgSet(preparation.Card, [.. _records.Select(preparation.Apply)]);
    }

    /// <summary>Marks records of a set that has no splits: some for training, all others for judging.</summary>
    /// <param name="training">How many are for training, 0 to <see cref="Count"/>.</param>
    /// <param name="seed">Which.</param>
    /// <exception cref="InputException">A record has a split already: splits of a publisher stay as they are.</exception>
    public EcgSet HoldOut(int training, long seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(training);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(training, Count);
        if (_records.FirstOrDefault(r => r.Split != EcgSplit.None) is { } marked)
            throw new InputException($"The record {Formats.FileFault.Quote(marked.Name)} of {Card.Name} is marked {marked.Split} already; take its split, or only records that have none.");
        var chosen = new KeyedRandom(seed, "ecg/hold-out").Permutation(0, Count).Take(training).ToHashSet();
        return new EcgSet(Card, [.. _records.Select((r, i) => r.WithSplit(chosen.Contains(i) ? EcgSplit.Train : EcgSplit.Test))]);
    }

    /// <summary>The records that are marked for training, as the type that training takes.</summary>
    /// <exception cref="InputException">No record is marked for training.</exception>
    public EcgTrainingSet ForTraining() => EcgTrainingSet.From(this);

    /// <summary>Throws unless two sets have the same leads and rate.</summary>
    /// <exception cref="InputException">They do not; the sentence says in what they differ.</exception>
    internal static void CheckComparable(EcgSet first, EcgSet second)
    {
        if (!first.Leads.SequenceEqual(second.Leads))
            throw Differ(first, second, $"in their leads ({string.Join(", ", first.Leads)}; {string.Join(", ", second.Leads)})");
        if (first.SamplingRate != second.SamplingRate)
            throw Differ(first, second, FormattableString.Invariant($"in their rate ({first.SamplingRate} and {second.SamplingRate} Hz)"));
    }

    /// <summary>Throws unless two sets have the same leads, rate, unit and classes.</summary>
    /// <exception cref="InputException">They do not; the sentence says in what they differ.</exception>
    internal static void CheckAlike(EcgSet first, EcgSet second)
    {
        CheckComparable(first, second);
        if (first.Unit != second.Unit)
            throw Differ(first, second, $"in their unit ({first.Unit}; {second.Unit})");
        if (!first.Classes.SequenceEqual(second.Classes))
            throw Differ(first, second, $"in their classes ({Formats.FileFault.Shorten(string.Join(", ", first.Classes))}; {Formats.FileFault.Shorten(string.Join(", ", second.Classes))})");
    }

    private static InputException Differ(EcgSet first, EcgSet second, string how) => new($"{first.Card.Name} and {second.Card.Name} differ {how}: prepare both alike.");

    /// <summary>Size and origin in words.</summary>
    public override string ToString() =>
        FormattableString.Invariant($"{Count} records of {Card.Name}: {Leads.Count} leads, {SamplingRate} Hz, {(SampleCount is { } n ? $"{n} samples" : "of different lengths")}, in {Unit}");
}

/// <summary>
/// ECGs that something may be trained on. Only records marked <see cref="EcgSplit.Train"/> are in it, by construction: there is no way
/// for a record of a test fold to come in, and a record's mark cannot be changed.
/// </summary>
public sealed class EcgTrainingSet : EcgSet
{
    private EcgTrainingSet(EcgCard card, IReadOnlyList<EcgRecord> records)
        : base(card, records)
    {
    }

    /// <summary>Those records of a set that are marked for training.</summary>
    /// <exception cref="InputException">There is none.</exception>
    public static EcgTrainingSet From(EcgSet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        EcgRecord[] records = [.. set.Records.Where(r => r.Split == EcgSplit.Train)];
        return records.Length > 0
            ? new EcgTrainingSet(set.Card, records)
            : throw new InputException($"No record of {set.Card.Name} is marked for training; say first how many are, and hold the others out.");
    }

    /// <summary>The records of two sets in one, those of the second after those of the first.</summary>
    /// <param name="first">Its card is the new set's.</param>
    /// <param name="second">With the same leads, rate, unit and classes; names that the first has too get a mark.</param>
    /// <exception cref="InputException">The sets do not fit together.</exception>
    public static EcgTrainingSet Join(EcgTrainingSet first, EcgTrainingSet second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        CheckAlike(first, second);
        var names = first.Records.Select(r => r.Name).ToHashSet(StringComparer.Ordinal);
        return new EcgTrainingSet(
            first.Card with { Name = $"{first.Card.Name} and {second.Card.Name}" },
            [.. first.Records, .. second.Records.Select(r => names.Contains(r.Name) ? r.WithName($"{second.Card.Name}/{r.Name}") : r)]);
    }
}
