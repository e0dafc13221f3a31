using Graft.Data.Ecg;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Recipes;

/// <summary>
/// ECGs, as recipes say them. Every record is prepared in this order: missing samples are filled in, the rate is changed, the band
/// filtered, the leads z-scored where that is asked, z-scored limb leads brought back to one scale, the leads chosen, the length fitted.
/// </summary>
public sealed record EcgDataOptions
{
    private const int PtbXlLowRate = 100;
    private const int PtbXlHighRate = 500;

    /// <summary>A folder of PTB-XL, its subset, LUDB, CPSC-2018 or CinC-2021.</summary>
    public required string Folder { get; init; }

    /// <summary>The leads, in order; limb leads that are missing follow from two others. None: SSSD-ECG's eight, I, V1 to V6, aVF.</summary>
    public IReadOnlyList<string>? Leads { get; init; }

    /// <summary>Samples a second.</summary>
    public double Rate { get; init; } = 100;

    /// <summary>Samples of each lead.</summary>
    public int Length { get; init; } = 1000;

    /// <summary>Which part of longer records is kept.</summary>
    public EcgAlignment Keep { get; init; } = EcgAlignment.Start;

    /// <summary>Whether shorter records are filled up with zeros; else they are refused.</summary>
    public bool Pad { get; init; }

    /// <summary>The edges of a band-pass, Hz; none: no filter.</summary>
    public IReadOnlyList<double>? Band { get; init; }

    /// <summary>
    /// Whether each lead is brought to mean 0 and deviation 1 (<see cref="Data.Ecg.ZScore"/>), which data in millivolts need beside data whose
    /// publisher did so. Data that are so already stay as they are. Limb leads are then brought back to one scale, as with those.
    /// </summary>
    public bool ZScore { get; init; }

    /// <summary>Other names for statements of the data, as <c>{ Atrial fibrillation: AFIB }</c>: before anything else looks at them.</summary>
    public IReadOnlyDictionary<string, string>? Rename { get; init; }

    /// <summary>
    /// The classes, by name: statements of the data. <c>scp</c> alone stands for PTB-XL's 71 statements, <c>cpsc</c> for the nine of
    /// CPSC-2018; none: the data's own; an empty list: no labels.
    /// </summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>Only records with one of these statements; none: all.</summary>
    public IReadOnlyList<string>? With { get; init; }

    /// <summary>No record with one of these statements.</summary>
    public IReadOnlyList<string>? Without { get; init; }

    /// <summary>Which records: <c>train</c>, which alone can be trained on; <c>validation</c>, <c>test</c>; <c>none</c>: all, for judging.</summary>
    public EcgSplit Split { get; init; } = EcgSplit.Train;

    /// <summary>Whether <c>split: test</c> takes the validation records too: all that nothing is trained on.</summary>
    public bool WithValidation { get; init; }

    /// <summary>Of data without splits, how many records are for training, by <see cref="Seed"/>; the others are <c>test</c>.</summary>
    public int? Train { get; init; }

    /// <summary>Which.</summary>
    public long Seed { get; init; }

    /// <summary>At most so many records, the first ones; 0: all.</summary>
    public int MaxCount { get; init; }

    /// <summary>Whether <see cref="MaxCount"/> takes the first ones of an order that <see cref="Seed"/> draws, in place of the data's.</summary>
    public bool Shuffle { get; init; }

