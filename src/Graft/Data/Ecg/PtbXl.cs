using System.Globalization;
using System.Runtime.InteropServices;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Data.Ecg;

/// <summary>Opens PTB-XL as its publisher ships it, and the subset of it that comes as safetensors.</summary>
public static class PtbXl
{
    /// <summary>The table that tells a folder of PTB-XL.</summary>
    public const string TableFile = "ptbxl_database.csv";

    private const string Licence = "CC BY 4.0, PTB-XL (Wagner et al. 2020, PhysioNet)";
    private const string SubsetTable = "records.csv";
    private const string SubsetSignals = "signals.safetensors";

    /// <summary>Whether a folder is PTB-XL.</summary>
    public static bool Is(string folder) => File.Exists(Path.Combine(folder, TableFile));

    /// <summary>Whether a folder is the subset of safetensors and CSV.</summary>
    public static bool IsSubset(string folder) => File.Exists(Path.Combine(folder, SubsetTable)) && File.Exists(Path.Combine(folder, SubsetSignals));

    /// <summary>Opens the publisher's folder: <c>ptbxl_database.csv</c>, <c>scp_statements.csv</c>, <c>records100</c> or <c>records500</c>.</summary>
    /// <param name="folder">Where the tables lie.</param>
    /// <param name="options">Which records, at which rate, and what is done to them.</param>
    /// <returns>Records named by their <c>ecg_id</c> with five digits; all SCP codes are statements, whatever their likelihood.</returns>
    /// <exception cref="InputException">A table or a record is missing or broken.</exception>
    public static EcgSet Open(string folder, EcgOpenOptions? options = null)
    {
        options ??= new EcgOpenOptions();
        if (options.Rate is not (100 or 500))
            throw new InputException($"PTB-XL comes with 100 and 500 samples a second, not {options.Rate}; choose one of them, and resample.");
        var table = PtbXlTable.Read(Path.Combine(folder, TableFile));
        var statements = Path.Combine(folder, "scp_statements.csv");
        var classes = File.Exists(statements) ? ScpCodes.Read(statements) : ScpCodes.All;
        var reader = new EcgReader(options);
        foreach (var row in table.Rows)
        {
            var name = row.EcgId.ToString("00000", CultureInfo.InvariantCulture);
            if (reader.IsFull)
                break;
            if (!reader.Wants(name))
                continue;
            var path = Path.Combine(folder, (options.Rate == 100 ? row.LowRateFile : row.HighRateFile) + ".hea");
            reader.AddWfdb(path, Card("PTB-XL"), (_, samples, leads) => new EcgRecord(name, samples, leads, row.Split)
            {
                Fold = row.Fold, Age = row.Age, Sex = row.Sex, Statements = [.. row.ScpCodes.Keys],
            });
        }

        return reader.ToSet(classes, folder);
    }

