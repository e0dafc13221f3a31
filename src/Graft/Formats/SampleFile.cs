using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsvHelper;
using Graft.Data;
using Graft.Data.Ecg;
using Graft.Torch;

namespace Graft.Formats;

/// <summary>
/// Items that are no pictures, in a file. CSV holds points: a header, a column for each number, and where they have classes a last column
/// <c>label</c>. safetensors holds items of any shape: <c>samples</c> [N, ...] and, with classes, <c>labels</c>: int64 [N], or, where an
/// item may have any number of them, float32 [N, classes] of zeros and ones. Of ECGs the header's <c>ecg</c> says leads, rate, unit and
/// classes.
/// </summary>
public static class SampleFile
{
    private const string LabelColumn = "label";
    private const string Samples = "samples";
    private const string Labels = "labels";
    internal const string EcgKey = "ecg";
    private static readonly CsvReaderOptions Strict = new()
    {
        Separator = ',',
        MalformedData = CsvMalformedDataHandling.Throw,
        TrimWhitespace = true,
        TrackLineNumbers = true,
    };

    /// <summary>Whether a path ends as such a file does: <c>.csv</c> or <c>.safetensors</c>.</summary>
    public static bool Is(string path) => Path.GetExtension(path).ToUpperInvariant() is ".CSV" or ".SAFETENSORS";

    /// <summary>Whether a file holds items: CSV, or safetensors with a tensor <c>samples</c> (and so no weights).</summary>
    public static bool Holds(string path)
    {
        if (!File.Exists(path) || !Is(path))
            return false;
        if (Path.GetExtension(path).Equals(".csv", StringComparison.OrdinalIgnoreCase))
            return true;
        try
        {
            using var file = SafetensorsFile.Open(path);
            return file.Contains(Samples);
        }
        catch (InputException)
        {
            return false;
        }
    }

