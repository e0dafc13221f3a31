using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Formats.TensorBoard;

namespace Graft.Training;

/// <summary>
/// <c>log.jsonl</c>: one JSON object a line, in order of steps. On resuming, lines beyond the checkpoint go, so that a resumed
/// run's log equals an unbroken one but for <c>seconds</c>. Where it is asked for, the same goes into a new file of TensorBoard events.
/// </summary>
internal sealed class TrainingLog : IDisposable
{
    private readonly StreamWriter _writer;

    private readonly EventWriter? _events;

    private TrainingLog(StreamWriter writer, EventWriter? events) => (_writer, _events) = (writer, events);

    internal static TrainingLog Open(string path, long steps, bool tensorboard = false)
    {
        if (File.Exists(path))
        {
            // A line cut off by a kill is no JSON; it lies beyond the checkpoint in any case.
            var kept = File.ReadLines(path).Where(line => StepOf(line) is { } step && step <= steps).ToList();
            AtomicFile.WriteText(path, kept.Count == 0 ? "" : string.Join('\n', kept) + "\n");
        }

        var events = tensorboard ? EventWriter.Create(Path.GetDirectoryName(Path.GetFullPath(path))!, steps + 1) : null;
        return new TrainingLog(new StreamWriter(path, append: true, new UTF8Encoding(false)), events);
    }

    internal void Write(long step, IReadOnlyList<(string Name, double Value)> values)
    {
        var line = new StringBuilder($"{{\"step\":{step}");
        foreach (var (name, value) in values)
        {
            var text = double.IsFinite(value) ? value.ToString("R", CultureInfo.InvariantCulture) : $"\"{value.ToString(CultureInfo.InvariantCulture)}\"";
            line.Append(CultureInfo.InvariantCulture, $",\"{name}\":{text}");
        }

        _writer.WriteLine(line.Append('}'));
        _events?.WriteScalars(step, values);
    }

    /// <summary>A sheet of samples, which lies in a PNG file.</summary>
    internal void WriteSamples(long step, string path) => _events?.WriteImage(step, "samples", File.ReadAllBytes(path));

    internal void Flush() => _writer.Flush();

    public void Dispose()
    {
        _writer.Dispose();
        _events?.Dispose();
    }

    private static long? StepOf(string line)
    {
        try
        {
            return (long?)JsonNode.Parse(line)?["step"];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or ArgumentException)
        {
            return null;
        }
    }
}
