using Graft.Data.Ecg;
using Graft.Networks;
using Graft.Torch;
using Graft.Training;

namespace Graft.Evaluation.Ecg;

/// <summary>How it is measured what generated ECGs are good for.</summary>
public sealed record EcgUtilityOptions
{
    /// <summary>The classifier; leads, rate, unit and classes are those of the records.</summary>
    public XResNet1dOptions Network { get; init; } = XResNet1dOptions.Small;

    /// <summary>The training loop's settings, the same for every training: as many steps, whatever the number of records.</summary>
    public TrainingOptions Training { get; init; } = DefaultTraining;

    /// <summary>How a test record's crops are put together.</summary>
    public CropAggregate Aggregate { get; init; } = CropAggregate.Max;

    /// <summary>Times that test records are drawn for the intervals.</summary>
    public int Resamples { get; init; } = 1000;

    /// <summary>The lead of the R peaks for the classifier of rhythm.</summary>
    public string? RhythmLead { get; init; }

    /// <summary>Where it computes.</summary>
    public Device Device { get; init; }

    /// <summary>
    /// AdamW with a warm-up and half a cosine, weight decay 0.01, as the benchmark's one-cycle schedule does in substance; batches of 64,
    /// 600 steps. The benchmark takes 50 epochs of 128.
    /// </summary>
    public static TrainingOptions DefaultTraining { get; } = new()
    {
        Steps = 600, BatchSize = 64, LearningRate = 3e-3, WarmupSteps = 60, Decay = LearningRateDecay.Cosine, WeightDecay = 0.01, EmaDecay = 0, CheckpointEvery = 200, KeepCheckpoints = 1, LogEvery = 10,
    };
}

/// <summary>What a classifier that saw some records says of the test records.</summary>
/// <param name="Name"><c>real</c>, <c>synthetic</c> or <c>both</c>.</param>
/// <param name="Records">How many it was trained on.</param>
/// <param name="Auc">Macro AUC on the test records, with its interval.</param>
/// <param name="OfClasses">AUC of each class that counts.</param>
/// <param name="Rhythm">AUC of <see cref="RhythmClassifier"/>, fitted to the same records, of each class that counts; null where it cannot be fitted.</param>
/// <param name="Weights">SHA-256 of the classifier's weights.</param>
public sealed record EcgTraining(
    string Name, int Records, BootstrapInterval Auc, IReadOnlyList<double> OfClasses, IReadOnlyList<double?> Rhythm, string Weights);

/// <summary>
/// What generated ECGs are good for: a classifier is trained on them and judged on real test records ("train on synthetic, test on real", Esteban
/// et al. 2017), and trained on real and generated ones together, both held against a training on the real ones alone.
/// </summary>
public sealed record EcgUtility
{
    /// <summary>Names of the classes that count: with test records that are of them, and others.</summary>
    public required IReadOnlyList<string> Classes { get; init; }

    /// <summary>Classes that do not count, since all test records are of them or none.</summary>
    public required IReadOnlyList<string> LeftOut { get; init; }

    /// <summary>Trained on the real records.</summary>
    public required EcgTraining Real { get; init; }

    /// <summary>Trained on the generated ones.</summary>
    public required EcgTraining Synthetic { get; init; }

    /// <summary>Trained on both.</summary>
    public required EcgTraining Both { get; init; }

    /// <summary>Macro AUC after the generated ones less that after the real ones, by a paired bootstrap.</summary>
    public required BootstrapInterval SyntheticLessReal { get; init; }

    /// <summary>Macro AUC after both less that after the real ones, by a paired bootstrap.</summary>
    public required BootstrapInterval BothLessReal { get; init; }

    /// <summary>How many test records there are.</summary>
    public required int TestRecords { get; init; }

    /// <summary>The network that was trained three times.</summary>
    public required XResNet1dOptions Network { get; init; }