    /// <summary>Reads a file.</summary>
    /// <param name="path">A CSV file, or a safetensors one.</param>
    /// <exception cref="InputException">It is missing, broken, or holds something else; of a CSV file the sentence names the line.</exception>
    public static SampleSet Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Path.GetExtension(path).ToUpperInvariant() switch
        {
            ".CSV" => ReadCsv(path),
            ".SAFETENSORS" => ReadTensors(path),
            _ => throw new InputException($"The items '{path}' cannot be read: give a .csv file of points, or a .safetensors file."),
        };
    }

    /// <summary>Writes a file, by way of a temporary one.</summary>
    /// <param name="path">A .csv file (points only), or a .safetensors one.</param>
    /// <param name="items">What is written.</param>
    /// <exception cref="InputException">The ending is another, or items of more than one dimension go into CSV.</exception>
    public static void Write(string path, SampleSet items)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(items);
        switch (Path.GetExtension(path).ToUpperInvariant())
        {
            case ".CSV" when items.ItemShape.Rank == 1:
                AtomicFile.WriteText(path, Csv(items));
                break;
            case ".CSV":
                throw new InputException($"Items of {items.ItemShape} do not fit the lines of a CSV file: write .safetensors.");
            case ".SAFETENSORS":
                WriteTensors(path, items);
                break;
            default:
                throw new InputException($"Items cannot be written to '{path}': give a name that ends in .csv or .safetensors.");
        }
    }

    private static string Csv(SampleSet items)
    {
        var labelled = items.Label(0) is not null;
        var text = new StringBuilder(string.Join(',', Enumerable.Range(0, items.ItemShape.Elements).Select(k => $"x{k}")) + (labelled ? $",{LabelColumn}\n" : "\n"));
        for (var i = 0; i < items.Count; i++)
        {
            var point = items[i];
            for (var k = 0; k < point.Length; k++)
                text.Append(k == 0 ? "" : ",").Append(point[k].ToString("R", CultureInfo.InvariantCulture));
            text.Append(labelled ? string.Create(CultureInfo.InvariantCulture, $",{items.Label(i)}\n") : "\n");
        }

        return text.ToString();
    }

    private static SampleSet ReadCsv(string path)
    {
        var bytes = InputFile.Read(path);
        try
        {
            _ = new UTF8Encoding(false, throwOnInvalidBytes: true).GetCharCount(bytes);
            using var csv = CsvReader.Create(bytes, Strict);
            string[] header = [.. csv.Headers];
            var labelAt = Array.IndexOf(header, LabelColumn);
            var columns = Enumerable.Range(0, header.Length).Where(i => i != labelAt).ToArray();
            if (columns.Length == 0)
                throw new InputException($"The points '{path}' are empty; the first line must name the columns, as x0,x1.");
            var (values, labels) = (new List<float>(), new List<int>());
            while (csv.Read())
            {
                var (record, line) = (csv.Current.ToArray(), csv.LineNumber);
                if (record.Length != header.Length)
                    throw Fault(path, line, $"has {record.Length} fields and the header {header.Length}");
                foreach (var column in columns)
                    values.Add(Number(path, line, record[column]));
                if (labelAt >= 0)
                    labels.Add(int.TryParse(record[labelAt], NumberStyles.None, CultureInfo.InvariantCulture, out var label) ? label : throw Fault(path, line, $"says the class {FileFault.Quote(record[labelAt])}; classes are whole numbers from 0"));
            }

            return values.Count > 0
                ? Made(path, new ItemShape(columns.Length), [.. values], labelAt < 0 ? null : [.. labels])
                : throw new InputException($"The points '{path}' hold a header and no line; add a line for each point.");
        }
        catch (DecoderFallbackException e)
        {
            throw new InputException($"The points '{path}' are no text in UTF-8; save them as CSV in UTF-8.", e);
        }
        catch (CsvFormatException e)
        {
            throw new InputException($"Line {e.LineNumber} of the points '{path}' has quotes where none may stand, or that do not end.", e);
        }
    }

    private static float Number(string path, long line, string field) =>
        float.TryParse(field, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && float.IsFinite(value)
            ? value
            : throw Fault(path, line, $"says {FileFault.Quote(field)}, which is no finite number; the first line names the columns, all others hold numbers");

    private static SampleSet ReadTensors(string path)
    {
        using var file = SafetensorsFile.Open(path);
        var entry = file.Entries.FirstOrDefault(e => e.Name == Samples)
            ?? throw new InputException($"The file '{path}' holds no tensor '{Samples}': items [N, ...] are due there.");
        if (entry.Type != DType.Float32 || entry.Shape.Length < 2 || entry.Shape.Contains(0) || entry.Shape.Aggregate(1.0, (product, size) => product * size) > Array.MaxLength / sizeof(float))
            throw new InputException($"The tensor '{Samples}' of '{path}' is {entry.Type} [{string.Join(", ", entry.Shape)}]: float32 [N, ...] is due.");
        var shape = new ItemShape(entry.Shape.AsSpan(1));
        var values = MemoryMarshal.Cast<byte, float>(file.Bytes(Samples)).ToArray();
        if (!values.All(float.IsFinite))
            throw new InputException($"The tensor '{Samples}' of '{path}' holds numbers that are not finite.");
        var card = file.Metadata.TryGetValue(EcgKey, out var text) ? ReadCard(path, text, shape) : null;
        if (file.Entries.FirstOrDefault(e => e.Name == Labels) is not { } named)
            return Made(path, shape, values, null, card);
        if (named.Type == DType.Float32 && named.Shape.Length == 2 && named.Shape[0] == entry.Shape[0] && named.Shape[1] > 0)
        {
            var sets = MemoryMarshal.Cast<byte, float>(file.Bytes(Labels)).ToArray();
            return sets.All(v => v is 0 or 1) && (card is null || card.Classes.Count == named.Shape[1])
                ? Made(path, shape, values, null, card, sets)
                : throw new InputException($"The tensor '{Labels}' of '{path}' must hold zeros and ones, one for each class of the items.");
        }

        if (named.Type != DType.Int64 || !named.Shape.SequenceEqual([entry.Shape[0]]))
            throw new InputException($"The tensor '{Labels}' of '{path}' is {named.Type} [{string.Join(", ", named.Shape)}]: int64 [{entry.Shape[0]}] is due.");
        var labels = MemoryMarshal.Cast<byte, long>(file.Bytes(Labels)).ToArray();
        return labels.All(l => l is >= 0 and <= int.MaxValue)
            ? Made(path, shape, values, Array.ConvertAll(labels, l => (int)l), card)
            : throw new InputException($"The tensor '{Labels}' of '{path}' holds a class below 0 or too large.");
    }

    private static void WriteTensors(string path, SampleSet items)
    {
        var tensors = new List<TensorData>
        {
            new(Samples, DType.Float32, [items.Count, .. items.ItemShape.Sizes], stream => stream.Write(MemoryMarshal.AsBytes(items.Values))),
        };
        if (items.LabelSets is { } sets)
        {
            tensors.Add(new(Labels, DType.Float32, [items.Count, sets.Length / items.Count], stream => stream.Write(MemoryMarshal.AsBytes<float>(sets))));
        }
        else if (items.Label(0) is not null)
        {
            var labels = Enumerable.Range(0, items.Count).Select(i => (long)items.Label(i)!.Value).ToArray();
            tensors.Add(new(Labels, DType.Int64, [items.Count], stream => stream.Write(MemoryMarshal.AsBytes<long>(labels))));
        }

        var metadata = items.Ecg is { } card ? new Dictionary<string, string> { [EcgKey] = card.ToJson().ToJsonString() } : null;
        SafetensorsWriter.Write(path, metadata, tensors);
    }

    private static SampleSet Made(string path, ItemShape shape, float[] values, int[]? labels, EcgCard? card = null, float[]? sets = null) =>
        new(shape, values, $"{values.Length / shape.Elements} items of {shape} from '{path}'", labels, card?.Classes) { Ecg = card, LabelSets = sets };

    /// <summary>What a file says of its ECGs.</summary>
    internal static EcgCard ReadCard(string path, string text, ItemShape shape)
    {
        try
        {
            var card = EcgCard.FromJson(JsonNode.Parse(text) as JsonObject ?? []);
            return shape.Rank == 2 && card.Leads.Count == shape.Sizes[0]
                ? card
                : throw new InputException($"The file '{path}' says that its items are ECGs of {card.Leads.Count} leads, and holds items of {shape}.");
        }
        catch (JsonException e)
        {
            throw new InputException($"What the file '{path}' says of its ECGs is no JSON.", e);
        }
    }

    private static InputException Fault(string path, long line, string reason) => new($"Line {line} of the points '{path}' {reason}.");
}
