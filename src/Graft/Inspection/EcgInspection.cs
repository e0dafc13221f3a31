using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Graft.Charts;
using Graft.Data.Ecg;
using Graft.Formats;
using Graft.Formats.Ecg;
using Graft.Formats.Images;

namespace Graft.Inspection;

/// <summary>What a WFDB record, a MATLAB file of a challenge, or a folder of ECGs is.</summary>
public sealed record EcgInspection
{
    /// <summary>Records of a folder whose samples are read for the inspection.</summary>
    public const int MostRecords = 200;

    private static readonly JsonSerializerOptions Style = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>What was inspected.</summary>
    public required string Path { get; init; }

    /// <summary>What it is, in words.</summary>
    public required string Description { get; init; }

    /// <summary>Names of the leads.</summary>
    public IReadOnlyList<string> Leads { get; init; } = [];

    /// <summary>Samples a second; null where the file does not say.</summary>
    public double? SamplingRate { get; init; }

    /// <summary>Shortest and longest record in samples of each lead.</summary>
    public IReadOnlyList<int> Samples { get; init; } = [];

    /// <summary>The unit of the samples.</summary>
    public string Unit { get; init; } = "";

    /// <summary>What the checksums say; empty where there are none in such files.</summary>
    public string Checksums { get; init; } = "";

    /// <summary>Records that were read.</summary>
    public int Records { get; init; } = 1;

    /// <summary>Classes or statements, and how many of the records that were read have each.</summary>
    public IReadOnlyDictionary<string, int> Labels { get; init; } = new Dictionary<string, int>();

    /// <summary>What the splits are, and how many records are in each; empty where there are none.</summary>
    public IReadOnlyDictionary<string, int> Splits { get; init; } = new Dictionary<string, int>();

    /// <summary>Sentences that are good to know.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>The records that were read; null where the file holds no ECG that is understood.</summary>
    [JsonIgnore]
    public EcgSet? Set { get; init; }

