using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Recipes;
using Graft.Sampling;
using Graft.Torch;

namespace Graft.Cli.Commands;

/// <summary><c>graft evaluate</c>: measures of a model's samples, or of a folder of pictures.</summary>
internal static class EvaluateCommand
{
    private const int DefaultCount = 256;
    private const int ItemBatch = 1024; // of what is no picture

    internal static Command Create()
    {
        var what = new Argument<string>("MODEL") { Description = "A model to draw from, or a folder of pictures (or of folders of them, as graft augment writes; or a file of points or ECGs) to take as they are." };
        var target = new Option<string>("--target") { Description = "Samples of the domain: a folder of pictures or of ECGs, a CSV file of points, or a recipe whose target (or data) is meant.", Required = true };
        var training = new Option<string?>("--training") { Description = "What the model was trained on, in the same form; without it the target." };
        var mirrored = new Option<bool>("--mirrored") { Description = "Count mirrored copies too, as a training with flip: true makes them (default: what the recipe says, else no).", DefaultValueFactory = _ => false };
        var count = new Option<int?>("--count", "-n") { Description = $"How many samples; without it {DefaultCount} pictures of a model, as many points as the target has, all of a folder." };
        var sampler = new Option<string>("--sampler") { Description = $"How to draw: {string.Join(" or ", Sampler.Names)}.", DefaultValueFactory = _ => "ddim" };
        var steps = new Option<int>("--steps") { Description = "Network evaluations for each picture.", DefaultValueFactory = _ => 50 };
        var eta = new Option<double>("--eta") { Description = "DDIM's noise: 0 (none) to 1 (as DDPM).", DefaultValueFactory = _ => 0 };
        var seed = new Option<long>("--seed") { Description = "Which samples: the same seed draws the same.", DefaultValueFactory = _ => 0 };
        var labels = new Option<int[]>("--label") { Description = "Class to draw, for a class-conditional model; repeated in turn; without it all classes in turn.", DefaultValueFactory = _ => [] };
        var batch = new Option<int>("--batch-size", "--batch") { Description = "Pictures at a time; changes the memory needed, not the pictures.", DefaultValueFactory = _ => 64 };
        var features = new Option<string[]>("--features")
        {
            Description = "Look through a network too, for distances between sets, precision and recall, diversity and copies: a classifier's folder (models/fashion-features), inception:FILE, or squeeze:, alex: or vgg: with BACKBONE:HEADS; may be repeated.",
            DefaultValueFactory = _ => [],
        };
        var output = new Option<string?>("--out") { Description = "Folder for evaluation.json, nearest.png and memorisation.png; without it nothing is written." };
        var json = new Option<bool>("--json") { Description = "Print evaluation.json instead of the table (default: no).", DefaultValueFactory = _ => false };
        var (device, source) = (CommonOptions.Device(), CommonOptions.Source());
        var ecg = new EcgEvaluation();
        var command = new Command("evaluate", "Measure samples of a model, or a folder of pictures: how many are copies of training pictures.")
        {
            what, target, training, mirrored, count, sampler, steps, eta, seed, labels, batch, features, source, output, json, device,
        };
        ecg.AddTo(command);
        var conditions = new ConditionFlags();
        conditions.AddTo(command);
        var reuse = new ReuseFlags();
        reuse.AddTo(command);
        command.SetAction((parsed, token) =>
        {
            if (parsed.GetValue(count) is < 1 || parsed.GetValue(batch) < 1)
                throw new InputException("--count and --batch-size must be at least 1.");
            if (ecg.Wants(parsed, parsed.GetRequiredValue(target)))
            {
                if (parsed.GetValue(mirrored) || parsed.GetRequiredValue(labels).Length > 0)
                    throw new InputException($"{(parsed.GetValue(mirrored) ? "--mirrored is for pictures" : "--label says what a model is to draw")}, and ECGs are taken from a file: leave it out.");
                if (ProcessPlace.FromEnvironment() is { Size: > 1 })
                    throw new InputException("ECGs are measured by one process: leave out `graft launch`.");
                var judged = ecg.Run(parsed, new EcgEvaluation.Asked(
                    parsed.GetRequiredValue(what), parsed.GetRequiredValue(target), parsed.GetValue(training), parsed.GetValue(count), parsed.GetValue(seed),
                    parsed.GetRequiredValue(features), parsed.GetValue(output), Device.Parse(parsed.GetRequiredValue(device))), token);
                return Task.FromResult(Finish(judged, parsed.GetValue(output), parsed.GetValue(json)));
            }

            var (processes, own) = Processes.Join(parsed.GetRequiredValue(device));
            using var group = processes;
            var how = Sampler.Parse(parsed.GetRequiredValue(sampler), parsed.GetValue(steps), parsed.GetValue(eta));
            var domain = DataReference.Of(parsed.GetRequiredValue(target));
            var trained = parsed.GetValue(training) is { } named ? DataReference.Of(named) : domain;
            var path = parsed.GetRequiredValue(what);
            var drawing = new Drawing(
                path, how, parsed.GetValue(count), parsed.GetValue(seed), parsed.GetRequiredValue(labels), parsed.GetValue(batch), own, group, parsed.GetValue(source), token);
            // Before anything is drawn, which takes longer than to find that a file is not there.
            using var spaces = new FeatureSpaces(parsed.GetRequiredValue(features), Device.Parse(own), Terminal.Warning, group);

            var drawn = !SampleFile.Holds(path) && (DiffusionModel.Is(path) || !Directory.Exists(path));
            if (!drawn && (conditions.AreGiven(parsed) || reuse.AreGiven(parsed)))
                throw new InputException($"Conditions, masks, guidance and reused features say how a model draws, and {path} is no model: leave them out.");
            var (samples, origin, data) = SampleFile.Holds(path) ? FromItems(drawing, Items)
                : drawn ? FromModel(drawing, domain, trained, model =>
                {
                    conditions.Apply(parsed, model, token);
                    reuse.Apply(parsed, model);
                })
                : FromFolder(drawing, Open);
            var input = new EvaluationInput
            {
                Samples = samples,
                Target = data.Target,
                Training = data.Training,
                Mirrored = parsed.GetValue(mirrored) || trained.Flip,
                Seed = parsed.GetValue(seed),
            };
            spaces.Share(samples, data.Target, token);
            if (group is { Rank: > 0 })
                return Task.FromResult(0);
            var report = EvaluationReport.Of(input, origin, [.. EvaluationReport.MetricsOf(input), .. spaces.Metrics(input.Mirrored)], token);
            return Task.FromResult(Finish(report, parsed.GetValue(output), parsed.GetValue(json)));

            (ISampleSource Target, ISampleSource Training) Open(ImageShape shape)
            {
                var pictures = domain.Open(shape, Terminal.Warning, token);
                return (pictures, ReferenceEquals(trained, domain) ? pictures : trained.Open(shape, Terminal.Warning, token));
            }

            (ISampleSource Target, ISampleSource Training) Items()
            {
                var items = ItemsOf(domain);
                return (items, ReferenceEquals(trained, domain) ? items : ItemsOf(trained));
            }

            ISampleSource ItemsOf(DataReference data) => data.Data.OpenItems()
                ?? throw new InputException($"The samples {path} are points, and the target is pictures: give a CSV or safetensors file, or a recipe with points or a mixture.");
        });
        return command;
    }

