using System.Reflection;
using System.Text;
using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Formats.Images;
using Graft.Networks;
using Graft.Recipes;
using Graft.Sampling;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;
using Microsoft.Extensions.Logging;

namespace Graft.Augmenting;

/// <summary>
/// Adapts a model to a labelled set and draws labelled pictures. Its folder: <c>pictures/CLASS/00000.png</c>, <c>labels.csv</c> (of the pictures'
/// folder), <c>augmentation.json</c>, <c>grid.png</c>, and the adaptations in <c>runs/</c>. Finished classes stay; an adaptation that was begun
/// goes on at its checkpoint.
/// </summary>
internal sealed class AugmentationRun : IDisposable
{
    internal const string PicturesFolder = "pictures";
    private const string LabelsFile = "labels.csv";
    private const string RunsFolder = "runs";
    private const string SharedRun = "all";
    private const int GridColumns = 12;
    private readonly AugmentRecipe _recipe;
    private readonly TrainingRun _run;
    private readonly TransferMethod _method;
    private readonly Sampler _sampler;
    private readonly DiffusionModel _source;
    private readonly IImageSource _target;
    private readonly IReadOnlyList<TargetClass> _classes;
    private readonly bool _shared;
    private readonly IPictureClassifier? _judge;

    /// <exception cref="InputException">Something is missing or does not fit.</exception>
    internal AugmentationRun(AugmentRecipe recipe, TrainingRun run)
    {
        (_recipe, _run) = (recipe, run);
        (_method, _sampler) = recipe.Resolve();
        _shared = AugmentRecipe.KnowsClasses(_method);
        recipe.Target.Require(recipe.Name, "target");
        _source = DiffusionModel.Load(recipe.Source, Device.Parse(recipe.Device));
        try
        {
            if (_source.Network.Options.IsClassConditional)
                throw new InputException($"The model {_source.Origin} takes classes itself, which are not those of the target: adapt it with `graft adapt`, and draw with `graft sample --label`.");
            if (_source.Schedule.Warning is { } warning)
                run.Logger.LogWarning("{Warning}", warning);
            _target = recipe.Target.Open(_source.Shape, text => run.Logger.LogWarning("{Warning}", text), run.CancellationToken);
            _classes = TargetClass.Of(_target);
            if (recipe.Judge is { } folder)
            {
                _judge = PictureClassifiers.Load(folder, _source.Device);
                ClassificationReport.Check(_judge.Shape, _judge.NumClasses, _target);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private string Pictures => Path.Combine(_recipe.Out, PicturesFolder);

    /// <summary>Does what is missing.</summary>
    internal AugmentationRecord Run()
    {
        var record = AugmentationRecord.Open(_recipe.Out, Settings(), new JsonObject
        {
            ["name"] = _recipe.Name,
            ["source"] = _recipe.Source,
            ["target"] = _target.Description,
            ["graft"] = typeof(AugmentationRun).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion,
            ["threads"] = TorchRuntime.Threads,
        });
        var missing = _classes.Where(c => !IsThere(record, c)).ToList();
        if (missing.Count == 0 && record.IsFinished)
        {
            _run.Logger.LogInformation("{Out} is finished already", _recipe.Out);
            Measure(record);
            return record;
        }

        _run.Logger.LogInformation("{Method}: {Classes} classes, {Data}", _method.Name, _classes.Count, _target.Description);
        if (_shared && missing.Count > 0)
        {
            using var model = Adapt(SharedRun, _target);
            foreach (var one in missing)
                Draw(record, one, model, SharedRun);
        }
        else
        {
            foreach (var one in missing)
            {
                using var model = Adapt(one.Name, new ImageSubset(_target, one.Indices) { Choice = $" (class {one.Name})" });
                Draw(record, one, model, one.Name);
            }
        }

        Finish();
        record.Note("finished", true);
        Measure(record);
        return record;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _judge?.Network.Dispose();
        _source.Dispose();
    }

    /// <summary>Everything that the pictures depend on.</summary>
    private JsonObject Settings()
    {
        var options = Recipe.Describe(_method);
        options.Remove("name");
        return new JsonObject
        {
            ["source_sha256"] = _source.Fingerprint(),
            ["target_sha256"] = TargetClass.Hash(_target),
            ["classes"] = new JsonArray([.. _classes.Select(c => (JsonNode)c.Name)]),
            ["method"] = _method.Name,
            ["method_options"] = options,
            ["training"] = Recipe.Describe(_method.Training),
            ["adaptations"] = _shared ? "one for all classes" : "one for each class",
            ["samples_per_class"] = _recipe.SamplesPerClass,
            ["sampler"] = Recipe.Describe(_sampler),
            ["sample_seed"] = _recipe.SampleSeed,
            ["conditioning"] = _recipe.Conditioning is { } conditioning ? Recipe.Describe(conditioning) : null,
        };
    }

    private bool IsThere(AugmentationRecord record, TargetClass one) =>
        record.Of(one.Label)?["files"] is JsonArray files && files.Count == _recipe.SamplesPerClass
        && files.All(f => f?["file_name"] is JsonValue name && File.Exists(Path.Combine(Pictures, name.ToString())));

    private DiffusionModel Adapt(string name, IImageSource target)
    {
        var folder = Path.Combine(_recipe.Out, RunsFolder, name);
        _run.Logger.LogInformation("Adapting in {Folder}: {Data}", folder, target.Description);
        try
        {
            return _method.Adapt(_source, target, _run with { Folder = folder, Resume = Directory.Exists(folder) });
        }
        catch (TrainingStoppedException)
        {
            throw new TrainingStoppedException($"Stopped while the model in {folder} was adapted; what is done is kept, and the same command goes on.", _run.CancellationToken);
        }
    }

    /// <summary>Draws a class; its folder and its record appear whole.</summary>
    private void Draw(AugmentationRecord record, TargetClass one, DiffusionModel model, string run)
    {
        _run.CancellationToken.ThrowIfCancellationRequested();
        _run.Logger.LogInformation("Drawing {Count} samples of the class {Class}", _recipe.SamplesPerClass, one.Name);
        var seed = (long)new KeyedRandom(_recipe.SampleSeed, "augment/class").Bits(0, one.Label);
        model.Conditioning = _recipe.Conditioning ?? ConditionOptions.Default;
        var samples = model.Sample(
            _recipe.SamplesPerClass, _sampler, seed, _shared ? [one.Label] : null, _recipe.SampleBatchSize, cancellationToken: _run.CancellationToken);
        var (folder, temporary) = (Path.Combine(Pictures, one.Name), Path.Combine(Pictures, $".{one.Name}.tmp"));
        foreach (var before in (string[])[temporary, folder])
        {
            if (Directory.Exists(before))
                Directory.Delete(before, recursive: true);
        }

        samples.Save(temporary);
        Directory.Move(temporary, folder);
        if (_shared)
            record.Note("encoder", new JsonObject { ["name"] = model.Conditions!.Encoder, ["sha256"] = model.Conditions.EncoderHash, ["path"] = model.Conditions.EncoderPath });
        record.Put(new JsonObject
        {
            ["label"] = one.Label,
            ["name"] = one.Name,
            ["target_pictures"] = one.Indices.Count,
            ["run"] = $"{RunsFolder}/{run}",
            ["model_sha256"] = model.Fingerprint(),
            ["noise_seed"] = seed,
            ["files"] = new JsonArray([.. Enumerable.Range(0, samples.Count).Select(i => (JsonNode)new JsonObject
            {
                ["file_name"] = $"{one.Name}/{samples.Name(i)}",
                ["label"] = one.Label,
                ["condition"] = samples.ConditionNames?[i],
            })]),
        });
    }

    /// <summary>What the pictures are worth: how many are copies, and what a classifier, which may come later than they, takes them for.</summary>
    private void Measure(AugmentationRecord record)
    {
        var images = new DataOptions { Folder = Pictures, LabelsCsv = Path.Combine(_recipe.Out, LabelsFile) }.Open(_source.Shape, cancellationToken: _run.CancellationToken);
        CountCopies(record, images);
        if (_judge is not null)
            Judge(record, images, _judge);
    }

    private void CountCopies(AugmentationRecord record, IImageSource images)
    {
        var found = new MemorisationMeter(_target, new MemorisationOptions { Mirrored = _method.Training.Flip }).Measure(images);
        record.Note("copies", new JsonObject
        {
            ["memorised_share"] = found.Memorised?.Value,
            ["low"] = found.Memorised?.Interval.Low,
            ["high"] = found.Memorised?.Interval.High,
            ["median_distance_ratio"] = found.MedianRatio,
            ["bar"] = Memorisation.Bar,
            ["about"] = found.Description,
        });
        if (found.Memorised is { } share)
            _run.Logger.LogInformation("{Share} of the pictures are copies of those that were adapted to", share);
        else
            _run.Logger.LogInformation("Copies: {Reason}", found.NoShare);
    }

    private void Judge(AugmentationRecord record, IImageSource images, IPictureClassifier judge)
    {
        var report = ClassificationReport.Measure(judge, images, cancellationToken: _run.CancellationToken);
        var judged = report.ToJson();
        judged["classifier"] = _recipe.Judge;
        judged["classifier_sha256"] = WeightFingerprint.Of(judge.Network.Parameters());
        record.Note("judged", judged);
        _run.Logger.LogInformation("{Classifier} takes {Share} of the pictures for what they are labelled as", _recipe.Judge, report.Right);
    }

    /// <summary>The labels and the sheet, of what can be read back.</summary>
    private void Finish()
    {
        var images = ImageFolder.Open(Pictures, _source.Shape, new ImageFolderOptions { LabelsFromFolders = true }, cancellationToken: _run.CancellationToken);
        var names = _classes.Select(c => c.Name).Order(StringComparer.Ordinal).ToArray();
        if (!images.Classes.SequenceEqual(names) || images.Count != names.Length * _recipe.SamplesPerClass)
            throw new InputException($"The folder {Pictures} holds {images.Count} pictures of {images.Classes.Count} classes where {_recipe.SamplesPerClass} of each of {names.Length} are due: take out what does not belong there.");
        var lines = new StringBuilder("file_name,label\n");
        foreach (var one in _classes)
        {
            for (var i = 0; i < _recipe.SamplesPerClass; i++)
                lines.Append(FormattableString.Invariant($"{one.Name}/{i:D5}.png,{one.Label}\n"));
        }

        AtomicFile.WriteText(Path.Combine(_recipe.Out, LabelsFile), lines.ToString());
        var columns = Math.Min(GridColumns, _recipe.SamplesPerClass);
        // Folders are read in the order of their names.
        int[] shown = [.. _classes.SelectMany(c => Enumerable.Range(Array.IndexOf(names, c.Name) * _recipe.SamplesPerClass, columns))];
        var sheet = ImageCodec.EncodePng(new ImageSubset(images, shown).ToGrid(columns));
        AtomicFile.Write(Path.Combine(_recipe.Out, "grid.png"), stream => stream.Write(sheet));
    }
}
