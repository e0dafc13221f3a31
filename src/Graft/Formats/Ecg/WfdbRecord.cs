namespace Graft.Formats.Ecg;

/// <summary>Whether the samples agree with what the header says of them.</summary>
public enum WfdbChecksum
{
    /// <summary>The header says nothing.</summary>
    Absent,

    /// <summary>They agree.</summary>
    Right,

    /// <summary>They do not.</summary>
    Wrong,
}

/// <summary>A WFDB record: header and samples, held in memory.</summary>
/// <remarks>
/// Signal files are looked for beside the header only, and nothing is allocated beyond what their sizes allow. Sources: header(5) and
/// signal(5) of the WFDB Applications Guide.
/// </remarks>
public sealed class WfdbRecord
{
    private readonly int[][] _digital;

    private WfdbRecord(WfdbHeader header, int[][] digital)
    {
        Header = header;
        _digital = digital;
    }

    /// <summary>What the header says.</summary>
    public WfdbHeader Header { get; }

    /// <summary>Samples of each signal.</summary>
    public int SampleCount => _digital[0].Length;

    /// <summary>Reads a record.</summary>
    /// <param name="path">The header's file; the ending <c>.hea</c> may be left out.</param>
    /// <param name="verify">Whether wrong checksums are refused; else <see cref="Checksum"/> tells.</param>
    /// <exception cref="InputException">A file is missing, broken or too short, or a checksum is wrong; the message names it and why.</exception>
    public static WfdbRecord Read(string path, bool verify = true)
    {
        var header = WfdbHeader.Read(path);
        var folder = Path.GetDirectoryName(Path.GetFullPath(header.Path))!;
        var digital = new int[header.Signals.Count][];
        var seen = new HashSet<string>(StringComparer.Ordinal);
        long? length = header.SampleCount;
        for (var first = 0; first < digital.Length;)
        {
            var name = header.Signals[first].FileName;
            var count = header.Signals.Skip(first).TakeWhile(s => s.FileName == name).Count();
            if (!seen.Add(name))
                throw new FileFault(header.Path).Read($"signals of the file {FileFault.Quote(name)} do not stand together", "give the header as its publisher ships it");
            length = ReadFile(header, Path.Combine(folder, name), first, count, length, digital);
            first += count;
        }

        var record = new WfdbRecord(header, digital);
        if (verify)
            record.Verify();
        return record;
    }

    /// <summary>Values of the converter.</summary>
    /// <param name="signal">From 0.</param>
    /// <returns><see cref="SampleCount"/> values; no copy.</returns>
    public ReadOnlySpan<int> Digital(int signal) => _digital[signal];

    /// <summary>Physical values, in the unit of the signal; NaN where the file holds no sample.</summary>
    /// <param name="signal">From 0.</param>
    /// <returns><see cref="SampleCount"/> values, newly allocated.</returns>
    public double[] Physical(int signal)
    {
        var (described, values) = (Header.Signals[signal], new double[SampleCount]);
        var invalid = WfdbFormat.Of(described.Format)!.Invalid;
        for (var i = 0; i < values.Length; i++)
        {
            var digital = _digital[signal][i];
            values[i] = digital == invalid ? double.NaN : (digital - (double)described.Baseline) / described.Gain;
        }

        return values;
    }

    /// <summary>Whether the sum of a signal's samples modulo 65536 is the header's.</summary>
    /// <param name="signal">From 0.</param>
    /// <remarks>A 0 beside an unspecified number of samples only holds the place, as header(5) says.</remarks>
    public WfdbChecksum Checksum(int signal)
    {
        if (Header.Signals[signal].Checksum is not { } said || (said == 0 && Header.SampleCount is null))
            return WfdbChecksum.Absent;
        return (ushort)said == Sum(signal) ? WfdbChecksum.Right : WfdbChecksum.Wrong;
    }

    /// <summary>Whether a signal's first sample is the header's. Nothing is refused for it.</summary>
    /// <param name="signal">From 0.</param>
    public WfdbChecksum InitialValue(int signal)
    {
        if (Header.Signals[signal].InitialValue is not { } said || SampleCount == 0)
            return WfdbChecksum.Absent;
        return said == _digital[signal][0] ? WfdbChecksum.Right : WfdbChecksum.Wrong;
    }

    private ushort Sum(int signal)
    {
        var sum = 0;
        foreach (var sample in _digital[signal])
            sum = unchecked(sum + sample);
        return unchecked((ushort)sum);
    }

    private void Verify()
    {
        for (var i = 0; i < _digital.Length; i++)
        {
            if (Checksum(i) == WfdbChecksum.Wrong)
            {
                throw new FileFault(Header.Path).Read(
                    $"the samples of signal {i + 1} ({FileFault.Quote(Header.Signals[i].Description)}) in {FileFault.Quote(Header.Signals[i].FileName)} add up to {(short)Sum(i)} "
                    + $"and the header says {Header.Signals[i].Checksum}, so one of the two files is damaged",
                    "download both again");
            }
        }
    }

    /// <returns>Samples of each signal.</returns>
    private static long ReadFile(WfdbHeader header, string path, int first, int count, long? length, int[][] digital)
    {
        var signal = header.Signals[first];
        foreach (var other in header.Signals.Skip(first).Take(count))
        {
            if (other.Format != signal.Format || other.ByteOffset != signal.ByteOffset)
                throw new FileFault(header.Path).Read($"it gives the file {FileFault.Quote(signal.FileName)} two formats or byte offsets", "give the header as its publisher ships it");
        }

        var format = WfdbFormat.Of(signal.Format)!;
        using var file = MappedFile.Open(path);
        if (signal.ByteOffset > file.Length)
            throw file.Fault.Read($"it has {file.Length} bytes and its header says that samples begin at byte {signal.ByteOffset}");
        var available = file.Length - signal.ByteOffset;
        var frames = length ?? format.SamplesIn(available) / count;
        if (frames == 0)
            throw file.Fault.Read("it holds no samples");
        var samples = (UInt128)frames * (uint)count;
        var needed = format.BytesOf(samples);
        if (needed > (UInt128)available)
            throw file.Fault.Read($"it has {available} bytes of samples, and {frames} samples of {Leads(count)} take {needed}, so it was cut short or its header is wrong");
        if (header.SampleCount is null && (UInt128)available - needed > (format.Bits == 12 ? 2u : 0u))
            throw file.Fault.Read($"its {available} bytes of samples are no whole number of samples of {Leads(count)}");
        if (samples > int.MaxValue || needed > int.MaxValue)
            throw file.Fault.Read("it holds more than 2 GiB", "cut the record into shorter ones");

        var bytes = file.Span(signal.ByteOffset, (int)needed);
        for (var s = 0; s < count; s++)
        {
            var values = new int[frames];
            for (var i = 0; i < values.Length; i++)
                values[i] = format.Sample(bytes, (i * count) + s);
            digital[first + s] = values;
        }

        return frames;
    }

    private static string Leads(int count) => count == 1 ? "one signal" : $"{count} signals";
}