    /// <summary>Opens the subset: <c>signals.safetensors</c> (int16 [records, leads, samples] with scale, unit, rate and leads in its metadata) and <c>records.csv</c>.</summary>
    /// <param name="folder">Where both lie.</param>
    /// <param name="options">Which records, and what is done to them.</param>
    /// <returns>Records named by their <c>ecg_id</c> with five digits. The one class is AFIB; further SCP codes are statements where the table has them.</returns>
    /// <exception cref="InputException">A file is missing or broken, or the two do not belong together.</exception>
    public static EcgSet OpenSubset(string folder, EcgOpenOptions? options = null)
    {
        var (table, path) = (CsvTable.Read(Path.Combine(folder, SubsetTable), "records"), Path.Combine(folder, SubsetSignals));
        using var file = SafetensorsFile.Open(path);
        var fault = new FileFault(path);
        var entry = file["signals"];
        var leads = Metadata("leads").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var (scale, rate) = (Number("scale"), Number("sampling_rate_hz"));
        if (entry.Type != DType.Int16 || entry.Shape.Length != 3 || entry.Shape[0] != table.Rows.Count || entry.Shape[1] != leads.Length || entry.Shape[2] is < 1 or > int.MaxValue || leads.Length == 0)
        {
            throw fault.Read(
                $"its signals are {entry.Type} [{string.Join(", ", entry.Shape)}], and int16 [{table.Rows.Count} records, {leads.Length} leads, samples] are wanted",
                "give both files as they are shipped");
        }

        var card = Card("PTB-XL subset") with
        {
            Published = "Resampled from 500 Hz (polyphase), band-passed 0.5 to 40 Hz and z-scored per lead by its publisher; millivolts are lost.",
            Leads = [.. leads.Select(EcgLeads.Canonical)],
            SamplingRate = rate,
            Unit = Metadata("unit") is ZScore.UnitName or "standard deviations of the lead" ? ZScore.UnitName : Metadata("unit"),
        };
        var (id, split, fibrillation) = (table.Column("ecg_id"), table.Column("split"), table.Column("atrial_fibrillation"));
        var (age, sex, codes) = (table.Column("age"), table.Column("sex"), table.Column("scp_codes"));
        var reader = new EcgReader(options ?? new EcgOpenOptions());
        var length = (int)entry.Shape[2];
        for (var i = 0; i < table.Rows.Count && !reader.IsFull; i++)
        {
            var (line, fields) = table.Rows[i];
            if (!int.TryParse(fields[id], NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                throw table.Fault(line, $"says {FileFault.Quote(fields[id])} for ecg_id, which must be a whole number");
            var name = number.ToString("00000", CultureInfo.InvariantCulture);
            if (!reader.Wants(name))
                continue;
            var use = fields[split] switch
            {
                "train" => EcgSplit.Train,
                "val" => EcgSplit.Validation,
                "test" => EcgSplit.Test,
                _ => throw table.Fault(line, $"says {FileFault.Quote(fields[split])} for split, which must be train, val or test"),
            };
            var known = fields[codes].Length == 0 ? [] : ScpCodes.Parse(fields[codes])?.Keys.ToList() ?? throw table.Fault(line, $"says {FileFault.Quote(fields[codes])} for scp_codes, which is no list of codes");
            var has = fields[fibrillation] switch
            {
                "1" => true,
                "0" => false,
                _ => throw table.Fault(line, $"says {FileFault.Quote(fields[fibrillation])} for atrial_fibrillation, which must be 0 or 1"),
            };
            if (known.Count > 0 && known.Contains("AFIB") != has)
                throw table.Fault(line, "says of atrial fibrillation two different things, in atrial_fibrillation and in scp_codes");
            if (has && known.Count == 0)
                known.Add("AFIB");
            reader.Add(card, Row(file, i), name, (samples, count) => new EcgRecord(name, samples, count, use)
            {
                Age = EcgReader.Age(fields[age]), Sex = ScpCodes.Sex(fields[sex]), Statements = known,
            });
        }

        return reader.ToSet(["AFIB"], folder);

        double[][] Row(SafetensorsFile signals, int row)
        {
            // A row of a record: its leads one after the other.
            var bytes = signals.Bytes("signals").Slice(row * leads.Length * length * sizeof(short), leads.Length * length * sizeof(short));
            var values = MemoryMarshal.Cast<byte, short>(bytes);
            var record = new double[leads.Length][];
            for (var l = 0; l < leads.Length; l++)
            {
                record[l] = new double[length];
                for (var t = 0; t < length; t++)
                    record[l][t] = scale * values[(l * length) + t];
            }

            return record;
        }

        string Metadata(string key) => file.Metadata.GetValueOrDefault(key) ?? throw fault.Read($"its metadata do not say {key}", "give the file as it is shipped");

        double Number(string key) => double.TryParse(Metadata(key), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value > 0 && double.IsFinite(value)
            ? value
            : throw fault.Read($"its metadata say {FileFault.Quote(Metadata(key))} for {key}, which must be a number above 0", "give the file as it is shipped");
    }

    private static EcgCard Card(string name) => new() { Name = name, Licence = Licence, Leads = [], SamplingRate = 1, Unit = "mV" };
}
