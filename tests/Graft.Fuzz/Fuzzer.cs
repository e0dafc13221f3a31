using System.Diagnostics;
using System.Globalization;

namespace Graft.Fuzz;

/// <summary>How many inputs were read, how many refused, and what else came of them.</summary>
internal sealed record FuzzResult(long Tried, long Read, long Refused, IReadOnlyList<FuzzFault> Faults);

/// <summary>An input that ended in neither success nor a clear sentence.</summary>
internal sealed record FuzzFault(long Index, string What);

/// <summary>Gives damaged files to a parser and judges what comes of each.</summary>
internal sealed class Fuzzer : IDisposable
{
    /// <summary>Seconds that a file may take, unless its parser says otherwise.</summary>
    public const int MostSeconds = 10;

    private readonly FuzzedParser _parser;
    private readonly ulong _seed;
    private readonly IReadOnlyList<byte[]> _seeds;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("graft-fuzz-");
    private readonly string _file;
    private readonly Action<string> _read;

    public Fuzzer(FuzzedParser parser, ulong seed)
    {
        (_parser, _seed, _seeds) = (parser, seed, parser.Seeds());
        _file = Path.Combine(_folder.FullName, parser.File);
        Directory.CreateDirectory(Path.GetDirectoryName(_file)!);
        _read = parser.Open(_folder.FullName);
        // The seeds first, so that what is allocated once is not laid to the account of an input.
        foreach (var original in _seeds)
            Judge(original);
    }

    /// <summary>The bytes of an index.</summary>
    public byte[] Input(long index) => _parser.Input(_seeds, _seed, index);

    /// <summary>Runs some indices in this process.</summary>
    /// <param name="from">The first.</param>
    /// <param name="count">How many.</param>
    /// <param name="before">Told of each index before it is tried, and of the counts so far.</param>
    public FuzzResult Run(long from, long count, Action<long, long, long>? before = null)
    {
        long read = 0, refused = 0;
        var faults = new List<FuzzFault>();
        for (var index = from; index < from + count; index++)
        {
            before?.Invoke(index, read, refused);
            var (wasRead, fault) = Judge(Input(index));
            if (fault is not null)
                faults.Add(new FuzzFault(index, fault));
            else if (wasRead)
                read++;
            else
                refused++;
        }

        return new FuzzResult(count, read, refused, faults);
    }

    /// <summary>Whether an input is read; if it is neither read nor refused well, what is wrong.</summary>
    public (bool Read, string? Fault) Judge(byte[] input)
    {
        File.WriteAllBytes(_file, input);
        var resident = _parser.IsNative ? ResidentMemory.Restart() : 0;
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var began = Stopwatch.GetTimestamp();
        InputException? refusal = null;
        string? fault = null;
        try
        {
            _read(_file);
        }
        catch (InputException e)
        {
            refusal = e;
        }
        catch (Exception e)
        {
            fault = $"{e.GetType().Name}: {e}";
        }

        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        var bound = _parser.Allowance + (_parser.AllowancePerByte * input.Length);
        if (fault is null && refusal is not null)
            fault = Sentence(refusal.Message);
        if (fault is null && seconds > _parser.MostSeconds && (seconds = Again()) > _parser.MostSeconds)
            fault = string.Create(CultureInfo.InvariantCulture, $"it took {seconds:f1} s");
        if (allocated > bound)
            fault ??= string.Create(CultureInfo.InvariantCulture, $"{allocated} bytes were allocated for a file of {input.Length} (bound {bound})");
        if (fault is null && _parser.IsNative && ResidentMemory.Peak() - resident is var grown && grown > (2 * bound) + (64 << 20))
            fault = string.Create(CultureInfo.InvariantCulture, $"resident memory grew by {grown} bytes for a file of {input.Length}");
        return (refusal is null, fault);
    }

    /// <summary>Seconds of a second reading: where other work held the processors, the first one was slow through no fault of its input.</summary>
    private double Again()
    {
        var began = Stopwatch.GetTimestamp();
        try
        {
            _read(_file);
        }
        catch (InputException)
        {
            // Judged already, the first time.
        }

        return Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>What is wrong with a sentence, or null.</summary>
    private string? Sentence(string message)
    {
        if (string.IsNullOrWhiteSpace(message))
            return "the sentence is empty";
        foreach (var c in message)
        {
            if (char.GetUnicodeCategory(c) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
                return $"the sentence holds U+{(int)c:X4}: {Plain(message)}";
        }

        if (message.Length > _parser.LongestSentence + _file.Length)
            return $"the sentence has {message.Length} characters: {Plain(message)}";
        if (!message.EndsWith('.'))
            return $"the sentence has no end: {Plain(message)}";
        return _parser.NamesFile && !message.Contains(_folder.FullName, StringComparison.Ordinal)
            ? $"the sentence does not name the file: {Plain(message)}"
            : null;
    }

    private static string Plain(string message) => string.Concat(message.Select(c => c is >= ' ' and < '\x7f' ? c.ToString() : $"<{(int)c:X4}>"));
}
