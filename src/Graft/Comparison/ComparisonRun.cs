using System.Diagnostics;
using System.Reflection;
using System.Text.Json.Nodes;
using Graft.Diagnostics;
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
    private readonly CompareRecipe _recipe;
    private readonly TrainingRun _run;
    private readonly DiffusionModel _source;
    private readonly string _fingerprint;
    private readonly IComparisonKind _kind;
    private readonly IComparisonBench _bench;

    /// <summary>Opens source, targets and what measures them.</summary>
    /// <param name="recipe">What is compared.</param>
    /// <param name="run">How it is followed.</param>
    /// <exception cref="InputException">Something is missing or does not fit.</exception>
    public ComparisonRun(CompareRecipe recipe, TrainingRun run)
    {
        recipe.Check();
        (_recipe, _run, _kind) = (recipe, run, ComparisonKinds.Of(recipe));
        foreach (var (name, target) in recipe.Targets)
        {
            target.Training.Require(recipe.Name, $"targets.{name}.training");
            target.Reference?.Require(recipe.Name, $"targets.{name}.reference");
        }

        _source = DiffusionModel.Load(recipe.Source, Device.Parse(recipe.Device));
        try
        {
            _fingerprint = _source.Fingerprint();
            _bench = _kind.Open(recipe, _source, run);
        }
        catch
        {
            _source.Dispose();
            throw;
        }
    }

    /// <summary>Every cell, in the order in which they run.</summary>
    public static IEnumerable<ComparisonCell> Cells(CompareRecipe recipe)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        var kind = ComparisonKinds.Of(recipe);
        foreach (var seed in kind.SeedsBeside(recipe))
        {
            foreach (var target in recipe.Targets.Keys)
            {
                foreach (var row in kind.RowsBeside(recipe, target))
                    yield return new ComparisonCell(target, row, seed, 0);
            }
        }

        foreach (var seed in recipe.Seeds)
        {
            foreach (var target in recipe.Targets.Keys)
            {
                // A method with another's models is measured while these stand at the step.
                foreach (var trained in recipe.Methods.Where(m => m.Value.Like is null).Select(m => m.Key))
                {
                    foreach (var step in recipe.At)
                    {
                        foreach (var method in recipe.Methods.Keys.Where(m => recipe.TrainedAs(m) == trained).OrderBy(m => m != trained))
                            yield return new ComparisonCell(target, method, seed, step);
                    }
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
                Measure(cell, cell.IsOfSource ? _source : null, run: null);
                finished?.Invoke();
                continue;
            }

            var run = Path.Combine((cell with { Method = _recipe.TrainedAs(cell.Method) }).Folder(_recipe.Trainings), "run");
            var method = _recipe.CreateMethod(cell.Method, cell.Seed, cell.Step);
            var fresh = new Checkpoints(run).Newest()?.Step != cell.Step && PeakMemory.Reset();
            using var model = method.Adapt(_source, _bench.Training(cell), _run with { Folder = run, Resume = Directory.Exists(run) });
            var peak = fresh ? PeakMemory.Bytes() : null;
            model.Conditioning = _recipe.Methods[cell.Method].Conditioning ?? ConditionOptions.Default;
            Measure(cell, model, run, peak);
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
        _bench.Dispose();
        _source.Dispose();
    }

    /// <param name="cell">The cell.</param>
    /// <param name="model">Its model; null for a row that has none.</param>
    /// <param name="run">The folder of its training; null where there was none.</param>
    /// <param name="peakBytes">The most memory that the process held while it trained; null where it did not, or the system does not say.</param>
    private void Measure(ComparisonCell cell, DiffusionModel? model, string? run, long? peakBytes = null)
    {
        var clock = Stopwatch.StartNew();
        var (training, reference) = (_bench.Training(cell), _bench.Reference(cell));
        var (samples, how) = _bench.Draw(cell, model);
        var sampling = clock.Elapsed.TotalSeconds;
        var found = _bench.Measure(cell, model, samples, run);
        var json = new JsonObject
        {
            ["comparison"] = _recipe.Name,
            ["target"] = cell.Target,
            ["method"] = cell.Method,
            ["seed"] = cell.Seed,
            ["step"] = cell.Step,
            ["model"] = model?.Fingerprint(),
            ["source"] = _fingerprint,
            ["settings"] = cell.Step == 0 ? null : _recipe.SettingsOf(cell.Method),
            ["samples"] = how,
            [$"training_{_kind.Noun}"] = training.Count,
            [$"reference_{_kind.Noun}"] = reference?.Count ?? 0,
            ["training_seconds"] = Math.Round(run is null ? 0 : TrainingSeconds(run), 1),
            ["sampling_seconds"] = Math.Round(sampling, 1),
            ["training_peak_bytes"] = peakBytes,
            ["model_parameters"] = TorchRuntime.Run(() => model?.Parameters().Sum(p => p.Value.Count)),
            ["trained_parameters"] = TorchRuntime.Run(() => model?.Attachment?.ParameterCount ?? model?.Network.ParameterCount),
            ["graft"] = typeof(ComparisonRun).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion,
            ["threads"] = TorchRuntime.Threads,
            ["metrics"] = new JsonObject(found.Reports.Select(r => KeyValuePair.Create(r.Metric, (JsonNode?)new JsonObject
            {
                ["space"] = r.Space,
                ["weights_sha256"] = r.SpaceHash,
                ["values"] = new JsonObject(r.Values.Select(v => KeyValuePair.Create(v.Name, (JsonNode?)new JsonObject { ["value"] = v.Value, ["n"] = v.N }))),
            }))),
        };
        if (_kind.DataOf(_recipe, cell) is { } data)
            json.Insert(json.IndexOf("samples") + 1, "data", data);
        foreach (var (suffix, picture) in found.Pictures)
            AtomicFile.Write(cell.Picture(_recipe.Out, suffix), stream => stream.Write(ImageCodec.EncodePng(picture)));
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