    /// <summary>Whether something is inspected here: a <c>.hea</c> or <c>.mat</c> file, or a folder of ECGs that is known.</summary>
    /// <param name="path">Any path.</param>
    public static bool Is(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return Directory.Exists(path)
            ? EcgFolder.KindOf(path) is not null
            : path.EndsWith(".hea", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".mat", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Inspects a file or a folder.</summary>
    /// <param name="path">See <see cref="Is"/>.</param>
    /// <param name="record">The one record of a folder that is wanted, by name; null: the first <see cref="MostRecords"/>.</param>
    /// <exception cref="InputException">It is missing or broken.</exception>
    public static EcgInspection Of(string path, string? record = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
            return OfFolder(path, record);
        if (record is not null)
            throw new InputException($"The file '{path}' is one record; leave --record out, or name a folder.");
        return path.EndsWith(".mat", StringComparison.OrdinalIgnoreCase) ? OfMatlab(path) : OfHeader(path);
    }

    /// <summary>Everything as one JSON object, keys in snake case.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Style);

    /// <summary>Draws the first record that was read, as ECG paper.</summary>
    /// <exception cref="InputException">There is nothing that can be drawn.</exception>
    public Picture Plot() => Set is { } set
        ? new EcgPaper().Draw(set.Card, set[0])
        : throw new InputException($"There is no ECG in '{Path}' that can be drawn; name a WFDB header, a record of CPSC-2018, or a folder of ECGs.");

    private static EcgInspection OfHeader(string path)
    {
        var (record, leads, unit) = EcgReader.Samples(path, verify: false);
        var header = record.Header;
        var names = header.Signals.Select(s => EcgLeads.Canonical(s.Description)).ToArray();
        var card = new EcgCard { Name = "WFDB", Leads = names, SamplingRate = header.SamplingRate, Unit = unit };
        var notes = new List<string>();
        if (header.Signals.Any(s => !s.IsCalibrated))
            notes.Add($"Of {header.Signals.Count(s => !s.IsCalibrated)} signals the header gives no gain: {WfdbSignal.DefaultGain} units of the converter a millivolt are assumed.");
        if (Ludb.GainsAreRanges(record))
            notes.Add("The gain of each signal is its own range, so that the heights of different leads cannot be compared; the folder of LUDB, opened as a whole, takes the converter's values instead.");
        var missing = leads.Sum(lead => lead.Count(v => !double.IsFinite(v)));
        if (missing > 0)
            notes.Add($"{missing} values are marked as missing.");
        var first = Enumerable.Range(0, leads.Length).Count(i => record.InitialValue(i) == WfdbChecksum.Wrong);
        if (first > 0)
            notes.Add($"Of {first} signals the first sample is not what the header says.");
        notes.AddRange(header.Comments.Take(20).Select(c => $"# {FileFault.Shorten(Printable(c))}"));
        var dx = (header.Comment("Dx") ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Distinct(StringComparer.Ordinal);
        return new EcgInspection
        {
            Path = path,
            Description = $"WFDB record, format {string.Join(", ", header.Signals.Select(s => s.Format).Distinct())}, {string.Join(", ", header.Signals.Select(s => s.FileName).Distinct(StringComparer.Ordinal).Select(f => FileFault.Quote(f)))}",
            Leads = names,
            SamplingRate = header.SamplingRate,
            Samples = [record.SampleCount],
            Unit = unit,
            Checksums = Checks([.. Enumerable.Range(0, leads.Length).Select(record.Checksum)]),
            Labels = dx.ToDictionary(d => Printable(FileFault.Shorten(d, 60)), _ => 1, StringComparer.Ordinal),
            Notes = notes,
            Set = new EcgSet(card, [new EcgRecord(System.IO.Path.GetFileNameWithoutExtension(path), EcgPreparation.Flatten(leads), leads.Length)]),
        };
    }

    private static EcgInspection OfMatlab(string path)
    {
        var file = MatlabFile.Read(path);
        var description = $"MATLAB file of level {file.Level}: {FileFault.Shorten(Printable(string.Join("; ", file.Variables)), 300)}";
        if (!Cpsc2018.IsRecord(file))
        {
            var header = System.IO.Path.ChangeExtension(path, ".hea");
            return new EcgInspection
            {
                Path = path,
                Description = description,
                Notes = [File.Exists(header) ? $"The header '{header}' beside it says what the numbers are: inspect that." : "There is no WFDB header beside it that would say what the numbers are."],
            };
        }

        var (leads, age, sex) = Cpsc2018.ReadRecord(path);
        return new EcgInspection
        {
            Path = path,
            Description = $"record of CPSC-2018, {description}",
            Leads = Cpsc2018.Card.Leads,
            SamplingRate = Cpsc2018.Rate,
            Samples = [leads[0].Length],
            Unit = Cpsc2018.Card.Unit,
            Notes = ["The sampling rate and the unit are those of the challenge; the file does not say them.", FormattableString.Invariant($"Age {(object?)age ?? "unknown"}, sex {sex ?? "unknown"}.")],
            Set = new EcgSet(Cpsc2018.Card, [new EcgRecord(System.IO.Path.GetFileNameWithoutExtension(path), EcgPreparation.Flatten(leads), leads.Length)]),
        };
    }

    private static EcgInspection OfFolder(string path, string? record)
    {
        var kind = EcgFolder.KindOf(path)!;
        var set = EcgFolder.Open(path, new EcgOpenOptions { Where = record is null ? null : name => name == record, MaxCount = record is null ? MostRecords + 1 : 1, Verify = false });
        var notes = new List<string>();
        var more = set.Count > MostRecords;
        if (more)
        {
            set = new EcgSet(set.Card, [.. set.Records.Take(MostRecords)]);
            notes.Add($"What is said here is of the first {MostRecords} records.");
        }

        if (set.Card.Published.Length > 0)
            notes.Add(set.Card.Published);
        if (kind == "CinC-2021" && set.Records.Any(r => r.Split == EcgSplit.Test))
            notes.Add("Records named HR... come from PTB-XL and are kept out of training here, since their folds are in PTB-XL's table only.");
        return new EcgInspection
        {
            Path = path,
            Description = $"folder of {kind}",
            Leads = set.Leads,
            SamplingRate = set.SamplingRate,
            Samples = [.. new[] { set.Records.Min(r => r.SampleCount), set.Records.Max(r => r.SampleCount) }.Distinct()],
            Unit = set.Unit,
            Records = set.Count,
            Checksums = FolderChecks(path, kind, set),
            Labels = set.Records.SelectMany(r => r.Statements).CountBy(s => Printable(FileFault.Shorten(s, 60)), StringComparer.Ordinal)
                .OrderByDescending(p => p.Value).ThenBy(p => p.Key, StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal),
            Splits = set.Records.CountBy(r => r.Split).Where(p => p.Key != EcgSplit.None).OrderBy(p => p.Key).ToDictionary(p => p.Key.ToString().ToLowerInvariant(), p => p.Value, StringComparer.Ordinal),
            Notes = notes,
            Set = set,
        };
    }

    /// <summary>The same records once more, checksums asked for: those that are refused are wrong.</summary>
    private static string FolderChecks(string path, string kind, EcgSet set)
    {
        if (kind is not ("PTB-XL" or "LUDB" or "CinC-2021"))
            return "";
        var names = set.Records.Select(r => r.Name).ToHashSet(StringComparer.Ordinal);
        var checks = new List<WfdbChecksum>();
        foreach (var header in Cinc2021.Headers(path))
        {
            // Names of PTB-XL's files have an ending that says the rate.
            var name = System.IO.Path.GetFileNameWithoutExtension(header);
            if (!names.Contains(kind == "PTB-XL" ? name.Replace("_lr", "", StringComparison.Ordinal) : name))
                continue;
            var record = WfdbRecord.Read(header, verify: false);
            checks.AddRange(Enumerable.Range(0, record.Header.Signals.Count).Select(record.Checksum));
        }

        return Checks(checks);
    }

    private static string Checks(List<WfdbChecksum> checks)
    {
        var counts = checks.CountBy(c => c).ToDictionary();
        var (right, wrong) = (counts.GetValueOrDefault(WfdbChecksum.Right), counts.GetValueOrDefault(WfdbChecksum.Wrong));
        return (right, wrong) switch
        {
            (0, 0) => "none in the headers",
            (_, 0) when right == checks.Count => $"right, of all {right} signals",
            _ => $"right of {right} signals, wrong of {wrong}, none of {checks.Count - right - wrong}",
        };
    }

    private static string Printable(string text) => string.Concat(text.Select(c => char.IsControl(c) || char.GetUnicodeCategory(c) == System.Globalization.UnicodeCategory.Format ? '?' : c));
}
