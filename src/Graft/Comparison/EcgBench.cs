using System.Text.Json.Nodes;
using Graft.Charts;
using Graft.Data;
using Graft.Data.Ecg;
using Graft.Evaluation;
using Graft.Evaluation.Ecg;
using Graft.Formats.Images;
using Graft.Networks;
using Graft.Recipes;
using Graft.Sampling;
using Graft.Training;
using Graft.Transfer.GuidedParts;
using Microsoft.Extensions.Logging;

namespace Graft.Comparison;

/// <summary>Where comparisons of ECGs are measured.</summary>
internal sealed class EcgBench : IComparisonBench
{
    private const int BatchSize = 32;
    private readonly CompareRecipe _recipe;
    private readonly DiffusionModel _source;
    private readonly CancellationToken _cancellationToken;
    private readonly List<XResNet1d> _networks = [];
    private readonly List<EcgFeatureSpace> _spaces = [];
    private readonly EcgClassUtility? _utility;
    private readonly Dictionary<string, EcgItems> _opened = [];

    internal EcgBench(CompareRecipe recipe, DiffusionModel source, TrainingRun run)
    {
        (_recipe, _source, _cancellationToken) = (recipe, source, run.CancellationToken);
        try
        {
            if (recipe.Utility is { } utility)
                _utility = new EcgClassUtility(utility.Class, utility.Negatives.Open().Set, utility.Test.Open().Set, utility.Steps, source.Device);

            // What does not fit is refused before anything is trained.
            foreach (var target in recipe.Targets.Keys)
            {
                foreach (var seed in recipe.Targets[target].DrawPerSeed ? recipe.Seeds : recipe.Seeds.Take(1))
                {
                    var cell = new ComparisonCell(target, ComparisonCell.SourceName, seed, 0);
                    EcgUtility.CheckHeldOut(Opened(Data(cell)).Set, Opened(ReferenceOf(cell)).Set);
                    EcgSet.CheckAlike(Opened(Data(cell)).Set, Opened(ReferenceOf(cell)).Set);
                    _utility?.Check(Opened(Data(cell)).Set, target);
                    _utility?.Check(Opened(All(cell)).Set, target);
                }
            }

            OpenNetworks(recipe, run);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public ISampleSource Training(ComparisonCell cell) => Opened(Data(cell));

    public ISampleSource Reference(ComparisonCell cell) => Opened(ReferenceOf(cell));

    public (ISampleSource Samples, JsonObject How) Draw(ComparisonCell cell, DiffusionModel? model)
    {
        if (model is null)
        {
            var all = cell.Method == EcgComparison.AllRow;
            return (Opened(all ? All(cell) : Data(cell)), new JsonObject { ["drawn_from"] = all ? "all training records" : "the training records" });
        }

        var sampler = Sampler.Parse(_recipe.Sampler, _recipe.SampleSteps);
        var drawn = cell.Method == EcgComparison.AskedRow && model.Network.Options.TakesLabelSets
            ? model.SampleLabelled(_recipe.Samples, sampler, cell.Seed, LabelsOf(cell, model), BatchSize, cancellationToken: _cancellationToken)
            : model.SampleValues(_recipe.Samples, sampler, cell.Seed, batchSize: BatchSize, cancellationToken: _cancellationToken);
        return (Records(drawn, Opened(Data(cell)).Set.Card), new JsonObject { ["count"] = drawn.Count, ["sampler"] = sampler.Name, ["steps"] = sampler.Steps });
    }

    public Findings Measure(ComparisonCell cell, DiffusionModel? model, ISampleSource samples, string? run)
    {
        var (training, reference) = (Opened(Data(cell)), Opened(ReferenceOf(cell)));
        var input = new EvaluationInput { Samples = samples, Target = reference, Training = training, Seed = cell.Seed };
        // Of eight leads the limb leads' equations say nothing, and real records are no copies of themselves.
        var limbs = EcgLeads.Limb.All(training.Set.Leads.Contains);
        var metrics = EcgMetrics.Of().Where(m => (limbs || m is not LeadEquationsMetric) && (model is not null || m is not MemorisationMetric)).Concat(_spaces.SelectMany(s => s.Metrics));
        var reports = EvaluationReport.Of(input, metrics: [.. metrics], cancellationToken: _cancellationToken).Reports.ToList();
        var own = EcgItems.Of(samples, "Utility is that of");
        if (_utility is not null)
        {
            reports.Add(Utility(EcgComparison.Utility, EcgComparison.Auc, EcgComparison.RhythmAuc, [own]));
            if (cell.Step > 0)
                reports.Add(Utility(EcgComparison.UtilityWithFew, EcgComparison.AucWithFew, EcgComparison.RhythmAucWithFew, [training.Set, own]));
        }

        var pictures = new List<(string, Picture)>();
        if (model is not null)
        {
            pictures.Add((EcgComparison.SheetSuffix, EcgSheet.Draw(own, reference.Set)));
            if (reports.SelectMany(r => r.Pictures).FirstOrDefault(p => p.Key.StartsWith("nearest", StringComparison.Ordinal)).Value is { } nearest)
                pictures.Add((EcgComparison.NearestSuffix, nearest));
        }

        return new Findings(reports, pictures);

        MetricReport Utility(string metric, string auc, string rhythm, EcgSet[] groups)
        {
            var found = _utility.Of(groups, cell.Seed, _cancellationToken);
            return new() { Metric = metric, Space = $"{XResNet1dOptions.Small.Name}, trained here", Values = [new(auc, found.Network, _utility.TestRecords), new(rhythm, found.Rhythm, _utility.TestRecords)] };
        }
    }

    public void Dispose()
    {
        foreach (var network in _networks)
            network.Dispose();
    }

    private DataOptions Data(ComparisonCell cell) => _recipe.Targets[cell.Target].TrainingOf(cell.Seed);

    /// <summary>Without the draw, so that every seed's are the same.</summary>
    private DataOptions All(ComparisonCell cell) => new() { Ecg = Data(cell).Ecg! with { MaxCount = 0, Shuffle = false } };

    private DataOptions ReferenceOf(ComparisonCell cell) => _recipe.Targets[cell.Target].ReferenceOf(cell.Seed, _recipe.Samples)!;

    /// <summary>The sets of labels that an adapted model would be asked for, as a guided source is told of them.</summary>
    private List<IReadOnlyList<int>> LabelsOf(ComparisonCell cell, DiffusionModel source)
    {
        var (record, learnt) = (EcgModelRecord.Of(Opened(Data(cell)).Set), LearntLabels.Of(source));
        return [.. Enumerable.Range(0, _recipe.Samples).Select(i => learnt is null ? record.DrawLabels(cell.Seed, i) : learnt.Of(record.DrawLabels(cell.Seed, i)))];
    }

    /// <summary>Folders are read once for what is asked of them.</summary>
    private EcgItems Opened(DataOptions data)
    {
        var key = Recipe.Describe(data.Ecg!).ToJsonString();
        if (!_opened.TryGetValue(key, out var items))
            _opened[key] = items = (EcgItems)data.OpenFor(_source, cancellationToken: _cancellationToken);
        return items;
    }

    private void OpenNetworks(CompareRecipe recipe, TrainingRun run)
    {
        var set = Opened(ReferenceOf(new ComparisonCell(recipe.Targets.Keys.First(), ComparisonCell.SourceName, recipe.Seeds[0], 0))).Set;
        foreach (var text in recipe.Features)
        {
            try
            {
                var network = XResNet1d.Load(text.TrimStart('?'), _source.Device);
                _networks.Add(network);
                EcgClassificationStage.Check(network.Options, set, classes: false);
                _spaces.Add(new EcgFeatureSpace(network));
            }
            catch (InputException e) when (text.StartsWith('?') && !Directory.Exists(text[1..]))
            {
                run.Logger.LogWarning("The feature network {Network} is left out: {Fault}", text[1..], e.Message);
            }
        }
    }

    /// <summary>Drawn items as records with their labels, which are nobody's test.</summary>
    private static EcgItems Records(SampleSet drawn, EcgCard like)
    {
        var card = (drawn.Ecg ?? like) with { Name = "samples" };
        var records = new EcgRecord[drawn.Count];
        for (var i = 0; i < records.Length; i++)
        {
            var values = drawn[i].ToArray();
            if (!values.All(float.IsFinite))
                throw new InputException($"The sample {i} of {drawn.Count} holds numbers that are not finite, and cannot be measured: choose a lower learning rate, or more steps of the sampler.");
            var labels = drawn.LabelSet(i);
            records[i] = new EcgRecord(drawn.Name(i), values, card.Leads.Count, EcgSplit.Train) { Statements = labels is null ? [] : [.. card.Classes.Where((_, c) => labels[c] > 0)] };
        }

        return new EcgItems(new EcgSet(card, records).ForTraining(), drawn.Description);
    }
}
