using Graft.Formats;
using Graft.Formats.Ecg;

namespace Graft.Data.Ecg;

/// <summary>From files to records: leads by their usual names, millivolts where the unit is known, then the steps.</summary>
internal sealed class EcgReader(EcgOpenOptions options)
{
    private readonly List<EcgRecord> _records = [];
    private EcgPreparation? _preparation;
    private string _first = "";

    /// <summary>Whether a record is wanted; called in the order of the records.</summary>
    public bool Wants(string name) => !IsFull && (options.Where?.Invoke(name) ?? true);

    public bool IsFull => _records.Count >= options.MaxCount;

    /// <summary>Adds a WFDB record.</summary>
    /// <param name="path">Its header.</param>
    /// <param name="card">What is known of the set; leads, rate and unit are taken from the first record.</param>
    /// <param name="describe">Puts what is known of the record beside its samples.</param>
    /// <param name="rescale">Other physical values for a record whose header's are wrong; null where they are right.</param>
    public void AddWfdb(string path, EcgCard card, Func<WfdbHeader, float[], int, EcgRecord> describe, Func<WfdbRecord, double[][]?>? rescale = null)
    {
        var (record, leads, unit) = Samples(path, options.Verify);
        leads = rescale?.Invoke(record) ?? leads;
        Add(card with { Leads = [.. record.Header.Signals.Select(s => EcgLeads.Canonical(s.Description))], SamplingRate = record.Header.SamplingRate, Unit = unit },
            leads, path, (samples, count) => describe(record.Header, samples, count));
    }

    /// <summary>Adds a record of which leads, rate and unit are known.</summary>
    public void Add(EcgCard card, double[][] leads, string path, Func<float[], int, EcgRecord> describe)
    {
        if (_preparation is null)
        {
            if (card.Leads.Distinct(StringComparer.Ordinal).Count() != card.Leads.Count || card.Leads.Any(l => l.Length == 0))
                throw new FileFault(path).Read($"its leads {FileFault.Shorten(string.Join(", ", card.Leads.Select(l => FileFault.Quote(l))))} do not each have a name of their own", "choose other data");
            (_preparation, _first, Before) = (new EcgPreparation(card, options.Steps), path, card);
        }
        else if (!card.Leads.SequenceEqual(Before!.Leads) || card.SamplingRate != Before.SamplingRate || card.Unit != Before.Unit)
        {
            throw new FileFault(path).Read(
                FormattableString.Invariant($"its leads, rate or unit ({FileFault.Shorten(string.Join(' ', card.Leads), 60)}, {card.SamplingRate} Hz, {FileFault.Quote(card.Unit)}) are not those of {FileFault.Shorten(Path.GetFileName(_first), 60)} ")
                + FormattableString.Invariant($"({FileFault.Shorten(string.Join(' ', Before.Leads), 60)}, {Before.SamplingRate} Hz, {FileFault.Quote(Before.Unit)})"),
                "open such records apart");
        }

        var prepared = EcgPreparation.Flatten(_preparation.Apply(leads, Path.GetFileNameWithoutExtension(path)));
        _records.Add(describe(prepared, _preparation.Card.Leads.Count));
    }

    /// <summary>What held before the steps.</summary>
    private EcgCard? Before { get; set; }

    /// <summary>The set.</summary>
    /// <param name="classes">Its classes; null: the statements of its records in ordinal order.</param>
    /// <param name="folder">For messages.</param>
    public EcgSet ToSet(IReadOnlyList<string>? classes, string folder)
    {
        if (_records.Count == 0)
            throw new InputException($"None of the records in '{folder}' was chosen; choose at least one.");
        classes ??= [.. _records.SelectMany(r => r.Statements).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        return new EcgSet(_preparation!.Card with { Classes = classes }, _records);
    }

    /// <summary>A WFDB record's samples by lead, in millivolts where the unit is one of volts.</summary>
    internal static (WfdbRecord Record, double[][] Leads, string Unit) Samples(string path, bool verify)
    {
        var record = WfdbRecord.Read(path, verify);
        var signals = record.Header.Signals;
        var factors = signals.Select(s => Millivolts(s.Units)).ToArray();
        var known = factors.All(f => f is not null);
        if (!known && signals.Select(s => s.Units).Distinct(StringComparer.Ordinal).Count() > 1)
            throw new FileFault(path).Read($"its signals are in the units {FileFault.Shorten(string.Join(", ", signals.Select(s => s.Units).Distinct(StringComparer.Ordinal).Select(u => FileFault.Quote(u))))}, which cannot be brought to one", "choose other data");
        var leads = new double[signals.Count][];
        for (var i = 0; i < leads.Length; i++)
        {
            leads[i] = record.Physical(i);
            if (factors[i] is { } factor && factor != 1 && known)
            {
                for (var t = 0; t < leads[i].Length; t++)
                    leads[i][t] *= factor;
            }
        }

        return (record, leads, known ? "mV" : signals[0].Units);
    }

    private static double? Millivolts(string unit) => unit.ToLowerInvariant() switch
    {
        "mv" or "millivolt" or "millivolts" => 1,
        "uv" or "µv" or "μv" or "microvolt" or "microvolts" => 1e-3,
        "v" or "volt" or "volts" => 1e3,
        _ => null,
    };

    /// <summary>Sex as most publishers write it.</summary>
    internal static string? Sex(string? text) => text?.Trim().ToUpperInvariant() switch
    {
        "F" or "FEMALE" => "F",
        "M" or "MALE" => "M",
        _ => null,
    };

    /// <summary>An age in years; null for what is no number.</summary>
    internal static double? Age(string? text) =>
        double.TryParse(text, System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out var age) && double.IsFinite(age) && age >= 0 ? age : null;
}
