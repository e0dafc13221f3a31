using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Networks.Clip;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>How well a pair of towers finds the names of pictures among given names, none of which it is trained on here: zero-shot.</summary>
public sealed record RetrievalReport
{
    private const int Several = 5;
    private const int AtOnce = 500;

    /// <summary>Which pictures.</summary>
    public required string Data { get; init; }

    /// <summary>How many names there were to choose from.</summary>
    public required int Names { get; init; }

    /// <summary>Pictures whose own name was the best.</summary>
    public required Share First { get; init; }

    /// <summary>Pictures whose own name was among the five best.</summary>
    public required Share AmongFive { get; init; }

    /// <summary>Names whose best picture was one of theirs.</summary>
    public required Share NamesFirst { get; init; }

    /// <summary>Names that had one of their own among their five best pictures.</summary>
    public required Share NamesAmongFive { get; init; }

    /// <summary>Measures.</summary>
    /// <param name="model">The towers.</param>
    /// <param name="images">Pictures with labels.</param>
    /// <param name="names">The name of each class, by its label; equal ones count as one.</param>
    /// <param name="templates">Through which names are seen, all of them at once.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">A picture has no name.</exception>
    public static RetrievalReport Measure(
        ImageTextModel model, IImageSource images, IReadOnlyList<string> names, IReadOnlyList<string> templates, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(names);
        string[] different = [.. names.Distinct(StringComparer.Ordinal)];
        var labels = new int[images.Count];
        for (var i = 0; i < labels.Length; i++)
        {
            labels[i] = images.Label(i) is { } label && label >= 0 && label < names.Count
                ? Array.IndexOf(different, names[label])
                : throw new InputException($"The picture {images.Name(i)} has no name to be found by: give labels, and a name for each class.");
        }

        var scores = TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            var texts = model.EncodeNames(different, templates).Transpose(0, 1).Contiguous();
            var rows = new List<float[]>(images.Count);
            for (var first = 0; first < images.Count; first += AtOnce)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var inner = new TensorScope();
                var some = Enumerable.Range(first, Math.Min(AtOnce, images.Count - first)).Select(images.ToPicture).ToArray();
                rows.AddRange(model.Encode(some).MatMul(texts).ToArray<float>().Chunk(different.Length));
            }

            return rows.ToArray();
        });
        return Of(scores, labels, different.Length, images.Description);
    }

    /// <summary>Counts, of cosines of pictures and names.</summary>
    /// <param name="scores">One row a picture.</param>
    /// <param name="labels">The name of each picture.</param>
    /// <param name="names">How many names there are.</param>
    /// <param name="data">Which pictures.</param>
    internal static RetrievalReport Of(float[][] scores, int[] labels, int names, string data)
    {
        // An equal score counts against: towers that say the same of everything find nothing.
        var ranks = scores.Select((row, i) => row.Where((s, m) => m != labels[i] && s >= row[labels[i]]).Count()).ToArray();
        var byName = new List<int>();
        foreach (var group in Enumerable.Range(0, labels.Length).GroupBy(i => labels[i]))
        {
            var best = group.Max(i => scores[i][group.Key]);
            byName.Add(Enumerable.Range(0, labels.Length).Count(i => labels[i] != group.Key && scores[i][group.Key] >= best));
        }

        return new RetrievalReport
        {
            Data = data,
            Names = names,
            First = new Share(ranks.Count(r => r < 1), ranks.Length),
            AmongFive = new Share(ranks.Count(r => r < Several), ranks.Length),
            NamesFirst = new Share(byName.Count(r => r < 1), byName.Count),
            NamesAmongFive = new Share(byName.Count(r => r < Several), byName.Count),
        };
    }

    /// <summary>As a JSON object; shares with Wilson's 95 % intervals.</summary>
    public JsonObject ToJson() => new()
    {
        ["data"] = Data,
        ["pictures"] = First.Of,
        ["names"] = Names,
        ["top_1"] = Json(First),
        ["top_5"] = Json(AmongFive),
        ["name_to_picture_top_1"] = Json(NamesFirst),
        ["name_to_picture_top_5"] = Json(NamesAmongFive),
    };

    private static JsonObject Json(Share share) => new()
    {
        ["share"] = share.Value, ["low"] = share.Interval.Low, ["high"] = share.Interval.High,
    };
}
