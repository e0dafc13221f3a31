using System.Diagnostics;
using System.Reflection;
using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Formats.Images;
using Graft.Recipes;
using Graft.Sampling;
using Graft.Torch;
using Graft.Training;
using Microsoft.Extensions.Logging;

namespace Graft.Comparison;

/// <summary>Runs the cells of a comparison that are not there yet. What is finished stays; a cell that was begun goes on at its checkpoint.</summary>
public sealed class ComparisonRun : IDisposable
{
    private const int SheetPictures = 64;
    private readonly CompareRecipe _recipe;
    private readonly TrainingRun _run;
    private readonly DiffusionModel _source;
    private readonly string _fingerprint;
    private readonly FeatureSpaces? _spaces;
    private readonly Dictionary<string, (IImageSource Training, IImageSource? Reference)> _targets = [];

    /// <summary>Opens source, targets and feature networks.</summary>
    /// <param name="recipe">What is compared.</param>
    /// <param name="run">How it is followed.</param>
    /// <exception cref="InputException">Something is missing or does not fit.</exception>
    public ComparisonRun(CompareRecipe recipe, TrainingRun run)
    {
        recipe.Check();
        (_recipe, _run) = (recipe, run);
        foreach (var (name, target) in recipe.Targets)
        {
            target.Training.Require(recipe.Name, $"targets.{name}.training");
            target.Reference?.Require(recipe.Name, $"targets.{name}.reference");
        }

        var device = Device.Parse(recipe.Device);
        _source = DiffusionModel.Load(recipe.Source, device);
        try
        {
            foreach (var (name, target) in recipe.Targets)
                _targets[name] = (Open(target.Training), target.Reference is { } reference ? Open(reference) : null);
            _spaces = new FeatureSpaces(recipe.Features, device, text => run.Logger.LogWarning("{Warning}", text));
            _fingerprint = _source.Fingerprint();
        }
        catch
        {
            Dispose();
            throw;
        }

        IImageSource Open(DataOptions data) => data.Open(_source.Shape, text => run.Logger.LogWarning("{Warning}", text), run.CancellationToken);
    }

