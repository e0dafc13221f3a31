using System.Globalization;
using Graft.Formats;

namespace Graft.Data;

/// <summary>
/// A CSV file that says something of each picture of a folder: one column names the file, others hold labels. One column of classes is
/// read by <see cref="ToClasses"/>; several columns (of multi-label data) are there as text in <see cref="Rows"/>.
/// </summary>
/// <remarks>
/// RFC 4180 with a header line: commas, fields in double quotes where need be, UTF-8 with or without a byte order mark. Blank lines do
/// not count, blanks around fields are taken off. File names are relative to the folder; backslashes become slashes and a leading
/// <c>./</c> goes.
/// </remarks>
public sealed class LabelTable
{
    private LabelTable(string path, IReadOnlyList<string> columns, IReadOnlyList<LabelRow> rows) => (Path, Columns, Rows) = (path, columns, rows);

    /// <summary>The CSV file.</summary>
    public string Path { get; }

    /// <summary>The columns that were asked for, in that order.</summary>
    public IReadOnlyList<string> Columns { get; }

    /// <summary>The rows in the order of the file; no two name the same picture.</summary>
    public IReadOnlyList<LabelRow> Rows { get; }

    /// <summary>Reads a file.</summary>
    /// <param name="path">The CSV file.</param>
    /// <param name="fileColumn">The header of the column of file names.</param>
    /// <param name="columns">The headers of the columns of labels, at least one.</param>
    /// <exception cref="InputException">
    /// The file cannot be read, a column is missing, a row has too few or too many fields, a field is empty or its quotes are broken, or
    /// a picture is named twice; the message says which line.
    /// </exception>
    public static LabelTable Read(string path, string fileColumn, params IReadOnlyList<string> columns)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentException.ThrowIfNullOrEmpty(fileColumn);
        ArgumentNullException.ThrowIfNull(columns);
        ArgumentOutOfRangeException.ThrowIfZero(columns.Count);
        var table = CsvTable.Read(path, "labels");
        if (table.Header.Length == 0)
            throw new InputException($"The labels '{path}' are empty; the first line must name the columns, as {fileColumn},{columns[0]}.");
        return new LabelTable(path, columns, ReadRows(table, fileColumn, columns));
    }

    /// <summary>
    /// One column as classes. Whole numbers from 0 are classes as they stand; names are numbered by their ordinal order. Both in one
    /// column are refused.
    /// </summary>
    /// <param name="column">One of <see cref="Columns"/>.</param>
    /// <exception cref="InputException">Numbers and names are mixed, or a number is negative or too large; the message says which line.</exception>
    public ImageLabels ToClasses(string column)
    {
        var at = Columns.ToList().IndexOf(column);
        ArgumentOutOfRangeException.ThrowIfNegative(at, nameof(column));
        var numbers = Rows.Where(row => IsNumber(row.Values[at])).ToArray();
        if (numbers.Length > 0 && numbers.Length < Rows.Count)
        {
            var (number, name) = (numbers[0], Rows.First(row => !IsNumber(row.Values[at])));
            throw new InputException(
                $"The labels '{Path}' mix numbers and names: line {number.Line} says {FileFault.Shorten(number.Values[at])} and line {name.Line} {FileFault.Quote(name.Values[at])}; "
                + "give either classes from 0, or names, throughout.");
        }

        string[] classes = numbers.Length > 0 ? [] : [.. Rows.Select(row => row.Values[at]).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        return new ImageLabels(
            Path,
            Rows.ToDictionary(row => row.File, row => new ImageLabel(Number(row), row.Line), StringComparer.Ordinal),
            classes);

        int Number(LabelRow row)
        {
            var value = row.Values[at];
            if (classes.Length > 0)
                return Array.BinarySearch(classes, value, StringComparer.Ordinal);
            return int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= 0
                ? number
                : throw Fault(Path, row.Line, $"says the class {FileFault.Shorten(value)}; classes are whole numbers from 0");
        }
    }

    private static List<LabelRow> ReadRows(CsvTable table, string fileColumn, IReadOnlyList<string> columns)
    {
        const string Remedy = "rename the column, or say what it is called (labels_file_column, labels_column); fields are parted by commas";
        var path = table.Path;
        var fileAt = table.Column(fileColumn, Remedy);
        var labelsAt = columns.Select(column => table.Column(column, Remedy)).ToArray();
        var rows = new List<LabelRow>();
        var lines = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (line, record) in table.Rows)
        {
            var file = Normalise(record[fileAt]);
            if (file.Length == 0)
                throw Fault(path, line, $"names no file in the column {fileColumn}; name one, or take the line out");
            if (file[0] == '/' || file.Split('/').Contains(".."))
                throw Fault(path, line, $"names {FileFault.Quote(file)}; names must be relative to the folder of pictures");
            if (!lines.TryAdd(file, line))
                throw Fault(path, line, $"names {FileFault.Quote(file)} again, which line {lines[file]} has already; take one of them out");
            string[] values = [.. labelsAt.Select(at => record[at])];
            if (Array.IndexOf(values, string.Empty) is >= 0 and var empty)
                throw Fault(path, line, $"gives {FileFault.Quote(file)} no {columns[empty]}; give it one, or take the line out");
            rows.Add(new LabelRow(line, file, values));
        }

        return rows.Count > 0 ? rows : throw new InputException($"The labels '{path}' hold a header and no row; add a row for each picture.");
    }

    private static string Normalise(string file)
    {
        var name = file.Replace('\\', '/');
        while (name.StartsWith("./", StringComparison.Ordinal))
            name = name[2..];
        return name;
    }

    private static bool IsNumber(string value) => value.AsSpan().TrimStart("+-").IndexOfAnyExceptInRange('0', '9') < 0 && value.Any(char.IsAsciiDigit);

    private static InputException Fault(string path, long line, string reason) => new($"Line {line} of the labels '{path}' {reason}.");
}

/// <summary>A row of a <see cref="LabelTable"/>.</summary>
/// <param name="Line">Where it begins in the file, from 1.</param>
/// <param name="File">The picture, relative to its folder, with forward slashes.</param>
/// <param name="Values">The labels as text, in the order of <see cref="LabelTable.Columns"/>; none is empty.</param>
public sealed record LabelRow(long Line, string File, IReadOnlyList<string> Values);

/// <summary>The class of each picture of a folder.</summary>
/// <param name="Source">The file that says so.</param>
/// <param name="Files">By relative path with forward slashes.</param>
/// <param name="Classes">Names: label n is called <c>Classes[n]</c>. Empty where the file gives numbers.</param>
public sealed record ImageLabels(string Source, IReadOnlyDictionary<string, ImageLabel> Files, IReadOnlyList<string> Classes);

/// <summary>The class of one picture, and where it is said.</summary>
/// <param name="Class">From 0.</param>
/// <param name="Line">The line of the file, from 1.</param>
public readonly record struct ImageLabel(int Class, long Line);
