using System.Globalization;
using Graft.Formats;
using Graft.Formats.Ecg;

namespace Graft.Data.Ecg;

/// <summary>The Lobachevsky University database: <c>ludb.csv</c> and <c>data/N.hea</c>, 200 records of 12 leads, 500 Hz, 10 s.</summary>
/// <remarks>
/// Kalyakulina et al., "LUDB: A New Open-Access Validation Tool for Electrocardiogram Delineation Algorithms", IEEE Access 8, 2020. In
/// version 1.0.1 the gain in the headers is each lead's own range (largest less smallest value), so that every lead would be 1 mV high and
/// the limb leads break the equations between them. The values of the converter obey them: they are in one unit, and are taken for
/// microvolts, which makes the heights usual ones.
/// </remarks>
public static class Ludb
{
    /// <summary>The table that tells a folder of LUDB.</summary>
    public const string TableFile = "ludb.csv";

    /// <summary>Whether a folder is LUDB.</summary>
    public static bool Is(string folder) => File.Exists(Path.Combine(folder, TableFile));

    /// <summary>Opens the folder.</summary>
    /// <param name="folder">Where the table lies.</param>
    /// <param name="options">Which records, by their number, and what is done to them.</param>
    /// <returns>Records without a split (<see cref="EcgSet.HoldOut"/>); each line of each column of diagnoses is a statement.</returns>
    /// <exception cref="InputException">The table or a record is missing or broken.</exception>
    public static EcgSet Open(string folder, EcgOpenOptions? options = null)
    {
        var table = CsvTable.Read(Path.Combine(folder, TableFile), "records of LUDB");
        var (id, sex, age) = (table.Column("ID"), table.Column("Sex"), table.Column("Age"));
        int[] diagnoses = [.. Enumerable.Range(0, table.Header.Length).Except([id, sex, age])];
        var reader = new EcgReader(options ?? new EcgOpenOptions());
        var card = new EcgCard
        {
            Name = "LUDB",
            Licence = "ODC-By 1.0, LUDB (Kalyakulina et al. 2020, PhysioNet)",
            Published = "Where a header's gains are the leads' own ranges, they are left out and the converter's values are taken for microvolts.",
            Leads = [],
            SamplingRate = 1,
            Unit = "mV",
        };
        var seen = new HashSet<int>();
        foreach (var (line, fields) in table.Rows)
        {
            if (!int.TryParse(fields[id], NumberStyles.None, CultureInfo.InvariantCulture, out var number) || !seen.Add(number))
                throw table.Fault(line, $"says {FileFault.Quote(fields[id])} for ID, which must be a whole number that no other line has");
            var name = number.ToString(CultureInfo.InvariantCulture);
            if (reader.IsFull)
                break;
            if (!reader.Wants(name))
                continue;
            string[] statements = [.. diagnoses.SelectMany(d => fields[d].Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)).Distinct(StringComparer.Ordinal)];
            reader.AddWfdb(Path.Combine(folder, "data", name + ".hea"), card, (_, samples, leads) => new EcgRecord(name, samples, leads)
            {
                Age = EcgReader.Age(fields[age]), Sex = EcgReader.Sex(fields[sex]), Statements = statements,
            }, record => GainsAreRanges(record) ? Microvolts(record) : null);
        }

        return reader.ToSet(null, folder);
    }

    /// <summary>Whether a record's gains only say how far each signal reaches, so that its physical values are not calibrated.</summary>
    internal static bool GainsAreRanges(WfdbRecord record)
    {
        for (var i = 0; i < record.Header.Signals.Count; i++)
        {
            var (low, high) = (int.MaxValue, int.MinValue);
            foreach (var value in record.Digital(i))
                (low, high) = (Math.Min(low, value), Math.Max(high, value));
            if (record.Header.Signals[i].Gain != (double)high - low)
                return false;
        }

        return true;
    }

    private static double[][] Microvolts(WfdbRecord record) =>
        [.. Enumerable.Range(0, record.Header.Signals.Count).Select(i => Array.ConvertAll(record.Digital(i).ToArray(), v => v / 1000.0))];
}