    /// <summary>Every cell, in the order in which they run.</summary>
    public static IEnumerable<ComparisonCell> Cells(CompareRecipe recipe)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        foreach (var target in recipe.Targets.Keys)
            yield return new ComparisonCell(target, ComparisonCell.SourceName, recipe.Seeds[0], 0);
        foreach (var seed in recipe.Seeds)
        {
            foreach (var target in recipe.Targets.Keys)
            {
                foreach (var method in recipe.Methods.Keys)
                {
                    foreach (var step in recipe.At)
                        yield return new ComparisonCell(target, method, seed, step);
                }
            }
        }
    }

    /// <summary>Runs what is missing.</summary>
    /// <param name="finished">Called after every cell.</param>
    /// <exception cref="InputException">A finished cell was made with other settings.</exception>
    /// <exception cref="TrainingStoppedException">It was stopped; what is finished is kept.</exception>
    public void Run(Action? finished = null)
    {
        var left = Cells(_recipe).Where(IsMissing).ToList();
        for (var i = 0; i < left.Count; i++)
        {
            _run.CancellationToken.ThrowIfCancellationRequested();
            var cell = left[i];
            _run.Logger.LogInformation(
                "Cell {Number} of {Count}: {Method} on {Target}, seed {Seed}, step {Step}", i + 1, left.Count, cell.Method, cell.Target, cell.Seed, cell.Step);
            Directory.CreateDirectory(cell.Folder(_recipe.Out));
            if (cell.Step == 0)
            {
                Measure(cell, _source, 0);
                finished?.Invoke();
                continue;
            }

            var run = Path.Combine(cell.Folder(_recipe.Trainings), "run");
            var method = _recipe.CreateMethod(cell.Method, cell.Seed, cell.Step);
            using var model = method.Adapt(_source, _targets[cell.Target].Training, _run with { Folder = run, Resume = Directory.Exists(run) });
            Measure(cell, model, TrainingSeconds(run));
            finished?.Invoke();
        }
    }

    private bool IsMissing(ComparisonCell cell)
    {
        if (cell.Read(_recipe) is not { } json)
            return true;
        return (string?)json["source"] == _fingerprint
            ? false
            : throw new InputException($"The cell {cell.File(_recipe.Out)} was made from another source than {_recipe.Source} (their SHA-256 differs): give the comparison another out, or delete the cell.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _spaces?.Dispose();
        _source.Dispose();
    }

    private void Measure(ComparisonCell cell, DiffusionModel model, double trainingSeconds)
    {
        var clock = Stopwatch.StartNew();
        var (training, reference) = _targets[cell.Target];
        var sampler = Sampler.Parse(_recipe.Sampler, _recipe.SampleSteps);
        var samples = model.Sample(_recipe.Samples, sampler, cell.Seed, cancellationToken: _run.CancellationToken);
        var sampling = clock.Elapsed.TotalSeconds;
        var flip = cell.Step > 0 && _recipe.CreateMethod(cell.Method, cell.Seed, cell.Step).Training.Flip;
        var input = new EvaluationInput { Samples = samples, Target = reference ?? training, Training = training, Mirrored = flip, Seed = cell.Seed };
        var report = EvaluationReport.Of(
            input, metrics: [.. EvaluationReport.Metrics.Concat(_spaces!.Metrics(flip)).Where(m => reference is not null || !m.ComparesSets)], cancellationToken: _run.CancellationToken);
        var json = new JsonObject
        {
            ["comparison"] = _recipe.Name,
            ["target"] = cell.Target,
            ["method"] = cell.Method,
            ["seed"] = cell.Seed,
            ["step"] = cell.Step,
            ["model"] = model.Fingerprint(),
            ["source"] = _fingerprint,
            ["settings"] = cell.Step == 0 ? null : _recipe.SettingsOf(cell.Method),
            ["samples"] = new JsonObject { ["count"] = samples.Count, ["sampler"] = sampler.Name, ["steps"] = sampler.Steps },
            ["training_pictures"] = training.Count,
            ["reference_pictures"] = reference?.Count ?? 0,
            ["training_seconds"] = Math.Round(trainingSeconds, 1),
            ["sampling_seconds"] = Math.Round(sampling, 1),
            ["trained_parameters"] = model.Attachment is { } beside ? TorchRuntime.Run(() => beside.ParameterCount) : TorchRuntime.Run(() => model.Network.ParameterCount),
            ["graft"] = typeof(ComparisonRun).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion,
            ["threads"] = TorchRuntime.Threads,
            ["metrics"] = new JsonObject(report.Reports.Select(r => KeyValuePair.Create(r.Metric, (JsonNode?)new JsonObject
            {
                ["space"] = r.Space,
                ["weights_sha256"] = r.SpaceHash,
                ["values"] = new JsonObject(r.Values.Select(v => KeyValuePair.Create(v.Name, (JsonNode?)new JsonObject { ["value"] = v.Value, ["n"] = v.N }))),
            }))),
        };
        AtomicFile.Write(cell.Sheet(_recipe.Out), stream => stream.Write(ImageCodec.EncodePng(samples.ToGrid(8, SheetPictures))));
        var shown = report.Reports.Last(r => r.Pictures.Count > 0).Pictures.First(p => p.Key.StartsWith("nearest", StringComparison.Ordinal)).Value;
        AtomicFile.Write(cell.Nearest(_recipe.Out), stream => stream.Write(ImageCodec.EncodePng(shown)));
        AtomicFile.WriteText(cell.File(_recipe.Out), json.ToJsonString(JsonStyle.Indented) + "\n");
    }

    /// <summary>Seconds that the loop logged, over all its stages and runs: each run begins again at 0.</summary>
    private static double TrainingSeconds(string folder)
    {
        var (total, last) = (0.0, 0.0);
        foreach (var line in Directory.EnumerateFiles(folder, "log.jsonl", SearchOption.AllDirectories).Order(StringComparer.Ordinal).SelectMany(File.ReadLines))
        {
            var seconds = (double?)JsonNode.Parse(line)?["seconds"] ?? 0;
            if (seconds < last)
                total += last;
            last = seconds;
        }

        return total + last;
    }
}