    private static (ISampleSource Samples, JsonObject Origin, (ISampleSource Target, ISampleSource Training) Data) FromModel(
        Drawing drawing, DataReference domain, DataReference trained, Action<DiffusionModel> condition)
    {
        using var model = DiffusionModel.Load(drawing.Path, Device.Parse(drawing.Device), drawing.Source);
        model.Processes = drawing.Group;
        condition(model);
        var target = domain.Data.OpenFor(model, Terminal.Warning, drawing.Token); // before the samples, which take longer
        var data = (target, ReferenceEquals(trained, domain) ? target : trained.Data.OpenFor(model, Terminal.Warning, drawing.Token));
        var labels = drawing.Labels.Length == 0 ? null : drawing.Labels;
        var samples = ProgressDisplay.Sample<ISampleSource>("sampling", progress => model.MakesPictures
            ? model.Sample(drawing.Count ?? DefaultCount, drawing.Sampler, drawing.Seed, labels, drawing.Batch, progress, drawing.Token)
            : model.SampleValues(drawing.Count ?? target.Count, drawing.Sampler, drawing.Seed, labels, Math.Max(drawing.Batch, ItemBatch), progress, drawing.Token));
        var origin = new JsonObject
        {
            ["model"] = drawing.Path,
            ["fingerprint"] = model.Fingerprint(),
            ["sampler"] = drawing.Sampler.Name,
            ["steps"] = drawing.Sampler.Steps,
            ["eta"] = drawing.Sampler is DdimSampler ddim ? ddim.Eta : null,
            ["seed"] = drawing.Seed,
            ["labels"] = labels is null ? null : new JsonArray([.. labels.Select(l => (JsonNode)JsonValue.Create(l))]),
            ["conditioning"] = model.Conditions is null ? null : Recipe.Describe(model.Conditioning),
            ["feature_reuse"] = model.FeatureReuse is { } reuse ? Recipe.Describe(reuse) : null,
            ["device"] = model.Device.ToString(),
        };
        return (samples, origin, data);
    }