/// <summary>Folders of the PhysioNet/Computing in Cardiology challenges of 2020 and 2021: WFDB headers, each beside a MATLAB file of level 4, in folders of any depth.</summary>
/// <remarks>Reyna et al., "Will Two Do? Varying Dimensions in Electrocardiography", Computing in Cardiology 2021. SNOMED-CT codes stand under <c># Dx</c>.</remarks>
public static class Cinc2021
{
    /// <summary>Whether a folder holds WFDB headers that the other openers do not take.</summary>
    public static bool Is(string folder) => Headers(folder).Any();

    /// <summary>Opens the folder.</summary>
    /// <param name="folder">With headers in it or below.</param>
    /// <param name="options">Which records, and what is done to them.</param>
    /// <returns>
    /// Records without a split, but for those that come from PTB-XL (HR00001 and so on, whose number is PTB-XL's <c>ecg_id</c>): they have
    /// PTB-XL's split if its table is given, and are for judging only if it is not, as one in ten is of its test fold.
    /// </returns>
    /// <exception cref="InputException">A record is missing or broken, or has other leads, another rate or another unit than the first.</exception>
    public static EcgSet Open(string folder, EcgOpenOptions? options = null)
    {
        options ??= new EcgOpenOptions();
        var reader = new EcgReader(options);
        var card = new EcgCard { Name = "CinC-2021", Licence = "CC BY 4.0, PhysioNet/CinC challenge 2021", Leads = [], SamplingRate = 1, Unit = "mV" };
        foreach (var path in Headers(folder).Order(StringComparer.Ordinal))
        {
            var name = Path.GetFileNameWithoutExtension(path);
            if (reader.IsFull)
                break;
            if (!reader.Wants(name))
                continue;
            var origin = PtbXlId(name) is { } id ? options.PtbXl?.Find(id) : null;
            var split = PtbXlId(name) is null ? EcgSplit.None : origin?.Split ?? EcgSplit.Test;
            reader.AddWfdb(path, card, (header, samples, leads) => new EcgRecord(name, samples, leads, split)
            {
                Fold = origin?.Fold,
                Age = EcgReader.Age(header.Comment("Age")),
                Sex = EcgReader.Sex(header.Comment("Sex")),
                Statements = [.. (header.Comment("Dx") ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Where(code => code != "Unknown").Distinct(StringComparer.Ordinal)],
            });
        }

        return reader.ToSet(null, folder);
    }

    /// <summary>The number in PTB-XL of a challenge record that comes from there.</summary>
    internal static int? PtbXlId(string name) =>
        name.Length == 7 && name.StartsWith("HR", StringComparison.Ordinal) && int.TryParse(name.AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : null;

    internal static IEnumerable<string> Headers(string folder) =>
        Directory.EnumerateFiles(folder, "*.hea", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true });
}

/// <summary>CPSC-2018 (ICBEB-2018): MATLAB files of level 5, each a struct ECG of sex, age and data, 12 leads at 500 Hz, with <c>REFERENCE.csv</c>.</summary>
/// <remarks>Liu et al., "An Open Access Database for Evaluating the Algorithms of Electrocardiogram Rhythm and Morphology Abnormality Detection", JMIHI 8(7), 2018.</remarks>
public static class Cpsc2018
{
    /// <summary>Samples a second, which the files do not say.</summary>
    public const double Rate = 500;

    private const string TableFile = "REFERENCE.csv";
    private const int ClassCount = 9;

    /// <summary>Whether a folder holds such records: MATLAB files and no WFDB headers.</summary>
    public static bool Is(string folder) => Directory.EnumerateFiles(folder, "*.mat").Any() && !Directory.EnumerateFiles(folder, "*.hea").Any();

