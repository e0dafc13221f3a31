using System.Globalization;
using System.Runtime.InteropServices;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Data.Ecg;

/// <summary>How a file of generated ECGs is read where it does not say everything itself.</summary>
public sealed record EcgSampleOptions
{
    /// <summary>What is known of the real records that they are held against: what the file does not say is as there.</summary>
    public EcgCard? Like { get; init; }

    /// <summary>Names of the leads; null: what the file says.</summary>
    public IReadOnlyList<string>? Leads { get; init; }

    /// <summary>Samples a second; null: what the file says.</summary>
    public double? SamplingRate { get; init; }

    /// <summary>At most so many records, the first ones; null: all.</summary>
    public int? MaxCount { get; init; }
}

/// <summary>
/// Generated ECGs in a safetensors file, the form of <see cref="SampleFile"/>: <c>samples</c> float32 [N, leads, T] and, with labels,
/// <c>labels</c>: int64 [N], the class of each, or [N, classes], 0 or 1 (int64, uint8 or float32). The header's <c>ecg</c> says what they
/// are; files of other programs may say it by <c>leads</c> and <c>classes</c> (names with blanks between), <c>sampling_rate_hz</c> and
/// <c>unit</c>, all optional. Without <c>labels</c>, a CSV file of the same name beside it may give them: a column for each class, a line of 0
/// and 1 for each record.
/// </summary>
public static class EcgSampleFile
{
    private const string Samples = "samples";
    private const string Labels = "labels";

    /// <summary>Reads a file.</summary>
    /// <param name="path">The safetensors file.</param>
    /// <param name="options">What the file does not say.</param>
    /// <returns>Records called by their number, marked for training: they are nobody's test.</returns>
    /// <exception cref="InputException">The file is missing or broken, or does not say what the samples are.</exception>
    public static EcgSet Read(string path, EcgSampleOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new EcgSampleOptions();
        using var file = SafetensorsFile.Open(path);
        var entry = file.Entries.FirstOrDefault(e => e.Name == Samples)
            ?? throw new InputException($"The file '{path}' holds no tensor '{Samples}': ECGs [N, leads, samples] are due there.");
        if (entry.Type != DType.Float32 || entry.Shape.Length != 3 || entry.Shape.Contains(0) || entry.Shape[1] * entry.Shape[2] > Array.MaxLength / sizeof(float) || entry.Shape[0] > int.MaxValue)
            throw new InputException($"The tensor '{Samples}' of '{path}' is {entry.Type} [{string.Join(", ", entry.Shape)}]: float32 [N, leads, samples] is due for ECGs.");
        var (total, leads, length) = ((int)entry.Shape[0], (int)entry.Shape[1], (int)entry.Shape[2]);
        var card = Card(path, file, leads, length, options);
        var statements = Statements(path, file, total, ref card);
        var records = new EcgRecord[Math.Min(total, options.MaxCount ?? total)];
        for (var i = 0; i < records.Length; i++)
        {
            var values = MemoryMarshal.Cast<byte, float>(file.Bytes(Samples).Slice(i * leads * length * sizeof(float), leads * length * sizeof(float))).ToArray();
            if (!values.All(float.IsFinite))
                throw new InputException($"The sample {i} of '{path}' holds numbers that are not finite: leave it out.");
            records[i] = new EcgRecord(i.ToString(CultureInfo.InvariantCulture), values, leads, EcgSplit.Train) { Statements = statements?[i] ?? [] };
        }

        return new EcgSet(card, records);
    }

    /// <summary>Writes a set, by way of a temporary file.</summary>
    /// <param name="path">A name that ends in .safetensors.</param>
    /// <param name="set">At least one record, all of one length.</param>
    public static void Write(string path, EcgSet set)
    {
        var source = new EcgItems(set);
        var metadata = new Dictionary<string, string> { [SampleFile.EcgKey] = set.Card.ToJson().ToJsonString() };
        var tensors = new List<TensorData>
        {
            new(Samples, DType.Float32, [set.Count, .. source.ItemShape.Sizes], stream =>
            {
                foreach (var record in set.Records)
                    stream.Write(MemoryMarshal.AsBytes(record.Samples));
            }),
        };
        if (set.Classes.Count > 0)
        {
            float[] labels = [.. Enumerable.Range(0, set.Count).SelectMany(set.MultiHot)];
            tensors.Add(new(Labels, DType.Float32, [set.Count, set.Classes.Count], stream => stream.Write(MemoryMarshal.AsBytes<float>(labels))));
        }

        SafetensorsWriter.Write(path, metadata, tensors);
    }

