using System.Globalization;
using Google.Protobuf;
using Graft.Formats.Images;

namespace Graft.Formats.TensorBoard;

/// <summary>Writes a file of TensorBoard events: numbers and pictures by step.</summary>
/// <remarks>
/// <para>
/// The file is a TFRecord file of TensorFlow's <c>Event</c> messages, called <c>events.out.tfevents.SECONDS.graft.PID.N</c>. It begins
/// with the version (<c>brain.Event:2</c>) and a session start, which names the first step that the file holds: of an earlier file in
/// the same folder, readers drop that step and later ones, so that a resumed run shows no point twice.
/// </para>
/// <para>
/// Numbers are written as <c>simple_value</c> and pictures as <c>image</c> with the bytes of a PNG, without metadata: the form that
/// every version of TensorBoard shows, 1.x and 2.x (which turn it into tensors when they read it). Every record goes to the operating
/// system as a whole when it is written, so that a kill loses nothing that was written before; a power cut may.
/// </para>
/// </remarks>
public sealed class EventWriter : IDisposable
{
    private const string FileVersion = "brain.Event:2";
    private const string Prefix = "events.out.tfevents.";
    private readonly FileStream _file;
    private readonly TimeProvider _clock;

    private EventWriter(FileStream file, TimeProvider clock) => (_file, _clock) = (file, clock);

    /// <summary>The file.</summary>
    public string Path => _file.Name;

    /// <summary>Begins a file.</summary>
    /// <param name="folder">Where; created if need be. The files of one run lie in one folder.</param>
    /// <param name="firstStep">The first step that is going to be written: earlier files' points from here on are dropped by readers.</param>
    /// <param name="clock">Tells the time; the system's if null.</param>
    /// <exception cref="InputException">The file cannot be created.</exception>
    public static EventWriter Create(string folder, long firstStep, TimeProvider? clock = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentOutOfRangeException.ThrowIfNegative(firstStep);
        clock ??= TimeProvider.System;
        FileStream file;
        try
        {
            Directory.CreateDirectory(folder);
            file = CreateFile(folder, clock.GetUtcNow().ToUnixTimeSeconds());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"Cannot write TensorBoard events into '{folder}' ({e.Message.TrimEnd('.')}): give a folder that can be written to.", e);
        }

        var writer = new EventWriter(file, clock);
        writer.Write(new Event { FileVersion = FileVersion, SourceMetadata = new SourceMetadata { Writer = "graft" } });
        writer.Write(new Event { Step = firstStep, SessionLog = new SessionLog { Status = SessionLog.Types.SessionStatus.Start } });
        return writer;
    }

    /// <summary>Whether a file name is one of an event file.</summary>
    public static bool IsEventFile(string path) =>
        System.IO.Path.GetFileName(path).StartsWith(Prefix, StringComparison.Ordinal);

    /// <summary>Writes numbers of one step as one record.</summary>
    /// <param name="step">The step, at least 0.</param>
    /// <param name="values">By tag; a slash in a tag groups. They are cut to float32, as TensorBoard keeps them; NaN and infinities are kept.</param>
    public void WriteScalars(long step, IEnumerable<(string Tag, double Value)> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        var summary = new Summary();
        summary.Value.AddRange(values.Select(v => new Summary.Types.Value { Tag = v.Tag, SimpleValue = (float)v.Value }));
        Write(new Event { Step = step, Summary = summary });
    }

    /// <summary>Writes a picture of one step.</summary>
    /// <param name="step">The step, at least 0.</param>
    /// <param name="tag">Its name.</param>
    /// <param name="png">The bytes of a PNG file.</param>
    /// <exception cref="InputException">They are none.</exception>
    public void WriteImage(long step, string tag, ReadOnlySpan<byte> png)
    {
        var info = ImageCodec.Probe(png, tag);
        var image = new Summary.Types.Image
        {
            Height = info.Height,
            Width = info.Width,
            Colorspace = info.Channels,
            EncodedImageString = ByteString.CopyFrom(png),
        };
        Write(new Event { Step = step, Summary = new Summary { Value = { new Summary.Types.Value { Tag = tag, Image = image } } } });
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>
    /// Readers take the files of a folder in the order of their names: the time in a new one must be later than in all that are there,
    /// even if two begin within a second or the clock was put back.
    /// </summary>
    private static FileStream CreateFile(string folder, long seconds)
    {
        foreach (var path in Directory.EnumerateFiles(folder, Prefix + "*"))
        {
            var number = System.IO.Path.GetFileName(path)[Prefix.Length..].Split('.')[0];
            if (long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var there) && there >= seconds && there < int.MaxValue)
                seconds = there + 1;
        }

        for (var n = 0; ; n++)
        {
            var path = System.IO.Path.Combine(folder, FormattableString.Invariant($"{Prefix}{seconds:D10}.graft.{Environment.ProcessId}.{n}"));
            if (!File.Exists(path))
                return new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
        }
    }

    private void Write(Event record)
    {
        record.WallTime = _clock.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0;
        _file.Write(TfRecord.Frame(record.ToByteArray()));
    }
}