    /// <summary>Opens the folder.</summary>
    /// <param name="folder">Where the records lie, and <c>REFERENCE.csv</c> if there is one.</param>
    /// <param name="options">Which records, and what is done to them.</param>
    /// <returns>Records without a split; the classes are <see cref="ScpCodes.Cpsc2018"/>. Without the table, statements are empty.</returns>
    /// <exception cref="InputException">A record is missing, broken, or no such struct, or the table is broken.</exception>
    public static EcgSet Open(string folder, EcgOpenOptions? options = null)
    {
        var table = Path.Combine(folder, TableFile);
        var labels = File.Exists(table) ? ReadLabels(table) : null;
        var reader = new EcgReader(options ?? new EcgOpenOptions());
        foreach (var path in Directory.EnumerateFiles(folder, "*.mat").Order(StringComparer.Ordinal))
        {
            var name = Path.GetFileNameWithoutExtension(path);
            if (reader.IsFull)
                break;
            if (!reader.Wants(name))
                continue;
            if (labels is not null && !labels.ContainsKey(name))
                throw new FileFault(path).Read($"'{table}' does not name it", "give both as their publisher ships them");
            var record = ReadRecord(path);
            reader.Add(Card, record.Leads, path, (samples, leads) => new EcgRecord(name, samples, leads)
            {
                Age = record.Age, Sex = record.Sex, Statements = labels is null ? [] : labels[name],
            });
        }

        return reader.ToSet(ScpCodes.Cpsc2018, folder);
    }

    /// <summary>What holds for every record.</summary>
    internal static EcgCard Card => new()
    {
        Name = "CPSC-2018",
        Licence = "CC BY 4.0, China Physiological Signal Challenge 2018",
        Leads = EcgLeads.Standard,
        SamplingRate = Rate,
        Unit = "mV",
        Classes = ScpCodes.Cpsc2018,
    };

    /// <summary>Whether a MATLAB file is such a record.</summary>
    internal static bool IsRecord(MatlabFile file) => file.Variables is [{ Name: "ECG", Kind: MatlabKind.Struct }];

    /// <summary>Reads one record: leads in millivolts.</summary>
    /// <exception cref="InputException">It is missing, broken, or no such struct.</exception>
    internal static (double[][] Leads, double? Age, string? Sex) ReadRecord(string path)
    {
        var ecg = MatlabFile.Read(path)["ECG"];
        var fault = new FileFault(path);
        const string Remedy = "give a record of CPSC-2018 as its publisher ships it";
        if (ecg.Kind != MatlabKind.Struct || !ecg.Fields.TryGetValue("data", out var data) || data.Kind != MatlabKind.Numbers)
            throw fault.Read("its variable 'ECG' is no struct with a matrix 'data'", Remedy);
        if (data.Rows != EcgLeads.Standard.Count || data.Columns == 0)
            throw fault.Read($"its data are {data.Rows} x {data.Columns}, and a row for each of the twelve leads is wanted", Remedy);
        var values = data.ToDoubles();
        var leads = new double[data.Rows][];
        for (var lead = 0; lead < leads.Length; lead++)
        {
            leads[lead] = new double[data.Columns];
            for (var t = 0; t < data.Columns; t++)
                leads[lead][t] = values[(t * data.Rows) + lead];
        }

        double? age = ecg.Fields.TryGetValue("age", out var years) && years is { Kind: MatlabKind.Numbers, Rows: 1, Columns: 1 } && years.ToDoubles()[0] is >= 0 and < 1000 and var number ? number : null;
        return (leads, age, ecg.Fields.TryGetValue("sex", out var sex) && sex.Kind == MatlabKind.Text ? EcgReader.Sex(sex.ToText()) : null);
    }

    /// <summary>The classes of each record: up to three numbers from 1 to 9 a row.</summary>
    private static Dictionary<string, string[]> ReadLabels(string path)
    {
        var table = CsvTable.Read(path, "labels of CPSC-2018");
        var name = table.Column("Recording");
        int[] columns = [table.Column("First_label"), table.Column("Second_label"), table.Column("Third_label")];
        var labels = new Dictionary<string, string[]>(StringComparer.Ordinal);
        foreach (var (line, fields) in table.Rows)
        {
            var classes = columns.Select(c => fields[c]).Where(text => text.Length > 0).Select(text =>
                EcgReader.Age(text) is { } number && number % 1 == 0 && number is >= 1 and <= ClassCount
                    ? ScpCodes.Cpsc2018[(int)number - 1]
                    : throw table.Fault(line, $"says the class {FileFault.Quote(text)}, which must be 1 to {ClassCount}")).ToArray();
            if (classes.Length == 0 || !labels.TryAdd(fields[name], classes))
                throw table.Fault(line, $"must name a record that no other line has and its class, and says {FileFault.Quote(string.Join(',', fields))}");
        }

        return labels;
    }
}
