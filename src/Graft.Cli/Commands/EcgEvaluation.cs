using System.CommandLine;
using System.Text.Json.Nodes;
using Graft.Data.Ecg;
using Graft.Evaluation;
using Graft.Evaluation.Ecg;
using Graft.Formats;
using Graft.Networks;
using Graft.Torch;
using Graft.Training;

namespace Graft.Cli.Commands;

/// <summary><c>graft evaluate</c> where the target is a folder of ECGs.</summary>
internal sealed class EcgEvaluation
{
    private readonly Option<bool> _utility = new("--utility")
    {
        Description = "ECGs: also train a classifier on the samples, on the real records and on both, and judge it on the real test records (default: no; minutes).",
        DefaultValueFactory = _ => false,
    };

    private readonly Option<bool> _benchmark = new("--benchmark")
    {
        Description = "ECGs: train the PTB-XL benchmark's xresnet1d50 instead of a network of a tenth of its size (default: no).",
        DefaultValueFactory = _ => false,
    };

    private readonly Option<long?> _steps = new("--train-steps") { Description = $"ECGs: steps of each training (default: {EcgUtilityOptions.DefaultTraining.Steps})." };
    private readonly Option<string?> _classes = new("--classes") { Description = "ECGs: the classes that count, with commas between (default: the target's)." };
    private readonly Option<string?> _leads = new("--leads") { Description = "ECGs: the leads of the samples, with commas between, where their file does not say." };
    private readonly Option<double?> _rate = new("--rate") { Description = "ECGs: samples a second of the samples, where their file does not say (default: the target's)." };
    private readonly Option<bool> _resume = new("--resume") { Description = "ECGs: go on with trainings that were stopped, in the folder of --out (default: no).", DefaultValueFactory = _ => false };

    private Option[] Own => [_utility, _benchmark, _steps, _classes, _leads, _rate, _resume];

    internal void AddTo(Command command)
    {
        foreach (var option in Own)
            command.Add(option);
    }

    /// <summary>Whether the target is a folder of ECGs.</summary>
    /// <exception cref="InputException">It is not, and an option of ECGs is given.</exception>
    internal bool Wants(ParseResult parsed, string target)
    {
        if (EcgFolder.KindOf(target) is not null)
            return true;
        var given = Own.FirstOrDefault(o => parsed.GetResult(o) is { Implicit: false });
        return given is null ? false : throw new InputException($"{given.Name} is for ECGs, and '{target}' is no folder of them: leave it out, or check the path.");
    }

    internal EvaluationReport Run(ParseResult parsed, Asked asked, CancellationToken token)
    {
        if (parsed.GetValue(_steps) is < 1)
            throw new InputException("--train-steps must be at least 1.");
        using var networks = new Networks(asked.Features, asked.Device);
        var head = EcgFolder.Open(asked.Target, new EcgOpenOptions { MaxCount = 1 });
        var samples = Samples(parsed, asked, head.Card);
        var classes = Names(parsed.GetValue(_classes)) ?? head.Classes;
        var steps = Alike(samples, head.Card);
        var target = Split(Prepared(asked.Target, steps), asked.Seed);
        var training = asked.Training is { } named && Path.GetFullPath(named) != Path.GetFullPath(asked.Target) ? Split(Prepared(named, Alike(samples, EcgFolder.Open(named, new EcgOpenOptions { MaxCount = 1 }).Card)), asked.Seed) : target;
        if (target.Unit == ZScore.UnitName && samples.Unit != ZScore.UnitName)
            samples = samples.Prepare(new ZScore());
        if (samples.Unit != target.Unit)
            throw new InputException($"The samples are in {samples.Unit} and {target.Card.Name} in {target.Unit}: bring them to one unit.");
        var test = target.Of(EcgSplit.Test);
        if (test.Count == 0)
            throw new InputException($"No record of {target.Card.Name} is of the test split, and so there is nothing to hold the samples against: give other data.");
        samples = samples.WithClasses(classes);
        var input = new EvaluationInput
        {
            Samples = new EcgItems(samples),
            Target = new EcgItems(test.WithClasses(classes), $"{test} (test)"),
            Training = new EcgItems(training.WithClasses(classes).ForTraining(), $"{training.Of(EcgSplit.Train)} (training)"),
            Seed = asked.Seed,
        };
        IMetric[] plain = [.. EvaluationReport.MetricsOf(input), .. networks.Metrics];
        var origin = new JsonObject { ["file"] = asked.Path, ["preparation_of_target"] = target.Card.ToJson()["steps"]?.DeepClone() };
        if (!parsed.GetValue(_utility))
            return EvaluationReport.Of(input, origin, plain, token);
        return ProgressDisplay.Train(progress =>
        {
            var folder = asked.Out is null ? null : Path.Combine(asked.Out, "trainings");
            var run = new TrainingRun { Folder = folder, Resume = parsed.GetValue(_resume), Progress = progress, Logger = Terminal.Logger };
            return EvaluationReport.Of(input, origin, [.. plain, new EcgUtilityMetric(Options(parsed, asked), run)], token);
        });
    }

