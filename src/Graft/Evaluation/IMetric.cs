using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Formats.Images;

namespace Graft.Evaluation;

/// <summary>What a metric may look at.</summary>
public sealed record EvaluationInput
{
    /// <summary>The pictures (or other items) that are judged.</summary>
    public required ISampleSource Samples { get; init; }

    /// <summary>Pictures (or other items) of the domain that they are meant to belong to.</summary>
    public required ISampleSource Target { get; init; }

    /// <summary>What the model was trained on; often the target itself.</summary>
    public required ISampleSource Training { get; init; }

    /// <summary>Whether the training mirrored its pictures.</summary>
    public bool Mirrored { get; init; }

    /// <summary>Seed of everything that a metric draws.</summary>
    public long Seed { get; init; }
}

/// <summary>One value of a metric.</summary>
/// <param name="Name">In snake_case, unique within the metric.</param>
/// <param name="Value">The value; null where it does not exist, which a note of the report explains.</param>
/// <param name="N">How many pictures it rests on.</param>
/// <param name="Low">Lower end of its 95 % interval, where there is one.</param>
/// <param name="High">Upper end.</param>
/// <param name="IsCount">Whether it counts something, and so is a whole number.</param>
public sealed record MetricValue(string Name, double? Value, int N, double? Low = null, double? High = null, bool IsCount = false);

/// <summary>What a metric found.</summary>
public sealed record MetricReport
{
    /// <summary>The metric's name.</summary>
    public required string Metric { get; init; }

    /// <summary>The space in which pictures were compared: pixels, or a network's features and how pictures were prepared for it.</summary>
    public required string Space { get; init; }

    /// <summary>SHA-256 of the network's weights; null where no network takes part.</summary>
    public string? SpaceHash { get; init; }

    /// <summary>The values, the most telling first.</summary>
    public required IReadOnlyList<MetricValue> Values { get; init; }

    /// <summary>How it was measured.</summary>
    public JsonObject Settings { get; init; } = [];

    /// <summary>Sentences for people: what was compared, what is missing and why.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Everything behind the values, for machines.</summary>
    public JsonObject Details { get; init; } = [];

    /// <summary>Pictures to look at, by file name.</summary>
    public IReadOnlyDictionary<string, Picture> Pictures { get; init; } = new Dictionary<string, Picture>();
}

/// <summary>A measure of samples: one file in this folder and one line in <see cref="EvaluationReport.Metrics"/>.</summary>
public interface IMetric
{
    /// <summary>The name in reports, in snake_case.</summary>
    string Name { get; }

    /// <summary>Whether it holds samples against <see cref="EvaluationInput.Target"/> as a set, which takes more pictures of the domain than a few.</summary>
    bool ComparesSets => false;

    /// <summary>Measures.</summary>
    /// <exception cref="InputException">Samples and pictures do not fit together.</exception>
    MetricReport Measure(EvaluationInput input, CancellationToken cancellationToken = default);
}