    private static (ISampleSource Samples, JsonObject Origin, T Data) FromItems<T>(Drawing drawing, Func<T> open)
    {
        if (drawing.Labels.Length > 0)
            throw new InputException($"--label says what a model is to draw, and {drawing.Path} is a file of samples: leave it out.");
        ISampleSource samples = SampleFile.Read(drawing.Path);
        if (drawing.Count is { } most && most < samples.Count)
            samples = samples.Subset([.. Enumerable.Range(0, most)]);
        return (samples, new JsonObject { ["file"] = drawing.Path }, open());
    }

    private static (ISampleSource Samples, JsonObject Origin, T Data) FromFolder<T>(Drawing drawing, Func<ImageShape, T> open)
    {
        if (drawing.Labels.Length > 0)
            throw new InputException($"--label says what a model is to draw, and {drawing.Path} is a folder of pictures: leave it out.");
        var samples = SampleFolder.Open(drawing.Path, drawing.Count, Terminal.Warning, drawing.Token);
        return (samples, new JsonObject { ["folder"] = drawing.Path }, open(samples.Shape));
    }

    private static int Finish(EvaluationReport report, string? folder, bool json)
    {
        var files = folder is null ? [] : report.Write(folder);
        if (json)
            Terminal.Result(report.ToJsonText().TrimEnd());
        else
            Print(report, files);
        return 0;
    }

    private static void Print(EvaluationReport report, IReadOnlyList<string> files)
    {
        Terminal.Result($"samples   {report.Input.Samples.Description}");
        if ((string?)report.Origin["fingerprint"] is { } fingerprint)
            Terminal.Result($"model     {fingerprint[..16]} (SHA-256 of the weights)");
        Terminal.Result($"target    {report.Input.Target.Description}");
        if (!ReferenceEquals(report.Input.Training, report.Input.Target))
            Terminal.Result($"training  {report.Input.Training.Description}");
        Terminal.Result($"seed      {report.Input.Seed}");
        foreach (var metric in report.Reports)
        {
            Terminal.Result("");
            foreach (var note in metric.Notes)
                Terminal.Result(note);
            Terminal.Result("");
            Terminal.Result($"{metric.Metric,-32}{"value",12}  {"95 % interval",-15}{"N",6}  space");
            foreach (var value in metric.Values)
            {
                var interval = value.Low is null ? "" : $"{Number(value.Low)} - {Number(value.High)}";
                Terminal.Result($"  {value.Name,-30}{Number(value.Value, value.IsCount),12}  {interval,-15}{value.N,6}  {metric.Space}");
            }
        }

        if (files.Count > 0)
        {
            Terminal.Result("");
            Terminal.Result($"Written: {string.Join(", ", files)}.");
        }
    }

    private static string Number(double? value, bool whole = false) => value?.ToString(whole ? "0" : "0.000", CultureInfo.InvariantCulture) ?? "-";

    /// <summary>What is drawn, and how.</summary>
    private sealed record Drawing(
        string Path, Sampler Sampler, int? Count, long Seed, int[] Labels, int Batch, string Device, ProcessGroup? Group, string? Source, CancellationToken Token);
}