    private EcgUtilityOptions Options(ParseResult parsed, Asked asked) => new()
    {
        Network = parsed.GetValue(_benchmark) ? XResNet1dOptions.Benchmark : XResNet1dOptions.Small,
        Training = EcgUtilityOptions.DefaultTraining with { Steps = parsed.GetValue(_steps) ?? EcgUtilityOptions.DefaultTraining.Steps },
        Device = asked.Device,
    };

    private EcgSet Samples(ParseResult parsed, Asked asked, EcgCard like)
    {
        if (EcgFolder.KindOf(asked.Path) is not null)
            return EcgFolder.Open(asked.Path, new EcgOpenOptions { MaxCount = asked.Count });
        if (DiffusionModel.Is(asked.Path))
            throw new InputException($"{asked.Path} is a model: draw its ECGs into a file first (graft sample {asked.Path} --out FILE.safetensors), and give that.");
        if (!SampleFile.Holds(asked.Path) || Path.GetExtension(asked.Path).Equals(".csv", StringComparison.OrdinalIgnoreCase))
            throw new InputException($"'{asked.Path}' holds no ECGs: give a .safetensors file of samples, or a folder of ECGs.");
        return EcgSampleFile.Read(asked.Path, new EcgSampleOptions { Like = like, Leads = Names(parsed.GetValue(_leads)), SamplingRate = parsed.GetValue(_rate), MaxCount = asked.Count });
    }

    /// <summary>What makes real records like the samples: their rate, leads and length, and z-scores where only the samples are in them.</summary>
    private static List<EcgStep> Alike(EcgSet samples, EcgCard real)
    {
        var length = samples.SampleCount ?? throw new InputException($"The records of {samples.Card.Name} differ in length: give samples of one length.");
        var steps = new List<EcgStep>();
        if (real.SamplingRate != samples.SamplingRate)
            steps.Add(new Resample(samples.SamplingRate));
        if (!real.Leads.SequenceEqual(samples.Leads))
            steps.Add(new ChooseLeads(samples.Leads));
        steps.Add(new FitLength(length));
        if (samples.Unit == ZScore.UnitName && real.Unit != ZScore.UnitName)
            steps.Add(new ZScore());
        return steps;
    }

    private static EcgSet Prepared(string folder, List<EcgStep> steps) => EcgFolder.Open(folder, new EcgOpenOptions { Steps = steps });

    /// <summary>Sets without splits are halved by the seed.</summary>
    private static EcgSet Split(EcgSet set, long seed)
    {
        if (set.Records.Any(r => r.Split != EcgSplit.None))
            return set;
        Terminal.Warning($"{set.Card.Name} has no splits: half of its {set.Count} records, drawn by the seed, count as training records, the others as test records.");
        return set.HoldOut(set.Count / 2, seed);
    }

    private static string[]? Names(string? text) => text?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    /// <summary>What all kinds of samples have.</summary>
    internal sealed record Asked(string Path, string Target, string? Training, int? Count, long Seed, string[] Features, string? Out, Device Device);

    /// <summary>Classifiers that are looked through.</summary>
    private sealed class Networks : IDisposable
    {
        private readonly List<XResNet1d> _networks = [];

        internal Networks(string[] folders, Device device)
        {
            foreach (var folder in folders)
                _networks.Add(XResNet1d.Load(folder, device));
        }

        internal IEnumerable<IMetric> Metrics => _networks.SelectMany(n => new EcgFeatureSpace(n).Metrics);

        public void Dispose()
        {
            foreach (var network in _networks)
                network.Dispose();
        }
    }
}