    private static EcgCard Card(string path, SafetensorsFile file, int count, int length, EcgSampleOptions options)
    {
        if (file.Metadata.TryGetValue(SampleFile.EcgKey, out var said))
            return SampleFile.ReadCard(path, said, new ItemShape(count, length));
        var like = options.Like;
        var leads = options.Leads ?? Names(file, "leads")
            ?? (like?.Leads.Count == count ? like.Leads : count == EcgLeads.Standard.Count ? EcgLeads.Standard : count == EcgLeads.Independent.Count ? EcgLeads.Independent : null)
            ?? throw new InputException($"The samples of '{path}' have {count} leads, and nothing says which: name them (--leads).");
        if (leads.Count != count)
            throw new InputException($"The samples of '{path}' have {count} leads, and {leads.Count} are named ({string.Join(", ", leads)}): name each once, in order.");
        var rate = options.SamplingRate ?? Number(path, file) ?? like?.SamplingRate ?? throw new InputException($"Nothing says the sampling rate of '{path}': give it (--rate).");
        return new EcgCard
        {
            Name = Path.GetFileName(path),
            Published = "Generated.",
            Leads = [.. leads.Select(EcgLeads.Canonical)],
            SamplingRate = rate > 0 && double.IsFinite(rate) ? rate : throw new InputException($"The sampling rate of '{path}' must be above 0."),
            Unit = file.Metadata.GetValueOrDefault("unit") ?? like?.Unit ?? "mV",
            Classes = Names(file, "classes") ?? like?.Classes ?? [],
        };
    }

    private static string[]? Names(SafetensorsFile file, string key) =>
        file.Metadata.TryGetValue(key, out var text) && text.Split([' ', ','], StringSplitOptions.RemoveEmptyEntries) is { Length: > 0 } names ? names : null;

    private static double? Number(string path, SafetensorsFile file)
    {
        if (!file.Metadata.TryGetValue("sampling_rate_hz", out var text))
            return null;
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new InputException($"The file '{path}' says {FileFault.Quote(text)} for sampling_rate_hz, which must be a number.");
    }

    /// <summary>The classes of each record by name; null where nothing says them.</summary>
    private static List<string>[]? Statements(string path, SafetensorsFile file, int count, ref EcgCard card)
    {
        if (file.Entries.FirstOrDefault(e => e.Name == Labels) is not { } entry)
            return FromCsv(Path.ChangeExtension(path, ".csv"), count, ref card);
        var shape = $"{entry.Type} [{string.Join(", ", entry.Shape)}]";
        if (entry.Type is not (DType.Int64 or DType.UInt8 or DType.Float32) || entry.Shape.Length is not (1 or 2) || entry.Shape[0] != count || (entry.Shape.Length == 1 && entry.Type != DType.Int64))
            throw new InputException($"The tensor '{Labels}' of '{path}' is {shape}: int64 [{count}], the class of each, or 0 and 1 [{count}, classes] is due.");
        var bytes = file.Bytes(Labels);
        double[] values = entry.Type switch
        {
            DType.Int64 => Array.ConvertAll(MemoryMarshal.Cast<byte, long>(bytes).ToArray(), v => (double)v),
            DType.UInt8 => Array.ConvertAll(bytes.ToArray(), v => (double)v),
            _ => Array.ConvertAll(MemoryMarshal.Cast<byte, float>(bytes).ToArray(), v => (double)v),
        };
        var classes = card.Classes;
        if (entry.Shape.Length == 1)
        {
            return values.All(v => v >= 0 && v < classes.Count)
                ? [.. values.Select(v => new List<string> { classes[(int)v] })]
                : throw new InputException($"The tensor '{Labels}' of '{path}' names a class beyond the {classes.Count} that are known ({FileFault.Shorten(string.Join(", ", classes))}).");
        }

        var width = (int)entry.Shape[1];
        if (width != classes.Count)
            throw new InputException($"The tensor '{Labels}' of '{path}' is {shape} for {classes.Count} classes ({FileFault.Shorten(string.Join(", ", classes))}): a column for each is due.");
        if (!values.All(v => v is 0 or 1))
            throw new InputException($"The tensor '{Labels}' of '{path}' holds other numbers than 0 and 1.");
        return [.. Enumerable.Range(0, count).Select(i => Enumerable.Range(0, width).Where(c => values[(i * width) + c] == 1).Select(c => classes[c]).ToList())];
    }

    private static List<string>[]? FromCsv(string path, int count, ref EcgCard card)
    {
        if (!File.Exists(path))
            return null;
        var table = CsvTable.Read(path, "labels");
        if (table.Rows.Count != count)
            throw new InputException($"The labels '{path}' have {table.Rows.Count} lines for {count} samples: a line for each is due.");
        card = card with { Classes = [.. table.Header] };
        return [.. table.Rows.Select(row => table.Header.Where((_, c) => row.Fields[c] switch
        {
            "1" => true,
            "0" => false,
            var other => throw table.Fault(row.Line, $"says {FileFault.Quote(other)}, which must be 0 or 1"),
        }).ToList())];
    }
}