    /// <summary>Reads the records.</summary>
    /// <exception cref="InputException">They cannot be read, none is left, or an option does not fit.</exception>
    public EcgItems Open()
    {
        var options = new EcgOpenOptions { Rate = Rate == PtbXlLowRate ? PtbXlLowRate : PtbXlHighRate };
        // The first record says what they are; the others are then prepared as they are read.
        var card = EcgFolder.Open(Folder, options with { MaxCount = 1 }).Card;
        var set = EcgFolder.Open(Folder, options with { Steps = Steps(card) });
        set = Rename is null ? set : Renamed(set, Rename);
        set = set.Where(r => (With is null || r.Statements.Any(With.Contains)) && Without?.Any(r.Statements.Contains) != true);
        if (set.Count == 0)
            throw new InputException($"No record of {card.Name} in {FileFault.Quote(Folder)} has what with and without ask for: change them.");
        set = Labels switch
        {
            null => set,
            ["scp"] => set.WithClasses(ScpCodes.All),
            ["cpsc"] => set.WithClasses(ScpCodes.Cpsc2018),
            _ when Labels.Distinct(StringComparer.Ordinal).Count() < Labels.Count => throw new InputException("The option ecg.labels names a class twice: name each once."),
            _ => set.WithClasses(Labels),
        };
        if (Train is { } training)
        {
            if (training < 1 || training > set.Count)
                throw new InputException($"The option ecg.train is {training}: give 1 to {set.Count}, the records that there are.");
            set = set.HoldOut(training, Seed);
        }

        if (Split == EcgSplit.Train && set.Records.All(r => r.Split == EcgSplit.None))
            throw new InputException($"No record of {card.Name} has a split: say with ecg.train how many are for training, or ecg.split none to judge by all.");
        if (WithValidation && Split != EcgSplit.Test)
            throw new InputException("The option ecg.with_validation goes with ecg.split test: give that, or leave it out.");
        set = Split switch
        {
            EcgSplit.None => set,
            EcgSplit.Test when WithValidation => set.Where(r => r.Split is EcgSplit.Test or EcgSplit.Validation),
            EcgSplit.Train => set.ForTraining(),
            _ => set.Of(Split),
        };
        if (MaxCount > 0 && MaxCount < set.Count)
        {
            var order = Shuffle ? new KeyedRandom(Seed, "ecg/shuffle").Permutation(0, set.Count).Select(i => set[i]) : set.Records;
            var first = order.Take(MaxCount).Select(r => r.Name).ToHashSet(StringComparer.Ordinal);
            set = set.Where(r => first.Contains(r.Name));
            set = Split == EcgSplit.Train ? set.ForTraining() : set;
        }

        return new EcgItems(set);
    }

    private static EcgSet Renamed(EcgSet set, IReadOnlyDictionary<string, string> names)
    {
        var known = set.Records.SelectMany(r => r.Statements).ToHashSet(StringComparer.Ordinal);
        if (names.Keys.FirstOrDefault(name => !known.Contains(name)) is { } missing)
            throw new InputException($"The option ecg.rename names {FileFault.Quote(missing)}, which no record of {set.Card.Name} states: it has {FileFault.Shorten(string.Join(", ", known.Order(StringComparer.Ordinal)))}.");
        return set.Relabel([.. set.Classes.Select(Named).Distinct(StringComparer.Ordinal)], r => r.Statements.Select(Named).Distinct(StringComparer.Ordinal));

        string Named(string statement) => names.GetValueOrDefault(statement, statement);
    }

    private List<EcgStep> Steps(EcgCard card)
    {
        var leads = Leads ?? EcgLeads.Independent;
        var steps = new List<EcgStep> { new FillMissing() };
        if (card.SamplingRate != Rate)
            steps.Add(new Resample(Rate));
        if (Band is not null)
            steps.Add(Band is [var low, var high] ? new BandPass(low, high) : throw new InputException("The option ecg.band must be two numbers, the lower edge and the upper one in Hz."));
        var scored = card.Unit == Data.Ecg.ZScore.UnitName;
        if (ZScore && !scored)
            steps.Add(new ZScore());
        if ((ZScore || scored) && leads.Any(EcgLeads.Limb.Contains))
            steps.Add(new RestoreLimbScales());
        steps.Add(new ChooseLeads(leads));
        steps.Add(new FitLength(Length, Keep, Pad));
        return steps;
    }
}
