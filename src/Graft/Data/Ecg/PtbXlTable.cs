using System.Globalization;
using Graft.Formats;

namespace Graft.Data.Ecg;

/// <summary>PTB-XL's table of records, <c>ptbxl_database.csv</c>.</summary>
/// <remarks>
/// Wagner et al., "PTB-XL, a large publicly available electrocardiography dataset", Scientific Data 7:154, 2020. Folds 1 to 8 are for
/// training, 9 for validation, 10 for the test; all records of a person are in one fold.
/// </remarks>
public sealed class PtbXlTable
{
    private readonly Dictionary<int, PtbXlRow> _byId;

    private PtbXlTable(string path, IReadOnlyList<PtbXlRow> rows)
    {
        (Path, Rows) = (path, rows);
        _byId = rows.ToDictionary(r => r.EcgId);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The rows in the order of the file.</summary>
    public IReadOnlyList<PtbXlRow> Rows { get; }

    /// <summary>The row of a record; null where there is none.</summary>
    public PtbXlRow? Find(int ecgId) => _byId.GetValueOrDefault(ecgId);

    /// <summary>Reads the table.</summary>
    /// <param name="path">The file <c>ptbxl_database.csv</c>.</param>
    /// <exception cref="InputException">It cannot be read, or a row is not as it should be; the message says which line.</exception>
    public static PtbXlTable Read(string path)
    {
        var table = CsvTable.Read(path, "records of PTB-XL");
        var (id, fold, codes) = (table.Column("ecg_id"), table.Column("strat_fold"), table.Column("scp_codes"));
        var (low, high) = (table.Column("filename_lr"), table.Column("filename_hr"));
        var (age, sex) = (table.Has("age") ? table.Column("age") : -1, table.Has("sex") ? table.Column("sex") : -1);
        var rows = new List<PtbXlRow>();
        var seen = new HashSet<int>();
        foreach (var (line, fields) in table.Rows)
        {
            if (!int.TryParse(fields[id], NumberStyles.None, CultureInfo.InvariantCulture, out var ecgId) || !seen.Add(ecgId))
                throw table.Fault(line, $"says {FileFault.Quote(fields[id])} for ecg_id, which must be a whole number that no other line has");
            // Versions before 1.0.2 write whole numbers as 3.0.
            if (!double.TryParse(fields[fold], NumberStyles.Float, CultureInfo.InvariantCulture, out var foldNumber) || foldNumber is not (>= 1 and <= 10) || foldNumber % 1 != 0)
                throw table.Fault(line, $"says {FileFault.Quote(fields[fold])} for strat_fold, which must be 1 to 10");
            rows.Add(new PtbXlRow
            {
                EcgId = ecgId,
                Fold = (int)foldNumber,
                ScpCodes = ScpCodes.Parse(fields[codes]) ?? throw table.Fault(line, $"says {FileFault.Quote(fields[codes])} for scp_codes, which must be as {{'NORM': 100.0, 'SR': 0.0}}"),
                LowRateFile = Inside(fields[low]),
                HighRateFile = Inside(fields[high]),
                Age = age < 0 ? null : EcgReader.Age(fields[age]),
                Sex = sex < 0 ? null : ScpCodes.Sex(fields[sex]),
            });

            string Inside(string file) => file.Length is 0 or > 200 || System.IO.Path.IsPathRooted(file) || file.Contains('\\', StringComparison.Ordinal) || file.Split('/').Contains("..")
                ? throw table.Fault(line, $"names the file {FileFault.Quote(file)}, which must lie within the folder")
                : file;
        }

        return rows.Count > 0 ? new PtbXlTable(path, rows) : throw new InputException($"The records of PTB-XL '{path}' have a header and no row; give the file as its publisher ships it.");
    }
}

/// <summary>A record of PTB-XL.</summary>
public sealed record PtbXlRow
{
    /// <summary>Its number.</summary>
    public required int EcgId { get; init; }

    /// <summary>1 to 10.</summary>
    public required int Fold { get; init; }

    /// <summary>What the fold is for: 1 to 8 training, 9 validation, 10 the test.</summary>
    public EcgSplit Split => Fold switch
    {
        <= 8 => EcgSplit.Train,
        9 => EcgSplit.Validation,
        _ => EcgSplit.Test,
    };

    /// <summary>SCP-ECG statements and their likelihood in per cent; 0 says that none was given.</summary>
    public required IReadOnlyDictionary<string, double> ScpCodes { get; init; }

    /// <summary>The record of 100 Hz, relative to the folder, without an ending.</summary>
    public required string LowRateFile { get; init; }

    /// <summary>The record of 500 Hz, relative to the folder, without an ending.</summary>
    public required string HighRateFile { get; init; }

    /// <summary>Years; 300 for everybody above 89. Null where unknown.</summary>
    public double? Age { get; init; }

    /// <summary><c>F</c> or <c>M</c>; null where unknown.</summary>
    public string? Sex { get; init; }
}
