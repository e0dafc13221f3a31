using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Data.Ecg;
using Graft.Evaluation.Ecg;
using Graft.Formats;
using Graft.Formats.Images;

namespace Graft.Evaluation;

/// <summary>What every metric found about a set of samples.</summary>
public sealed record EvaluationReport
{
    private const int Format = 1;

    /// <summary>The metrics of pictures that need no network.</summary>
    public static IReadOnlyList<IMetric> Metrics { get; } = [new MemorisationMetric()];

    /// <summary>The metrics that need no network, for the kind of samples at hand.</summary>
    public static IReadOnlyList<IMetric> MetricsOf(EvaluationInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return input.Samples is IImageSource ? Metrics : input.Samples is EcgItems ? EcgMetrics.Of() : PointMetrics.Of(input.Target);
    }

    /// <summary>What was judged.</summary>
    public required EvaluationInput Input { get; init; }

    /// <summary>Where the samples came from, and how they were drawn.</summary>
    public required JsonObject Origin { get; init; }

    /// <summary>What the metrics found.</summary>
    public required IReadOnlyList<MetricReport> Reports { get; init; }

    /// <summary>Measures.</summary>
    /// <param name="input">What is judged.</param>
    /// <param name="origin">Where the samples came from, for the report.</param>
    /// <param name="metrics">Which metrics; those of <see cref="MetricsOf"/> if null. <see cref="FeatureSpace.Metrics"/> gives those of a network.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">Samples, target and training pictures are not of one shape.</exception>
    public static EvaluationReport Of(EvaluationInput input, JsonObject? origin = null, IReadOnlyList<IMetric>? metrics = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        foreach (var (name, pictures) in new[] { ("target", input.Target), ("training", input.Training) })
        {
            if (pictures.ItemShape != input.Samples.ItemShape || pictures is IImageSource != input.Samples is IImageSource)
                throw new InputException($"The samples are {input.Samples.ItemShape} and the {name} {pictures.Noun()} {pictures.ItemShape}: bring them to one shape.");
        }

        return new EvaluationReport
        {
            Input = input,
            Origin = origin ?? [],
            Reports = [.. (metrics ?? MetricsOf(input)).Select(m => m.Measure(input, cancellationToken))],
        };
    }

    /// <summary>Everything, for machines.</summary>
    public JsonObject ToJson() => new()
    {
        ["format"] = Format,
        ["samples"] = Describe(Input.Samples, Origin, names: false),
        ["target"] = Describe(Input.Target, [], names: true),
        ["training"] = ReferenceEquals(Input.Training, Input.Target) ? "the target" : Describe(Input.Training, [], names: true),
        ["seed"] = Input.Seed,
        ["metrics"] = new JsonObject(Reports.Select(r => KeyValuePair.Create(r.Metric, (JsonNode?)new JsonObject
        {
            ["space"] = r.Space,
            ["weights_sha256"] = r.SpaceHash,
            ["settings"] = r.Settings.DeepClone(),
            ["values"] = new JsonObject(r.Values.Select(v => KeyValuePair.Create(v.Name, (JsonNode?)Value(v)))),
            ["notes"] = new JsonArray([.. r.Notes.Select(n => (JsonNode)JsonValue.Create(n))]),
            ["details"] = r.Details.DeepClone(),
        }))),
    };

    /// <summary>Everything as indented JSON text.</summary>
    public string ToJsonText() => ToJson().ToJsonString(JsonStyle.Indented) + "\n";

    /// <summary>Writes <c>evaluation.json</c> and the metrics' pictures into a folder, which is created if need be; the JSON last.</summary>
    /// <returns>The files, in order.</returns>
    public IReadOnlyList<string> Write(string folder)
    {
        var files = new List<string>();
        foreach (var (name, picture) in Reports.SelectMany(r => r.Pictures))
        {
            files.Add(Path.Combine(folder, name));
            AtomicFile.Write(files[^1], stream => stream.Write(ImageCodec.EncodePng(picture)));
        }

        files.Add(Path.Combine(folder, "evaluation.json"));
        AtomicFile.WriteText(files[^1], ToJsonText());
        return files;
    }

    private static JsonObject Describe(ISampleSource pictures, JsonObject origin, bool names)
    {
        var json = new JsonObject
        {
            ["description"] = pictures.Description,
            ["count"] = pictures.Count,
            ["shape"] = new JsonArray([.. pictures.ItemShape.Sizes.ToArray().Select(size => (JsonNode)size)]),
        };
        foreach (var (key, value) in origin)
            json[key] = value?.DeepClone();
        if (names)
            json["names"] = new JsonArray([.. Enumerable.Range(0, pictures.Count).Select(i => (JsonNode)JsonValue.Create(pictures.Name(i)))]);
        return json;
    }

    private static JsonObject Value(MetricValue value)
    {
        var json = new JsonObject { ["value"] = value.Value, ["n"] = value.N };
        if (value.Low is not null)
            (json["low"], json["high"]) = (value.Low, value.High);
        return json;
    }
}
