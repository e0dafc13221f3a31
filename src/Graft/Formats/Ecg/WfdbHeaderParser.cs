using System.Globalization;
using System.Text;

namespace Graft.Formats.Ecg;

/// <summary>Reads the text of a <see cref="WfdbHeader"/>.</summary>
internal sealed class WfdbHeaderParser
{
    /// <summary>Bytes; headers of twelve leads have fewer than a thousand, and comments may be long.</summary>
    public const int LargestHeader = 1 << 20;

    private const int LongestName = 200;
    private const double DefaultRate = 250;
    private const double HighestRate = 1e7;
    private const string Remedy = "give the .hea file of a WFDB record as its publisher ships it";

    private static readonly char[] Blanks = [' ', '\t', '\r', '\v', '\f'];
    private readonly FileFault _fault;
    private int _line;

    private WfdbHeaderParser(string path) => _fault = new FileFault(path);

    public static WfdbHeader Parse(ReadOnlySpan<byte> bytes, string path) => new WfdbHeaderParser(path).Parse(bytes);

    private WfdbHeader Parse(ReadOnlySpan<byte> bytes)
    {
        var comments = new List<string>();
        var signals = new List<WfdbSignal>();
        WfdbHeader? record = null;
        var count = 0;
        foreach (var raw in Text(bytes).Split('\n'))
        {
            _line++;
            var line = raw.Trim();
            if (line.StartsWith('#'))
                comments.Add(line[1..].Trim());
            else if (line.Length == 0)
                continue;
            else if (record is null)
                (record, count) = Record(line);
            else if (signals.Count < count)
                signals.Add(Signal(line));
            else
                throw Fault($"is one more than the {count} signals of the record line");
        }

        if (record is null)
            throw _fault.Read("it holds no record line", Remedy);
        return signals.Count == count
            ? record with { Signals = signals, Comments = comments }
            : throw _fault.Read($"the record line says {count} signals and {signals.Count} are described", Remedy);
    }