    /// <summary>Trains three times and judges.</summary>
    /// <param name="real">Real records for training.</param>
    /// <param name="synthetic">Generated records with labels.</param>
    /// <param name="test">Real records that are not for training.</param>
    /// <param name="options">How; defaults if null.</param>
    /// <param name="run">How the trainings are followed; each has its own folder in the run's.</param>
    /// <exception cref="InputException">
    /// A test record is marked for training, the sets do not fit together, no class can be judged, or the generated records have no labels.
    /// </exception>
    public static EcgUtility Measure(EcgTrainingSet real, EcgTrainingSet synthetic, EcgSet test, EcgUtilityOptions? options = null, TrainingRun? run = null)
    {
        ArgumentNullException.ThrowIfNull(real);
        ArgumentNullException.ThrowIfNull(synthetic);
        ArgumentNullException.ThrowIfNull(test);
        options ??= new EcgUtilityOptions();
        EcgSet.CheckAlike(real, synthetic);
        EcgSet.CheckAlike(real, test);
        CheckHeldOut(real, test);
        if (Enumerable.Range(0, synthetic.Count).All(i => synthetic.MultiHot(i).All(l => l == 0)))
            throw new InputException($"No record of {synthetic.Card.Name} has a label, and so nothing can be learnt from them: give labels with the samples.");
        var (labels, network) = (Labels(test), options.Network.For(real.Card));
        var auc = new MacroAuc(labels);
        if (auc.Classes.Count == 0)
            throw new InputException($"The {test.Count} test records of {test.Card.Name} are all of each class, or none is: there is nothing to tell; choose other classes or records.");
        var both = EcgTrainingSet.Join(real, synthetic);
        var found = new (string Name, EcgTrainingSet Set)[] { ("real", real), ("synthetic", synthetic), ("both", both) }
            .Select(t => Train(t.Name, t.Set, test, auc, network, options, run ?? new TrainingRun())).ToArray();
        return new EcgUtility
        {
            Classes = [.. auc.Classes.Select(c => test.Classes[c])],
            LeftOut = [.. test.Classes.Where((_, c) => !auc.Classes.Contains(c))],
            Real = found[0].Training,
            Synthetic = found[1].Training,
            Both = found[2].Training,
            SyntheticLessReal = auc.Bootstrap(found[1].Scores, found[0].Scores, options.Resamples, options.Training.Seed),
            BothLessReal = auc.Bootstrap(found[2].Scores, found[0].Scores, options.Resamples, options.Training.Seed),
            TestRecords = test.Count,
            Network = network,
        };
    }

    /// <summary>Which classes the records of a set have, [records, classes].</summary>
    public static bool[,] Labels(EcgSet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        var labels = new bool[set.Count, set.Classes.Count];
        for (var i = 0; i < set.Count; i++)
        {
            var row = set.MultiHot(i);
            for (var c = 0; c < row.Length; c++)
                labels[i, c] = row[c] > 0;
        }

        return labels;
    }

    /// <summary>Refuses to judge on records that may be, or are, trained on.</summary>
    internal static void CheckHeldOut(EcgSet real, EcgSet test)
    {
        if (test.Records.FirstOrDefault(r => r.Split == EcgSplit.Train) is { } trained)
            throw new InputException($"The record {Formats.FileFault.Quote(trained.Name)} of {test.Card.Name} is marked for training, and so nothing may be judged on it: give records of the test split.");
        var samples = real.Records.Select(r => r.Samples.ToArray()).ToHashSet(SameSamples.Instance);
        if (test.Records.FirstOrDefault(r => samples.Contains(r.Samples.ToArray())) is { } twin)
            throw new InputException($"The test record {Formats.FileFault.Quote(twin.Name)} of {test.Card.Name} has the very samples of a training record: take one of the two out.");
    }

    private static (EcgTraining Training, double[,] Scores) Train(
        string name, EcgTrainingSet set, EcgSet test, MacroAuc auc, XResNet1dOptions options, EcgUtilityOptions how, TrainingRun run)
    {
        using var network = XResNet1d.Create(options, how.Training.Seed, how.Device);
        var stage = EcgClassificationStage.Create(name, network, set, how.Training);
        var identity = (System.Text.Json.Nodes.JsonObject)run.Identity.DeepClone();
        identity["network"] = options.ToJson();
        new Trainer(stage, how.Training, run with { Folder = run.Folder is null ? null : Path.Combine(run.Folder, name), Identity = identity }).Train();
        var scores = EcgClassification.Probabilities(network, test, how.Aggregate, run.CancellationToken);
        var training = new EcgTraining(
            name,
            set.Count,
            auc.Bootstrap(scores, null, how.Resamples, how.Training.Seed),
            auc.OfClasses(scores),
            [.. auc.Classes.Select(c => Rhythm(set, test, test.Classes[c], how.RhythmLead ?? RhythmMetric.Lead(set.Leads)))],
            network.Fingerprint());
        return (training, scores);
    }

    private static double? Rhythm(EcgTrainingSet set, EcgSet test, string name, string lead)
    {
        var labels = RhythmClassifier.Labels(set, name);
        return labels.Distinct().Count() < 2
            ? null
            : RocAuc.Of(RhythmClassifier.Fit(set, name, lead).Score(test), RhythmClassifier.Labels(test, name));
    }

    private sealed class SameSamples : IEqualityComparer<float[]>
    {
        public static SameSamples Instance { get; } = new();

        public bool Equals(float[]? x, float[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(float[] samples)
        {
            var hash = new HashCode();
            hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(samples.AsSpan(0, Math.Min(64, samples.Length))));
            hash.Add(samples.Length);
            return hash.ToHashCode();
        }
    }
}
