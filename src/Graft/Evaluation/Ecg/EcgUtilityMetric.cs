using System.Text.Json.Nodes;
using Graft.Data.Ecg;
using Graft.Training;

namespace Graft.Evaluation.Ecg;

/// <summary>
/// What generated ECGs are good for (<see cref="EcgUtility"/>), as a metric: the input's training records are the real ones, its target the test
/// records.
/// </summary>
/// <param name="options">How; defaults if null.</param>
/// <param name="run">How the trainings are followed; null: not at all.</param>
public sealed class EcgUtilityMetric(EcgUtilityOptions? options = null, TrainingRun? run = null) : IMetric
{
    private readonly EcgUtilityOptions _options = options ?? new EcgUtilityOptions();

    /// <inheritdoc/>
    public string Name => "utility";

    /// <inheritdoc/>
    public MetricReport Measure(EvaluationInput input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        const string Need = "A classifier of ECGs is trained on";
        var how = _options with { Training = _options.Training with { Seed = input.Seed } };
        var found = EcgUtility.Measure(
            EcgTrainingSet.From(EcgItems.Of(input.Training, Need)),
            EcgTrainingSet.From(EcgItems.Of(input.Samples, Need)),
            EcgItems.Of(input.Target, Need),
            how,
            (run ?? new TrainingRun()) with { CancellationToken = cancellationToken });
        EcgTraining[] trainings = [found.Real, found.Synthetic, found.Both];
        return new MetricReport
        {
            Metric = Name,
            Space = $"{found.Network.Name}, trained here",
            Values =
            [
                .. trainings.Select(t => Value($"auc_{t.Name}", t.Auc, found.TestRecords)),
                Value("synthetic_less_real", found.SyntheticLessReal, found.TestRecords),
                Value("both_less_real", found.BothLessReal, found.TestRecords),
                .. trainings.Select(t => new MetricValue($"rhythm_auc_{t.Name}", Mean(t.Rhythm), found.TestRecords)),
            ],
            Settings = new JsonObject
            {
                ["network"] = found.Network.ToJson(),
                ["weights_sha256"] = new JsonObject(trainings.Select(t => KeyValuePair.Create(t.Name, (JsonNode?)t.Weights))),
                ["records"] = new JsonObject(trainings.Select(t => KeyValuePair.Create(t.Name, (JsonNode?)t.Records))),
                ["steps"] = how.Training.Steps,
                ["batch_size"] = how.Training.BatchSize,
                ["learning_rate"] = how.Training.LearningRate,
                ["aggregate"] = how.Aggregate == CropAggregate.Max ? "max" : "mean",
                ["resamples"] = found.SyntheticLessReal.Resamples,
                ["seed"] = input.Seed,
            },
            Notes = [.. Notes(found, how)],
            Details = new JsonObject
            {
                ["classes"] = new JsonObject(found.Classes.Select((name, k) => KeyValuePair.Create(name, (JsonNode?)new JsonObject(trainings.SelectMany(t => new[]
                {
                    KeyValuePair.Create($"auc_{t.Name}", (JsonNode?)t.OfClasses[k]),
                    KeyValuePair.Create($"rhythm_auc_{t.Name}", (JsonNode?)t.Rhythm[k]),
                }))))),
                ["left_out"] = new JsonArray([.. found.LeftOut.Select(name => (JsonNode)name)]),
            },
        };
    }

    private static IEnumerable<string> Notes(EcgUtility found, EcgUtilityOptions how)
    {
        yield return $"Utility: {found.Network.Name} trained on {found.Real.Records} real records, on {found.Synthetic.Records} generated ones and on both, {how.Training.Steps} steps of {how.Training.BatchSize} each, judged on {found.TestRecords} real test records: macro AUC of {found.Classes.Count} class{(found.Classes.Count == 1 ? "" : "es")}.";
        yield return found.SyntheticLessReal.Low is null
            ? "No intervals are given: a class has so few test records that resamples without it cannot be avoided."
            : $"Intervals: quantiles of {found.SyntheticLessReal.Resamples} bootstrap resamples of the test records; a difference is taken of the same records each time. They hold for these trained networks, and leave out what another seed of the training would change.";
        yield return "rhythm_auc: logistic regression on four numbers of the RR intervals, fitted to the same records; a network that tells no more than this has learnt no more than the rhythm.";
        if (found.LeftOut.Count > 0)
            yield return $"Left out, since no test record is of them or all are: {Formats.FileFault.Shorten(string.Join(", ", found.LeftOut))}.";
    }

    private static MetricValue Value(string name, BootstrapInterval interval, int n) => new(name, interval.Value, n, interval.Low, interval.High);

    private static double? Mean(IReadOnlyList<double?> values) => values.All(v => v is not null) ? values.Average() : null;
}
