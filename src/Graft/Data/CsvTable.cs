using System.Text;
using CsvHelper;
using Graft.Formats;

namespace Graft.Data;

/// <summary>A CSV file as text: RFC 4180 with a header line, UTF-8 with or without a byte order mark.</summary>
/// <remarks>Commas, fields in double quotes where need be. Blank lines do not count, blanks and line breaks around fields are taken off.</remarks>
internal sealed class CsvTable
{
    private static readonly CsvReaderOptions Strict = new()
    {
        Separator = ',',
        MalformedData = CsvMalformedDataHandling.Throw,
        TrimWhitespace = true,
        TrackLineNumbers = true,
    };

    private CsvTable(string path, string what, string[] header, IReadOnlyList<CsvRow> rows) => (Path, What, Header, Rows) = (path, what, header, rows);

    public string Path { get; }

    /// <summary>What messages call the file, as "labels".</summary>
    public string What { get; }

    public string[] Header { get; }

    public IReadOnlyList<CsvRow> Rows { get; }

    /// <exception cref="InputException">The file cannot be read, its quotes are broken, or a row has too few or too many fields.</exception>
    public static CsvTable Read(string path, string what)
    {
        var bytes = InputFile.Read(path);
        try
        {
            _ = new UTF8Encoding(false, throwOnInvalidBytes: true).GetCharCount(bytes);
            using var csv = CsvReader.Create(bytes, Strict);
            string[] header = [.. csv.Headers];
            var rows = new List<CsvRow>();
            while (csv.Read())
            {
                CsvRow row = new(csv.LineNumber, [.. csv.Current.ToArray().Select(field => field.Trim())]);
                if (row.Fields.Length != header.Length)
                {
                    throw new InputException(
                        $"Line {row.Line} of the {what} '{path}' has {row.Fields.Length} fields and the header {header.Length}; put a field that holds commas into double quotes.");
                }

                rows.Add(row);
            }

            return new CsvTable(path, what, header, rows);
        }
        catch (DecoderFallbackException e)
        {
            throw new InputException($"The {what} '{path}' are no text in UTF-8; save them as CSV in UTF-8.", e);
        }
        catch (CsvFormatException e)
        {
            throw new InputException(
                $"Line {e.LineNumber} of the {what} '{path}' has quotes where none may stand, or that do not end; "
                + "put the whole field into double quotes, and double those within.", e);
        }
    }

    /// <summary>The place of a column.</summary>
    /// <exception cref="InputException">There is none of that name, or there are two.</exception>
    public int Column(string name, string remedy = "give the file as its publisher ships it")
    {
        var places = Enumerable.Range(0, Header.Length).Where(i => Header[i] == name).ToArray();
        return places.Length switch
        {
            1 => places[0],
            0 => throw new InputException(
                $"The {What} '{Path}' have no column '{name}' in line 1, which names {FileFault.Shorten(string.Join(", ", Header.Select(h => $"'{h}'")))}; {remedy}."),
            _ => throw Fault(1, $"names the column '{name}' twice; rename one of them"),
        };
    }

    public bool Has(string column) => Header.Contains(column);

    public InputException Fault(long line, string reason) => new($"Line {line} of the {What} '{Path}' {reason}.");
}

/// <summary>A row of a <see cref="CsvTable"/>.</summary>
/// <param name="Line">Where it begins in the file, from 1.</param>
/// <param name="Fields">As many as the header has.</param>
internal readonly record struct CsvRow(long Line, string[] Fields);
