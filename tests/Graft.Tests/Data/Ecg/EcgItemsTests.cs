using Graft.Charts;
using Graft.Data;
using Graft.Data.Ecg;
using Graft.Diffusion;
using Graft.Formats;
using Graft.Networks;
using Graft.Recipes;
using Graft.Sampling;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Tests.Data.Ecg;

/// <summary>ECGs from a recipe's words into batches, through training, into a model's folder, and out of it as samples.</summary>
public sealed class EcgItemsTests : IDisposable
{
    private static readonly SssdDenoiserOptions Tiny = new()
    {
        InChannels = 8, SampleLength = 40, NumResLayers = 1, ResChannels = 4, SkipChannels = 4, DiffusionStepEmbedDimIn = 8, DiffusionStepEmbedDimMid = 8,
        DiffusionStepEmbedDimOut = 8, S4Lmax = 40, S4DState = 4, LabelEmbedDim = 3, LabelEmbedClasses = 3,
    };

    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_recipe_names_leads_rate_length_labels_and_folds()
    {
        Write(9);
        var items = Options("train: 6, seed: 1").Open();
        items.Count.ShouldBe(6);
        items.ItemShape.ShouldBe(new ItemShape(8, 40));
        items.Set.Leads.ShouldBe(EcgLeads.Independent);
        items.Set.SamplingRate.ShouldBe(100);
        items.IsForJudging.ShouldBeFalse();
        items.Set.ShouldBeOfType<EcgTrainingSet>();
        items.Classes.ShouldBe(["a", "b", "c"]);
        var judged = Options("train: 6, seed: 1, split: test").Open();
        judged.Count.ShouldBe(3);
        judged.IsForJudging.ShouldBeTrue();
        judged.Set.Records.Select(r => r.Name).Intersect(items.Set.Records.Select(r => r.Name)).ShouldBeEmpty();
        Options("train: 6, seed: 1, max_count: 2").Open().Set.ShouldBeOfType<EcgTrainingSet>().Count.ShouldBe(2);
        Options("split: none, with: [b]").Open().Set.Records.ShouldAllBe(r => r.Statements.Contains("b"));
        Options("split: none, without: [b]").Open().Set.Records.ShouldAllBe(r => !r.Statements.Contains("b"));
        Options("split: none, labels: []").Open().LabelSet(0).ShouldBeNull();
        Options("split: none, labels: [scp]").Open().LabelSet(0)!.Length.ShouldBe(71);
        Options("split: none, leads: [II, V5], length: 60, pad: true, band: [1, 30], rate: 200").Open().ItemShape.ShouldBe(new ItemShape(2, 60));
    }

    [Theory]
    [InlineData("seed: 1", "ecg.train")]
    [InlineData("train: 10", "ecg.train")]
    [InlineData("split: none, with: [nothing]", "with and without")]
    [InlineData("split: none, labels: [a, a]", "twice")]
    [InlineData("split: none, band: [1]", "ecg.band")]
    [InlineData("split: none, length: 4000", "fit_length")]
    public void What_does_not_fit_is_refused(string given, string part)
    {
        Write(4);
        Should.Throw<InputException>(() => Options(given).Open()).Message.ShouldContain(part);
    }

