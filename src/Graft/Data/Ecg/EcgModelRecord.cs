using System.Text.Json;
using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Data.Ecg;

/// <summary>
/// What a model's folder says of the ECGs that it makes, in <c>ecg.json</c>: leads, rate, unit, classes and every step of the preparation,
/// and how often each set of labels stands in the training set, by which labels are drawn.
/// </summary>
public sealed class EcgModelRecord
{
    private const string FileName = "ecg.json";
    private readonly long[] _cumulated;

    /// <summary>Makes a record.</summary>
    /// <param name="card">What the samples are.</param>
    /// <param name="labelSets">Sets of places in the card's classes, and how many training records have each; may be empty.</param>
    /// <exception cref="ArgumentException">A label is no place in the classes, or a count is below 1.</exception>
    public EcgModelRecord(EcgCard card, IReadOnlyList<(IReadOnlyList<int> Labels, int Count)> labelSets)
    {
        ArgumentNullException.ThrowIfNull(card);
        ArgumentNullException.ThrowIfNull(labelSets);
        if (labelSets.Any(s => s.Count < 1 || s.Labels.Any(l => l < 0 || l >= card.Classes.Count)))
            throw new ArgumentException("a set of labels has no place in the classes, or no record", nameof(labelSets));
        (Card, LabelSets) = (card, labelSets);
        var sum = 0L;
        _cumulated = [.. labelSets.Select(s => sum += s.Count)];
    }

    /// <summary>What the samples are.</summary>
    public EcgCard Card { get; }

    /// <summary>Sets of labels and how many training records have each, the most frequent first.</summary>
    public IReadOnlyList<(IReadOnlyList<int> Labels, int Count)> LabelSets { get; }

    /// <summary>The record of what a model is trained on.</summary>
    public static EcgModelRecord Of(EcgSet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        var sets = Enumerable.Range(0, set.Classes.Count == 0 ? 0 : set.Count)
            .Select(i => string.Join(',', set.MultiHot(i).Select((v, k) => (v, k)).Where(p => p.v > 0).Select(p => p.k)))
            .GroupBy(key => key, StringComparer.Ordinal)
            .Select(g => ((IReadOnlyList<int>)[.. g.Key.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)], Count: g.Count(), g.Key))
            .OrderByDescending(s => s.Count).ThenBy(s => s.Key, StringComparer.Ordinal);
        return new EcgModelRecord(set.Card, [.. sets.Select(s => (s.Item1, s.Count))]);
    }

    /// <summary>The set of labels of a drawn item: a function of (seed, item), as frequent as in the training set.</summary>
    /// <exception cref="InvalidOperationException">The record has no sets.</exception>
    public IReadOnlyList<int> DrawLabels(long seed, long item)
    {
        if (_cumulated.Length == 0)
            throw new InvalidOperationException("The record says of no label how often it is.");
        var place = (long)(new KeyedRandom(seed, "sampling/labels").Uniform(0, item) * _cumulated[^1]);
        var at = Array.FindIndex(_cumulated, c => c > place);
        return LabelSets[at].Labels;
    }

    /// <summary>Reads a folder's; null where it has none.</summary>
    /// <exception cref="InputException">The file is broken.</exception>
    internal static EcgModelRecord? Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            return null;
        var json = JsonStyle.ReadObject(path);
        try
        {
            var card = EcgCard.FromJson(json["card"]?.DeepClone() as JsonObject ?? throw Fault(path, null));
            var sets = (json["label_sets"] as JsonArray ?? []).Select(s => ((IReadOnlyList<int>)s!["labels"].Deserialize<int[]>()!, s["count"].Deserialize<int>()));
            return new EcgModelRecord(card, [.. sets]);
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException or NullReferenceException)
        {
            throw Fault(path, e);
        }
    }

    internal void Write(string folder)
    {
        var sets = new JsonArray([.. LabelSets.Select(s => (JsonNode)new JsonObject
        {
            ["labels"] = new JsonArray([.. s.Labels.Select(l => (JsonNode)JsonValue.Create(l))]),
            ["count"] = s.Count,
        })]);
        AtomicFile.WriteText(Path.Combine(folder, FileName), JsonStyle.Sorted(new JsonObject { ["card"] = Card.ToJson(), ["label_sets"] = sets }));
    }

    private static InputException Fault(string path, Exception? inner) =>
        new($"The record of the model's ECGs {path} does not say what it should (card, label_sets); take it from the model's folder as it was written.", inner!);
}
