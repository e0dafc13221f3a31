using Graft.Data.Ecg;
using Graft.Networks;
using Graft.Torch;
using Graft.Training;

namespace Graft.Evaluation.Ecg;

/// <summary>
/// What records of one class are good for: a classifier is trained to tell them from real records without the class, and judged on real test
/// records ("train on synthetic, test on real": Esteban, Hyland and Rätsch 2017, where one class alone is synthetic).
/// </summary>
/// <remarks>
/// Records of the class are repeated until there are as many as others, and those of a smaller group until there are as many as of the largest:
/// ten real records must not lose against five hundred generated ones for being rare in a batch.
/// </remarks>
internal sealed class EcgClassUtility
{
    private const int MostWarmup = 60;
    private readonly string _class;
    private readonly EcgTrainingSet _negatives;
    private readonly EcgSet _test;
    private readonly bool[] _labels;
    private readonly XResNet1dOptions _network;
    private readonly TrainingOptions _training;
    private readonly Device _device;

    /// <param name="name">The class.</param>
    /// <param name="negatives">Real records for training, none of the class.</param>
    /// <param name="test">Real records that nothing is trained on, some of the class and some not.</param>
    /// <param name="steps">Optimiser steps of each classifier.</param>
    /// <param name="device">Where it computes.</param>
    /// <exception cref="InputException">The records are not such.</exception>
    internal EcgClassUtility(string name, EcgSet negatives, EcgSet test, long steps, Device device)
    {
        (_class, _device) = (name, device);
        if (negatives.Records.FirstOrDefault(r => r.Statements.Contains(name)) is { } positive)
            throw new InputException($"The record {Formats.FileFault.Quote(positive.Name)} of utility.negatives has the class {Formats.FileFault.Quote(name)}: leave such records out (without).");
        (_negatives, _test) = (negatives.WithClasses(name).ForTraining(), test.WithClasses(name));
        EcgSet.CheckAlike(_negatives, _test);
        EcgUtility.CheckHeldOut(_negatives, _test);
        _labels = RhythmClassifier.Labels(_test, name);
        if (_labels.Distinct().Count() < 2)
            throw new InputException($"The {_test.Count} records of utility.test are all of the class {Formats.FileFault.Quote(name)}, or none is: there is nothing to tell; choose others.");
        _network = XResNet1dOptions.Small.For(_negatives.Card);
        _training = EcgUtilityOptions.DefaultTraining with { Steps = steps, WarmupSteps = Math.Min(MostWarmup, steps / 10), CheckpointEvery = 0 };
        _training.Validate();
    }

    /// <summary>Test records.</summary>
    internal int TestRecords => _labels.Length;

    /// <summary>Checks records that are to be trained on.</summary>
    /// <param name="records">Real records for training, all of the class.</param>
    /// <param name="target">What the recipe calls them.</param>
    /// <exception cref="InputException">One is not of the class, or is a test record.</exception>
    internal void Check(EcgSet records, string target)
    {
        if (records.Records.FirstOrDefault(r => !r.Statements.Contains(_class)) is { } other)
            throw new InputException($"The training record {Formats.FileFault.Quote(other.Name)} of the target {target} does not state {Formats.FileFault.Quote(_class)}, the class of utility: name a class that all of them state, or choose records with it (with).");
        EcgSet.CheckAlike(_negatives, records.WithClasses(_class));
        EcgUtility.CheckHeldOut(records, _test);
    }

    /// <summary>Trains and judges.</summary>
    /// <param name="groups">Records that stand for the class, whatever they state.</param>
    /// <param name="seed">Of the training.</param>
    /// <param name="run">Stops it.</param>
    /// <returns>AUC of the network, and of <see cref="RhythmClassifier"/> fitted to the same records.</returns>
    internal (double Network, double Rhythm) Of(IReadOnlyList<EcgSet> groups, long seed, CancellationToken run)
    {
        EcgSet[] positives = [.. groups.Select(g => g.Relabel([_class], _ => [_class]))];
        var most = positives.Max(g => g.Count);
        var all = positives.SelectMany(g => Repeated(g, most)).ToArray();
        var training = _training with { Seed = seed };
        using var network = XResNet1d.Create(_network, seed, _device);
        var stage = EcgClassificationStage.Create("utility", network, With(Repeated(all, Math.Max(all.Length, _negatives.Count))), training);
        new Trainer(stage, training, new TrainingRun { CancellationToken = run }).Train();
        var scores = EcgClassification.Probabilities(network, _test, cancellationToken: run);
        var lead = RhythmMetric.Lead(_test.Leads);
        var rhythm = RhythmClassifier.Fit(With(positives.SelectMany(g => g.Records)), _class, lead).Score(_test);
        return (RocAuc.Of([.. Enumerable.Range(0, TestRecords).Select(i => scores[i, 0])], _labels), RocAuc.Of(rhythm, _labels));
    }

    private EcgTrainingSet With(IEnumerable<EcgRecord> positives) => EcgTrainingSet.Join(
        _negatives,
        new EcgSet(_negatives.Card with { Name = "positives" }, [.. positives.Select((r, i) => r.WithName(FormattableString.Invariant($"positive {i}")))]).ForTraining());

    private static IEnumerable<EcgRecord> Repeated(EcgSet set, int count) => Repeated([.. set.Records], count);

    private static IEnumerable<EcgRecord> Repeated(EcgRecord[] records, int count) => Enumerable.Range(0, count).Select(i => records[i % records.Length]);
}