    [Fact]
    public void Batches_hold_sets_of_labels_and_nothing_for_judging() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        Write(9);
        var items = Options("train: 6").Open();
        var schedule = new NoiseSchedule(SssdCheckpoint.Schedule);
        var batch = new SampleBatches(items, schedule, 1, flip: false).Read(0, [0, 1, 2, 3, 4, 5]);
        batch.ClassLabels!.Shape.ToArray().ShouldBe([6, 3]);
        var (x0, labels) = (batch.X0.ToArray<float>(), batch.ClassLabels.ToArray<float>());
        var rows = Enumerable.Range(0, 6).Select(k => (X: x0[k * 320], Labels: string.Join(' ', labels[(k * 3)..((k * 3) + 3)]))).Order();
        rows.ShouldBe(Enumerable.Range(0, 6).Select(i => (X: items.Set[i].Samples[0], Labels: string.Join(' ', items.LabelSet(i)!))).Order());
        ((ISampleSource)items).Subset([4, 2]).LabelSet(1).ShouldBe(items.LabelSet(2));
        var judged = Options("split: none").Open();
        Should.Throw<InputException>(() => new SampleBatches(judged, schedule, 1, flip: false)).Message.ShouldContain("Nothing may be trained");
        Should.Throw<InputException>(() => new SampleBatches(((ISampleSource)judged).Subset([0]), schedule, 1, flip: false)).Message.ShouldContain("for judging");
    });

    [Fact]
    public void A_model_of_ecgs_is_trained_saved_opened_adapted_and_drawn_from()
    {
        Write(9);
        var data = Options("train: 6").Open();
        var recipe = Recipe.Bind<PretrainRecipe>(Recipe.Parse($$"""
            name: tiny
            out: {{_temporary["source"]}}
            device: cpu
            data: { ecg: { folder: {{_temporary["ecg"]}}, length: 40, train: 6 } }
            network: {{Tiny.ToJson().ToJsonString()}}
            schedule: { num_train_timesteps: 200 }
            training: { steps: 2, batch_size: 3, sample_every: 2, sample_count: 2, sample_steps: 2, meter_every: 0 }
            """, "recipe"), "recipe");
        recipe.Resolve().Schedule.ClipSample.ShouldBeFalse();
        recipe.Run(new TrainingRun());
        Directory.EnumerateFiles(_temporary["source"], "*.png", SearchOption.AllDirectories).ShouldNotBeEmpty();

        using var source = DiffusionModel.Load(_temporary["source"]);
        source.Schedule.Warning.ShouldNotBeNull().ShouldContain("does not end in noise");
        source.Ecg!.Card.Leads.ShouldBe(EcgLeads.Independent);
        source.Ecg.LabelSets.Sum(s => s.Count).ShouldBe(6);

        var drawn = source.SampleValues(5, Sampler.Ddim(2), seed: 3);
        drawn.LabelSets!.Length.ShouldBe(15);
        Enumerable.Range(0, 5).ShouldAllBe(i => source.Ecg.LabelSets.Any(s => s.Labels.SequenceEqual(Places(drawn.LabelSet(i)!))));
        source.SampleValues(2, Sampler.Ddim(2), seed: 3).Values.ToArray().ShouldBe(drawn.Values[..640].ToArray(), tolerance: 1e-5);
        var asked = source.SampleLabelled(3, Sampler.Ddim(2), 3, [[0, 2], []]);
        string.Join(' ', asked.LabelSets!).ShouldBe("1 0 1 0 0 0 1 0 1");
        Places(source.SampleValues(2, Sampler.Ddim(2), 3, labels: [1]).LabelSet(1)!).ShouldBe([1]);
        Should.Throw<InputException>(() => source.SampleLabelled(3, Sampler.Ddim(2), 3, [[3]])).Message.ShouldContain("out of range");

        SampleFile.Write(_temporary["samples.safetensors"], drawn);
        var read = SampleFile.Read(_temporary["samples.safetensors"]);
        read.Values.ToArray().ShouldBe(drawn.Values.ToArray());
        read.LabelSets.ShouldBe(drawn.LabelSets);
        read.Ecg!.ToJson().ToJsonString().ShouldBe(source.Ecg.Card.ToJson().ToJsonString());
        var sheet = EcgSheet.Draw(read, data.Set);
        sheet.Width.ShouldBeGreaterThan(EcgSheet.Draw(read).Width + 500);

        using (var tuned = new Finetune { Steps = 1, Training = new TrainingOptions { Steps = 1, BatchSize = 2 } }.Adapt(source, Options("train: 4, with: [b]").Open()))
            tuned.Ecg!.LabelSets.ShouldAllBe(s => s.Labels.Contains(1));

        var method = new Guided
        {
            HiddenChannels = 8, Blocks = 1, ClassifierSteps = 2, ConsistencyWeight = 0.5, SourceCount = 3, SourceSampleSteps = 2,
            Training = new TrainingOptions { Steps = 2, BatchSize = 2, LearningRate = 0.05 },
        };
        using var guided = method.Adapt(source, Options("train: 4, with: [b]").Open(), new TrainingRun { Folder = _temporary["guided"] });
        using var again = DiffusionModel.Load(_temporary["guided"]);
        again.Ecg!.LabelSets.ShouldAllBe(s => s.Labels.Contains(1)); // the target's, though the network is the source's
        var moved = again.SampleLabelled(3, Sampler.Ddim(2), 3, [[0, 2], []]);
        moved.Values.ToArray().ShouldBe(guided.SampleLabelled(3, Sampler.Ddim(2), 3, [[0, 2], []]).Values.ToArray());
        moved.Values.ToArray().ShouldNotBe(asked.Values.ToArray());

        // Drawn by their ratio, most records come more than once.
        var byRatio = method with { DrawByRatio = true, RatioLoss = RatioLoss.Logistic, ClassifierSteps = 100, ClassifierWeightDecay = 0, SourceData = new DataOptions { Ecg = Options("train: 4") } };
        using var drawnByRatio = byRatio.Adapt(source, Options("train: 4, with: [b]").Open());
        drawnByRatio.SampleLabelled(3, Sampler.Ddim(2), 3, [[0, 2], []]).Values.ToArray().ShouldNotBe(moved.Values.ToArray());
    }

    [Fact]
    public void A_guided_source_is_not_told_of_labels_that_it_never_saw()
    {
        Write(9);
        var data = Options("train: 6").Open();
        using var begun = DiffusionModel.Create(Tiny, new ScheduleOptions { NumTrainTimesteps = 20 }, seed: 4);
        using var source = new Finetune { Training = new TrainingOptions { Steps = 3, BatchSize = 2, LearningRate = 0.1, EmaDecay = 0 } }.Adapt(begun, data);
        source.Ecg = new EcgModelRecord(data.Set.Card, [([0], 4), ([0, 2], 2)]);
        source.Save(_temporary["source"]);
        using var loaded = DiffusionModel.Load(_temporary["source"]);
        IReadOnlyList<IReadOnlyList<int>> told = [[0, 1], [2], [1]], learnt = [[0], [2], []];
        Values(loaded, told).ShouldNotBe(Values(loaded, learnt));

        var method = new Guided
        {
            Conditional = false, HiddenChannels = 8, Blocks = 1, ClassifierSteps = 2, ConsistencyWeight = 0.5, SourceCount = 3, SourceSampleSteps = 2,
            Training = new TrainingOptions { Steps = 2, BatchSize = 2, LearningRate = 0.05 },
        };
        using (var guided = method.Adapt(loaded, Options("train: 4, with: [b]").Open(), new TrainingRun { Folder = _temporary["guided"] }))
            Values(guided, told).ShouldBe(Values(guided, learnt));
        using (var again = DiffusionModel.Load(_temporary["guided"]))
            Values(again, told).ShouldBe(Values(again, learnt));

        var configuration = Path.Combine(_temporary["guided"], "adapter_config.json");
        File.WriteAllText(configuration, File.ReadAllText(configuration).Replace("\"source_labels\": [", "\"source_labels\": [3,", StringComparison.Ordinal));
        Should.Throw<InputException>(() => DiffusionModel.Load(_temporary["guided"])).Message.ShouldContain("source_labels");

        static float[] Values(DiffusionModel model, IReadOnlyList<IReadOnlyList<int>> labels) => model.SampleLabelled(3, Sampler.Ddim(2), 3, labels).Values.ToArray();
    }

    [Fact]
    public void Labels_are_drawn_as_often_as_they_are_in_the_training_set()
    {
        var card = CraftedEcg.Card() with { Classes = ["a", "b"] };
        var record = new EcgModelRecord(card, [([0], 6), ([], 3), ([0, 1], 1)]);
        var drawn = Enumerable.Range(0, 4000).Select(i => string.Join(',', record.DrawLabels(7, i))).CountBy(s => s).ToDictionary();
        ((double)drawn["0"]).ShouldBe(2400, 150);
        ((double)drawn[""]).ShouldBe(1200, 150);
        ((double)drawn["0,1"]).ShouldBe(400, 100);
        record.Write(_temporary.Path);
        var again = EcgModelRecord.Read(_temporary.Path)!;
        again.LabelSets.Select(s => (string.Join(',', s.Labels), s.Count)).ShouldBe([("0", 6), ("", 3), ("0,1", 1)]);
        Should.Throw<ArgumentException>(() => new EcgModelRecord(card, [([2], 1)]));
        File.WriteAllText(_temporary["ecg.json"], File.ReadAllText(_temporary["ecg.json"]).Replace("\"count\": 6", "\"count\": 0", StringComparison.Ordinal));
        Should.Throw<InputException>(() => EcgModelRecord.Read(_temporary.Path)).Message.ShouldContain("label_sets");
    }

    [Fact]
    public void Data_without_labels_do_not_train_a_network_that_takes_them()
    {
        Write(6);
        using var model = DiffusionModel.Create(Tiny, SssdCheckpoint.Schedule, 1);
        var options = new TrainingOptions { Steps = 1 };
        Should.Throw<InputException>(() => DenoisingStage.Create("x", model, Options("train: 4, labels: []").Open(), options)).Message.ShouldContain("has none");
        Should.Throw<InputException>(() => DenoisingStage.Create("x", model, Options("train: 4, labels: [a, b]").Open(), options)).Message.ShouldContain("2 classes");
    }

    [SharedFact("data/ecg/ptbxl-subset")]
    public void The_subset_gets_its_limb_scales_back()
    {
        var items = new EcgDataOptions { Folder = SharedFiles.Data("ecg", "ptbxl-subset"), Labels = ["scp"], Without = ["AFIB"], MaxCount = 20 }.Open();
        items.ItemShape.ShouldBe(new ItemShape(8, 1000));
        items.Set.Unit.ShouldBe(RestoreLimbScales.UnitName);
        items.Set.Records.ShouldAllBe(r => r.Split == EcgSplit.Train && !r.Statements.Contains("AFIB"));
        // Twelve leads follow from eight, and are the published ones but for their scales.
        var whole = PtbXl.OpenSubset(SharedFiles.Data("ecg", "ptbxl-subset"), new EcgOpenOptions { Where = items.Set.Records.Select(r => r.Name).ToHashSet().Contains });
        var twelve = items.Set.Prepare(new ChooseLeads(EcgLeads.Standard));
        var alike = items.Set.Records.Select(r =>
        {
            var (mine, theirs) = (twelve.Records.Single(t => t.Name == r.Name), whole.Records.Single(t => t.Name == r.Name));
            return Correlation(mine.Lead(1), theirs.Lead(whole.LeadIndex("II")));
        }).Order().ToArray();
        alike[2].ShouldBeGreaterThan(0.999);
    }

    private static double Correlation(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var (x, y) = (a.ToArray(), b.ToArray());
        var (mx, my) = (x.Average(), y.Average());
        return x.Zip(y, (p, q) => (p - mx) * (double)(q - my)).Sum() / Math.Sqrt(x.Sum(p => (p - mx) * (double)(p - mx)) * y.Sum(q => (q - my) * (double)(q - my)));
    }

    private static int[] Places(float[] labels) => [.. Enumerable.Range(0, labels.Length).Where(k => labels[k] > 0)];

    private EcgDataOptions Options(string given) =>
        Recipe.Bind<EcgDataOptions>(Recipe.Parse($"{{ folder: '{_temporary["ecg"]}', {(given.Contains("length", StringComparison.Ordinal) ? "" : "length: 40, ")}{given} }}", "test"), "ecg");

    /// <summary>Records of twelve leads, 100 Hz, 50 samples, with one to three of the statements a, b and c.</summary>
    private void Write(int count)
    {
        string[] statements = ["a", "b", "a,b", "b,c", "a,b,c"];
        for (var i = 0; i < count; i++)
            CraftedEcg.WriteWfdb(_temporary["ecg"], $"r{i:D2}", EcgLeads.Standard, CraftedEcg.Digital(12, 50, i), comments: $"#Dx: {statements[i % statements.Length]}\n");
    }
}
