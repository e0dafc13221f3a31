using System.Globalization;
using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Diffusion;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Formats.Images;
using Graft.Recipes;
using Graft.Sampling;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Comparison;

/// <summary>Where comparisons of points are measured.</summary>
internal sealed class PointBench : IComparisonBench
{
    private const int BatchSize = 1024;
    private readonly CompareRecipe _recipe;
    private readonly DiffusionModel _source;
    private readonly CancellationToken _cancellationToken;

    internal PointBench(CompareRecipe recipe, DiffusionModel source, TrainingRun run)
    {
        (_recipe, _source, _cancellationToken) = (recipe, source, run.CancellationToken);
        foreach (var target in recipe.Targets.Keys)
        {
            var first = new ComparisonCell(target, ComparisonCell.SourceName, recipe.Seeds[0], 0);
            (_, _) = (Training(first), Reference(first)); // what does not fit is refused before anything is trained
        }
    }

    public ISampleSource Training(ComparisonCell cell) => _recipe.Targets[cell.Target].TrainingOf(cell.Seed).OpenFor(_source);

    public ISampleSource Reference(ComparisonCell cell) => ReferenceOf(cell).OpenFor(_source);

    public (ISampleSource Samples, JsonObject How) Draw(ComparisonCell cell, DiffusionModel? model)
    {
        var sampler = Sampler.Parse(_recipe.Sampler, _recipe.SampleSteps);
        var how = new JsonObject { ["count"] = _recipe.Samples, ["sampler"] = sampler.Name, ["steps"] = sampler.Steps };
        if (model is not null)
            return (model.SampleValues(_recipe.Samples, sampler, cell.Seed, batchSize: BatchSize, cancellationToken: _cancellationToken), how);
        var reference = ReferenceOf(cell).Mixture!;
        return cell.Method == PointComparison.OracleRow
            ? (OfOracle(reference.Create(), sampler, cell.Seed), how)
            : (After(reference), new JsonObject { ["count"] = _recipe.Samples, ["drawn_from"] = "the true target" });
    }

    public Findings Measure(ComparisonCell cell, DiffusionModel? model, ISampleSource samples, string? run)
    {
        var input = new EvaluationInput { Samples = samples, Target = Reference(cell), Training = Training(cell), Seed = cell.Seed };
        var reports = EvaluationReport.Of(input, cancellationToken: _cancellationToken).Reports.ToList();
        var density = (input.Target as SampleSet)?.Density;
        var pictures = new List<(string, Picture)>();
        if (PointPlots.Fits(samples))
            pictures.Add((PointComparison.SamplesSuffix, PointPlots.Samples(samples, density, $"{cell.Method}, {cell.Target}, seed {cell.Seed.ToString(CultureInfo.InvariantCulture)}")));
        if (model is not null && density is not null && RatioOf(cell, density) is { } truth && LearntRatio.Of(model) is { } learnt)
        {
            reports.Add(Value("log_ratio", "true log density ratio", PointComparison.RatioError, learnt.ErrorAgainst(truth, input.Target), input.Target.Count));
            if (PointPlots.Fits(samples))
                pictures.Add((PointComparison.RatioSuffix, learnt.Beside(truth, density.Reach)));
        }

        if (run is not null && KeptStep(run) is { } step)
            reports.Add(Value("training", "steps", PointComparison.KeptStep, step, 1));
        return new Findings(reports, pictures);
    }

    public void Dispose()
    {
        // The source is the caller's, and points are held by nobody.
    }

    private static MetricReport Value(string metric, string space, string name, double value, int n) =>
        new() { Metric = metric, Space = space, Values = [new(name, value, n)] };

    private DataOptions ReferenceOf(ComparisonCell cell) => _recipe.Targets[cell.Target].ReferenceOf(cell.Seed, _recipe.Samples)!;

    /// <summary>As many draws as there are samples, of those that come after the reference's.</summary>
    private ISampleSource After(MixtureOptions reference) =>
        (reference with { Count = reference.Count + _recipe.Samples }).Draw().Subset([.. Enumerable.Range(reference.Count, _recipe.Samples)]);

    /// <summary>The closed-form score through the sampler, from the noise that models with this seed start from.</summary>
    private SampleSet OfOracle(GaussianMixture target, Sampler sampler, long seed)
    {
        var (oracle, shape) = (new MixtureOracle(target, _source.Schedule), new ItemShape(target.Dimensions));
        var values = new float[_recipe.Samples * target.Dimensions];
        TorchRuntime.Run(() =>
        {
            for (var first = 0; first < _recipe.Samples; first += BatchSize)
            {
                using var scope = new TensorScope();
                var items = Enumerable.Range(first, Math.Min(BatchSize, _recipe.Samples - first)).Select(i => (long)i).ToArray();
                var (start, noise) = Noise.Keyed(seed, items, shape.Sizes);
                var x = sampler.Sample(oracle, _source.Schedule, start, noise, cancellationToken: _cancellationToken);
                x.To(DType.Float32).CopyTo(values.AsSpan(first * target.Dimensions, items.Length * target.Dimensions));
            }
        });
        return new SampleSet(shape, values, $"{_recipe.Samples} samples of the closed-form score of {target}, {sampler.Name} with {sampler.Steps} steps, seed {seed}");
    }

    /// <summary>The true ratio, where the method's options name the source's mixture.</summary>
    private MixtureRatio? RatioOf(ComparisonCell cell, GaussianMixture target)
    {
        var options = cell.Step > 0 ? _recipe.CreateMethod(cell.Method, cell.Seed, cell.Step) as Guided : null;
        return (options?.SourceData?.Mixture ?? options?.KnownRatio?.Source)?.Create() is { } source ? new MixtureRatio(source, target, _source.Schedule) : null;
    }

    /// <summary>The step that held-out items chose in the run's last stage; null where they were not asked.</summary>
    private static long? KeptStep(string run)
    {
        var last = Directory.EnumerateFiles(run, "best.safetensors", SearchOption.AllDirectories).OrderBy(File.GetLastWriteTimeUtc).ThenBy(f => f, StringComparer.Ordinal).LastOrDefault();
        if (last is null)
            return null;
        using var file = WeightFile.Open(last);
        return file.Metadata.TryGetValue("step", out var step) && long.TryParse(step, NumberStyles.None, CultureInfo.InvariantCulture, out var at) ? at : null;
    }
}