    /// <summary>Text in UTF-8, or in Latin-1 where it is none; controls mean that it is no text.</summary>
    private string Text(ReadOnlySpan<byte> bytes)
    {
        if (bytes.ContainsAnyInRange((byte)0, (byte)8) || bytes.ContainsAnyInRange((byte)14, (byte)31))
            throw _fault.OtherKind(bytes) ?? _fault.Read("it is no text", Remedy);
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes).TrimStart('\ufeff');
        }
        catch (DecoderFallbackException)
        {
            return Encoding.Latin1.GetString(bytes);
        }
    }

    private (WfdbHeader Record, int Signals) Record(string line)
    {
        var fields = Fields(line);
        if (fields[0].Contains('/', StringComparison.Ordinal))
        {
            throw _fault.Read(
                $"it is a record of several segments ({FileFault.Quote(fields[0])}), which are not read", "give the header of one of its segments");
        }

        if (fields.Length < 2)
            throw Fault("names a record and not how many signals it has");
        var signals = Whole(fields[1], "number of signals");
        if (signals is < 1 or > int.MaxValue)
            throw Fault($"says {FileFault.Quote(fields[1])} signals, and there must be one at least");
        var rate = DefaultRate;
        if (fields.Length > 2)
        {
            // rate[/counter rate[(base of the counter)]]: the counter says nothing of the samples.
            rate = Real(fields[2].Split('/')[0], "sampling rate");
            if (rate is <= 0 or > HighestRate)
                throw Fault($"says a sampling rate of {FileFault.Quote(fields[2])}, which must be above 0 and at most {HighestRate:0} Hz");
        }

        var samples = fields.Length > 3 ? Whole(fields[3], "number of samples") : 0;
        if (samples < 0)
            throw Fault($"says {FileFault.Quote(fields[3])} samples");
        var header = new WfdbHeader
        {
            Path = _fault.Path,
            Name = fields[0],
            SamplingRate = rate,
            SampleCount = samples == 0 ? null : samples,
            Start = string.Join(' ', fields.Skip(4)),
            Signals = [],
        };
        return (header, (int)signals);
    }

    private WfdbSignal Signal(string line)
    {
        var fields = Fields(line);
        if (fields.Length < 2)
            throw Fault("names a signal file and no format");
        var (format, offset) = Storage(fields[1]);
        var gain = fields.Length > 2 ? Gain(fields[2]) : (Value: 0, Baseline: null, Units: "mV");
        var zero = fields.Length > 4 ? Small(fields[4], "ADC zero") : 0;
        return new WfdbSignal
        {
            FileName = PlainName(fields[0]),
            Format = format,
            ByteOffset = offset,
            Gain = gain.Value == 0 ? WfdbSignal.DefaultGain : gain.Value,
            IsCalibrated = gain.Value != 0,
            Baseline = gain.Baseline ?? zero,
            Units = gain.Units,
            AdcResolution = fields.Length > 3 ? Small(fields[3], "ADC resolution") : 0,
            AdcZero = zero,
            InitialValue = fields.Length > 5 ? Small(fields[5], "initial value") : null,
            Checksum = fields.Length > 6 ? Small(fields[6], "checksum") : null,
            // The block size, field 7, matters for tapes only.
            Description = fields.Length > 8 ? Rest(line, 8) : "",
        };
    }

    /// <summary>A file beside the header, and nothing else: headers come from outside.</summary>
    private string PlainName(string name)
    {
        if (name is "~" or "-")
            throw Fault($"has {FileFault.Quote(name)} for a signal file, which stands for none");
        if (name is "." or ".." || name.AsSpan().IndexOfAny("/\\:") >= 0)
            throw Fault($"names the signal file {FileFault.Quote(name)}, which must be a plain name beside the header");
        if (name.Length > LongestName)
            throw Fault($"names a signal file with {name.Length} characters, {FileFault.Quote(name)}");
        return name;
    }

    /// <summary>format[xsamples a frame][:skew][+byte offset].</summary>
    private (int Format, long Offset) Storage(string field)
    {
        var rest = field;
        var offset = Cut(ref rest, '+', "byte offset") ?? 0;
        var skew = Cut(ref rest, ':', "skew") ?? 0;
        var perFrame = Cut(ref rest, 'x', "number of samples a frame") ?? 1;
        var format = Whole(rest, "format");
        if (format is < 0 or > int.MaxValue || WfdbFormat.Of((int)format) is null)
            throw Fault($"says the format {FileFault.Quote(rest)}, and only {WfdbFormat.Known} are read");
        if (perFrame != 1)
            throw Fault($"says {perFrame} samples a frame, and only one is read");
        if (skew != 0)
            throw Fault($"says a skew of {skew} samples, which is not read");
        return offset >= 0 ? ((int)format, offset) : throw Fault($"says a byte offset of {offset}");

        long? Cut(ref string text, char mark, string what)
        {
            var at = text.IndexOf(mark, StringComparison.Ordinal);
            if (at < 0)
                return null;
            var value = Whole(text[(at + 1)..], what);
            text = text[..at];
            return value;
        }
    }

    /// <summary>gain[(baseline)][/units].</summary>
    private (double Value, int? Baseline, string Units) Gain(string field)
    {
        var units = "mV";
        var rest = field;
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        if (slash >= 0)
            (rest, units) = (rest[..slash], rest[(slash + 1)..]);
        int? baseline = null;
        var open = rest.IndexOf('(', StringComparison.Ordinal);
        if (open >= 0)
        {
            if (!rest.EndsWith(')'))
                throw Fault($"has a gain of {FileFault.Quote(field)}, whose bracket does not end");
            baseline = Small(rest[(open + 1)..^1], "baseline");
            rest = rest[..open];
        }

        var gain = Real(rest, "gain");
        if (gain < 0)
            throw Fault($"says a gain of {FileFault.Quote(rest)}, which must not be negative");
        return (gain, baseline, units.Length > 0 ? units : throw Fault($"has a gain of {FileFault.Quote(field)} and names no unit after the slash"));
    }

    private static string[] Fields(string line) => line.Split(Blanks, StringSplitOptions.RemoveEmptyEntries);

    /// <summary>What follows so many fields, blanks within kept.</summary>
    private static string Rest(string line, int fields)
    {
        var at = 0;
        for (var i = 0; i < fields; i++)
        {
            while (Blanks.Contains(line[at]))
                at++;
            while (!Blanks.Contains(line[at]))
                at++;
        }

        return line[at..].Trim();
    }

    private double Real(string text, string what) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value)
            ? value
            : throw Fault($"says {FileFault.Quote(text)} for the {what}, which is no number");

    private long Whole(string text, string what)
    {
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value))
            return value;
        // Some publishers write whole numbers as 0.0.
        var real = Real(text, what);
        return Math.Abs(real) <= int.MaxValue && real == Math.Floor(real)
            ? (long)real
            : throw Fault($"says {FileFault.Quote(text)} for the {what}, which is no whole number, or too large");
    }

    private int Small(string text, string what)
    {
        var value = Whole(text, what);
        return value is >= int.MinValue and <= int.MaxValue ? (int)value : throw Fault($"says {FileFault.Quote(text)} for the {what}, which is too large");
    }

    private InputException Fault(string what) => _fault.Read($"its line {_line} {what}", Remedy);
}
