using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Evaluation;
using Graft.Recipes;
using Graft.Sampling;
using Graft.Training;
using Microsoft.Extensions.Logging;

namespace Graft.Comparison;

/// <summary>Comparisons of pictures: through feature networks, against other pictures of the domain; diversity and copies.</summary>
internal sealed class PictureComparison : IComparisonKind
{
    private const string SheetSuffix = "";
    private const string NearestSuffix = "-nearest";

    private PictureComparison()
    {
    }

    internal static PictureComparison Instance { get; } = new();

    public string Noun => "pictures";

    public string Quality => "kernel_distance";

    public string Diversity => "intra_distance";

    public string Copies => "memorised_share";

    public bool ShowsBestOfOneStep => true;

    public IReadOnlyList<ComparisonMeasure> Measures =>
    [
        new("frechet_distance", "Fréchet", false), new(Quality, "kernel", false), new(Diversity, "intra", true),
        new(Copies, "memorised", false), new("precision", "precision", true), new("recall", "recall", true), new("inception_score", "Inception Score", null), new("class_score", "class score", null),
    ];

    public IReadOnlyList<(string Word, string Meaning)> Meanings =>
    [
        ("Fréchet", "distance between Gaussians fitted to the features of samples and of reference pictures: quality and variety in one number. FID only where the network is FID's."),
        ("kernel", "the same question without Gaussians, unbiased for few pictures; may come out below 0. KID only where the network is FID's."),
        ("intra", "mean distance between samples that resemble the same training picture (protocol of CDC): diversity. 0 is all copies."),
        ("memorised", "share of samples nearer to a training picture than half of the median distance of these to each other."),
        ("Inception Score, class score", "how sure a classifier is of each sample, and how many classes they cover; it knows nothing of the target, and of one class it says little. Inception Score only where the network is FID's."),
        ("precision", "share of samples that lie among the reference pictures."),
        ("recall", "share of reference pictures that lie among the samples."),
    ];

    public string Footing => "The network that looked is in brackets; numbers of different networks, counts or targets cannot be compared.";

    public string Legend => "";

    public IReadOnlyList<(string Suffix, string Caption, string Style)> Pictures =>
    [
        (SheetSuffix, "the first samples, none left out", "sheet"), (NearestSuffix, "the most copied samples beside their nearest training pictures", ""),
    ];

    public ComparisonColumn ColumnOf(string metric, ComparisonMeasure measure)
    {
        var column = new ComparisonColumn(metric, measure.Value, measure.Title, measure.Higher)
        {
            Space = metric == "inception_score" ? "inception" : metric.Contains('_', StringComparison.Ordinal) ? metric[(metric.LastIndexOf('_') + 1)..] : "pixels",
        };
        return column with { Title = $"{measure.Title} ({column.Space})" };
    }

    public IReadOnlyList<string> RowsBeside(CompareRecipe recipe, string target) => [ComparisonCell.SourceName];

    public IReadOnlyList<long> SeedsBeside(CompareRecipe recipe) => [recipe.Seeds[0]];

    public bool IsOneDomain(CompareRecipe recipe) => false;

    public JsonObject? DataOf(CompareRecipe recipe, ComparisonCell cell) => null;

    public void Check(CompareRecipe recipe)
    {
        // What pictures need is checked where they are opened.
    }

    public IComparisonBench Open(CompareRecipe recipe, DiffusionModel source, TrainingRun run) => new Bench(recipe, source, run);

    private sealed class Bench : IComparisonBench
    {
        private const int SheetPictures = 64;
        private readonly CompareRecipe _recipe;
        private readonly CancellationToken _cancellationToken;
        private readonly FeatureSpaces _spaces;
        private readonly Dictionary<string, (IImageSource Training, IImageSource? Reference)> _targets = [];

        internal Bench(CompareRecipe recipe, DiffusionModel source, TrainingRun run)
        {
            (_recipe, _cancellationToken) = (recipe, run.CancellationToken);
            foreach (var (name, target) in recipe.Targets)
                _targets[name] = (Open(target.Training), target.Reference is { } reference ? Open(reference) : null);
            _spaces = new FeatureSpaces(recipe.Features, source.Device, Warn);

            IImageSource Open(DataOptions data) => data.Open(source.Shape, Warn, run.CancellationToken);

            void Warn(string text) => run.Logger.LogWarning("{Warning}", text);
        }

        public ISampleSource Training(ComparisonCell cell) => _targets[cell.Target].Training;

        public ISampleSource? Reference(ComparisonCell cell) => _targets[cell.Target].Reference;

        public (ISampleSource Samples, JsonObject How) Draw(ComparisonCell cell, DiffusionModel? model)
        {
            ArgumentNullException.ThrowIfNull(model);
            var sampler = Sampler.Parse(_recipe.Sampler, _recipe.SampleSteps);
            var samples = model.Sample(_recipe.Samples, sampler, cell.Seed, cancellationToken: _cancellationToken);
            return (samples, new JsonObject { ["count"] = samples.Count, ["sampler"] = sampler.Name, ["steps"] = sampler.Steps });
        }

        public Findings Measure(ComparisonCell cell, DiffusionModel? model, ISampleSource samples, string? run)
        {
            var (training, reference) = _targets[cell.Target];
            var flip = cell.Step > 0 && _recipe.CreateMethod(cell.Method, cell.Seed, cell.Step).Training.Flip;
            var input = new EvaluationInput { Samples = samples, Target = reference ?? training, Training = training, Mirrored = flip, Seed = cell.Seed };
            var report = EvaluationReport.Of(
                input, metrics: [.. EvaluationReport.Metrics.Concat(_spaces.Metrics(flip)).Where(m => reference is not null || !m.ComparesSets)], cancellationToken: _cancellationToken);
            var nearest = report.Reports.Last(r => r.Pictures.Count > 0).Pictures.First(p => p.Key.StartsWith("nearest", StringComparison.Ordinal)).Value;
            return new Findings(report.Reports, [(SheetSuffix, samples.Pictures("A sheet shows").ToGrid(8, SheetPictures)), (NearestSuffix, nearest)]);
        }

        public void Dispose() => _spaces.Dispose();
    }
}
