using Graft.Data.Ecg;
using Graft.Formats;

namespace Graft.Recipes;

/// <summary>
/// ECGs, as recipes say them. Every record is prepared in this order: missing samples are filled in, the rate is changed, the band
/// filtered, z-scored limb leads brought back to one scale, the leads chosen, the length fitted.
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

    /// <summary>Of data without splits, how many records are for training, by <see cref="Seed"/>; the others are <c>test</c>.</summary>
    public int? Train { get; init; }

    /// <summary>Which.</summary>
    public long Seed { get; init; }

    /// <summary>At most so many records, the first ones; 0: all.</summary>
    public int MaxCount { get; init; }

    /// <summary>Reads the records.</summary>
    /// <exception cref="InputException">They cannot be read, none is left, or an option does not fit.</exception>
    public EcgItems Open()
    {
        var options = new EcgOpenOptions { Rate = Rate == PtbXlLowRate ? PtbXlLowRate : PtbXlHighRate };
        // The first record says what they are; the others are then prepared as they are read.
        var card = EcgFolder.Open(Folder, options with { MaxCount = 1 }).Card;
        var set = EcgFolder.Open(Folder, options with { Steps = Steps(card) });
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
        set = Split switch
        {
            EcgSplit.None => set,
            EcgSplit.Train => set.ForTraining(),
            _ => set.Of(Split),
        };
        if (MaxCount > 0 && MaxCount < set.Count)
        {
            var first = set.Records.Take(MaxCount).Select(r => r.Name).ToHashSet(StringComparer.Ordinal);
            set = set.Where(r => first.Contains(r.Name));
            set = Split == EcgSplit.Train ? set.ForTraining() : set;
        }

        return new EcgItems(set);
    }

    private List<EcgStep> Steps(EcgCard card)
    {
        var leads = Leads ?? EcgLeads.Independent;
        var steps = new List<EcgStep> { new FillMissing() };
        if (card.SamplingRate != Rate)
            steps.Add(new Resample(Rate));
        if (Band is not null)
            steps.Add(Band is [var low, var high] ? new BandPass(low, high) : throw new InputException("The option ecg.band must be two numbers, the lower edge and the upper one in Hz."));
        if (card.Unit == ZScore.UnitName && leads.Any(EcgLeads.Limb.Contains))
            steps.Add(new RestoreLimbScales());
        steps.Add(new ChooseLeads(leads));
        steps.Add(new FitLength(Length, Keep, Pad));
        return steps;
    }
}
