using System.Text.Json.Nodes;
using Graft.Comparison;
using Graft.Data.Ecg;
using Graft.Evaluation.Ecg;
using Graft.Networks;
using Graft.Recipes;
using Graft.Sampling;
using Graft.Tests.Data.Ecg;
using Graft.Tests.Evaluation.Ecg;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;
using Graft.Transfer.GuidedParts;

namespace Graft.Tests.Comparison;

/// <summary>Comparisons of ECGs on crafted records: rows without training, what samples are good for, other records with each seed, what is refused.</summary>
public sealed class EcgComparisonTests(EcgComparisonTests.Given given) : IClassFixture<EcgComparisonTests.Given>, IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Methods_are_measured_beside_the_few_all_and_the_source()
    {
        var recipe = Bind();
        Run(recipe);
        var table = new ComparisonTable(recipe);
        table.Progress.ShouldBe((12, 12)); // two seeds of four rows and two methods
        table.RowsOf("few-af").ShouldBe(["few", "all", "source", "source-asked", "finetune", "tgdp"]);
        table.Columns.Select(c => c.Heading).ShouldBe(
            ["heart rate W1 ↓", "SDNN W1 ↓", "RMSSD W1 ↓", "no rhythm ↓", "memorised ↓", "AUC ↑", "rhythm AUC", "AUC with few ↑", "rhythm AUC with few"], ignoreOrder: true);
        ComparisonColumn Column(string value) => table.Columns.Single(c => c.Value == value);
        // What real records of the class are good for is known: they beat twice as fast as the others.
        table.At("few-af", "all", 0, Column("rhythm_auc"))!.Value.Least.ShouldBe(1);
        table.At("few-af", "few", 0, Column("rhythm_auc"))!.Value.Least.ShouldBeGreaterThan(0.9);
        table.At("few-af", "all", 0, Column("auc"))!.Value.Seeds.ShouldBe(2);
        table.At("few-af", "all", 0, Column("auc_with_few")).ShouldBeNull();
        table.At("few-af", "all", 0, Column("memorised_share")).ShouldBeNull();
        table.At("few-af", "all", 0, Column("heart_rate_distance"))!.Value.Mean.ShouldBeLessThan(10);
        table.At("few-af", "tgdp", 2, Column("auc_with_few"))!.Value.Seeds.ShouldBe(2);
        table.At("few-af", "finetune", 2, Column("memorised_share"))!.Value.Most.ShouldBeInRange(0, 1);
        table.Judges.Single().Value.ShouldBe("auc");
        Directory.GetFiles(_temporary["out/cells/few-af/tgdp/seed-1"], "*.png").Select(Path.GetFileName).Order().ShouldBe(["step-000002-nearest.png", "step-000002.png"]);
        Directory.GetFiles(_temporary["out/cells/few-af/all/seed-1"]).Select(Path.GetFileName).ShouldBe(["step-000000.json"]);
        table.ToMarkdown().ShouldContain("## few-af: 4 training records, 8 for reference");
        var page = ComparisonPage.Of(table);
        page.ShouldContain("beside held-out real records");
        page.ShouldContain("beside their nearest training records");
        Should.Throw<InputException>(() => new ComparisonTable(Bind(r => r["utility"]!["steps"] = 9))).Message.ShouldContain("data.utility.steps 3 where the recipe has 9");
        // Drawn labels are the target's: the source's own have no fibrillation.
        using var tuned = DiffusionModel.Load(_temporary["out/cells/few-af/finetune/seed-1/run"]);
        tuned.SampleValues(3, Sampler.Ddim(1), 1).LabelSets.ShouldBe([1f, 0, 1, 0, 1, 0]);
    }

    /// <summary>What asking for the target's labels does by itself is what guidance of no strength draws.</summary>
    [Fact]
    public void The_source_asked_for_the_target_s_labels_is_a_guided_source_without_guidance()
    {
        // A network that has learnt nothing gives zeros, whatever it is asked for.
        using (var source = DiffusionModel.Load(given.Source))
        {
            TorchRuntime.Run(() =>
            {
                using var scope = new TensorScope();
                var last = source.Parameters().Single(p => p.Name == "final_conv.2.conv.weight").Value;
                last.CopyFrom(new KeyedRandom(1, "last").Normal(0, [0], last.Shape).Squeeze(0));
            });
            source.Save(_temporary["source"]);
        }

        Run(Bind(r =>
        {
            (r["source"], r["utility"]) = (_temporary["source"], null);
            r["seeds"] = new JsonArray(1);
            var silent = r["methods"]!["tgdp"]!.DeepClone();
            silent["method_options"]!["scale"] = 0;
            r["methods"] = new JsonObject { ["silent"] = silent };
        }));
        Metrics("source-asked", 0).ShouldBe(Metrics("silent", 2));
        Metrics("source-asked", 0).ShouldNotBe(Metrics("source", 0));

        string Metrics(string method, int step) =>
            JsonNode.Parse(File.ReadAllText(_temporary[$"out/cells/few-af/{method}/seed-1/step-{step:D6}.json"]))!["metrics"]!.ToJsonString();
    }

    [Fact]
    public void Every_seed_draws_other_records_and_all_methods_of_a_seed_the_same()
    {
        var target = Bind().Targets["few-af"];
        var (one, two) = (Names(target.TrainingOf(1)), Names(target.TrainingOf(2)));
        one.Length.ShouldBe(4);
        one.ShouldNotBe(two);
        Names(target.TrainingOf(1)).ShouldBe(one);
        Names(target.ReferenceOf(1, 5)!).ShouldBe(Names(target.ReferenceOf(2, 5)!)); // a publisher's folds stay
        (target.Training.Ecg! with { Shuffle = false }).Open().Set.Records.Select(r => r.Name).ShouldBe(["00001", "00003", "00005", "00007"]);

        // Data without splits: what is not for training is held out, another part with each seed.
        for (var i = 0; i < 12; i++)
            CraftedEcg.WriteWfdb(_temporary["plain"], $"r{i:D2}", EcgLeads.Standard, CraftedEcg.Digital(12, 450, i), comments: "#Dx: a\n");
        var plain = new CompareTarget { DrawPerSeed = true, Training = new DataOptions { Ecg = new EcgDataOptions { Folder = _temporary["plain"], Length = 400, Train = 6, MaxCount = 2, Shuffle = true } } };
        foreach (var seed in (long[])[1, 2])
        {
            var held = Names(plain.ReferenceOf(seed, 5)!);
            held.Length.ShouldBe(6);
            Names(plain.TrainingOf(seed)).Intersect(held).ShouldBeEmpty();
            plain.ReferenceOf(seed, 5)!.Ecg!.Open().IsForJudging.ShouldBeTrue();
        }

        Names(plain.ReferenceOf(1, 5)!).ShouldNotBe(Names(plain.ReferenceOf(2, 5)!));

        static string[] Names(DataOptions data) => [.. data.Ecg!.Open().Set.Records.Select(r => r.Name)];
    }

    [Fact]
    public void Records_are_of_use_where_they_are_like_the_class_and_of_none_where_not()
    {
        var (slow, test) = (TinyEcgs.Set(20, EcgSplit.Train).Where(r => r.Statements.Count == 0), TinyEcgs.Set(20, EcgSplit.Test, seed: 2, "t"));
        var utility = new EcgClassUtility("FAST", slow, test, 30, default);
        var fast = TinyEcgs.Set(12, EcgSplit.Train, seed: 5, "g").Where(r => r.Statements.Count > 0);
        var (network, rhythm) = utility.Of([fast, new EcgSet(fast.Card, [fast[0]])], 1, CancellationToken.None);
        network.ShouldBeGreaterThan(0.9);
        rhythm.ShouldBe(1);
        utility.Of([fast, new EcgSet(fast.Card, [fast[0]])], 1, CancellationToken.None).ShouldBe((network, rhythm));
        // Slow ones under the name of the class.
        var wrong = TinyEcgs.Set(12, EcgSplit.Train, seed: 6, "w").Where(r => r.Statements.Count == 0);
        utility.Of([wrong], 1, CancellationToken.None).Network.ShouldBeLessThan(network - 0.1);
        Should.Throw<InputException>(() => utility.Check(wrong, "x")).Message.ShouldContain("does not state 'FAST'");
        Should.Throw<InputException>(() => utility.Check(test.Where(r => r.Statements.Count > 0), "x")).Message.ShouldContain("test");
    }

    [Theory]
    [InlineData("targets.few-af.training.ecg.split=test", "nothing but train is for training")]
    [InlineData("targets.few-af.reference.ecg.split=train", "may be trained on")]
    [InlineData("targets.few-af.reference.ecg={folder: ECG, labels: [AFIB, NORM], length: 400, split: none}", "marked for training")]
    [InlineData("targets.few-af.reference=null", "targets.few-af.reference")]
    [InlineData("targets.few-af.training.ecg.shuffle=false", "nothing of it is drawn")]
    [InlineData("targets.few-af.training.ecg.with=null", "does not state 'AFIB'")]
    [InlineData("targets.few-af.training.ecg.length=300", "they must be the same")]
    [InlineData("targets.other={training: {folder: pictures}}", "measured of ECGs alone")]
    [InlineData("targets.few-af.training={mixture: {means: [[0]], variance: 1}}", "names another kind of data")]
    [InlineData("methods.few={method: finetune}", "the name of a row")]
    [InlineData("utility.class=WPW", "nothing to tell")]
    [InlineData("utility.class=NORM", "leave such records out")]
    [InlineData("utility.test.split=train", "utility.test")]
    [InlineData("utility.test.split=none", "marked for training")]
    [InlineData("utility.negatives.split=test", "utility.negatives")]
    [InlineData("utility.steps=0", "utility.steps")]
    [InlineData("features=[nowhere]", "no classifier of ECGs")]
    [InlineData("methods.tgdp.method_options.conditional=5", "conditional")]
    public void What_does_not_fit_is_refused_before_training(string assignment, string says) => Should.Throw<InputException>(() =>
    {
        using var run = new ComparisonRun(Bind(r => Recipe.Set(r, assignment.Replace("ECG", $"'{given.Ecg}'", StringComparison.Ordinal))), new TrainingRun());
    }).Message.ShouldContain(says);

    [Fact]
    public void A_ratio_without_labels_guides_a_source_that_takes_them()
    {
        using var source = DiffusionModel.Load(given.Source);
        var method = new Guided { HiddenChannels = 8, Blocks = 1, ClassifierSteps = 1, Training = new TrainingOptions { Steps = 1, BatchSize = 2 }, SourceData = new DataOptions { Ecg = Data(without: "AFIB") } };
        foreach (var conditional in (bool[])[true, false])
        {
            using var guided = (method with { Conditional = conditional }).Adapt(source, Data(with: "AFIB").Open());
            guided.Attachment.ShouldBeOfType<GuidanceAttachment>().Network.Options.NumClassEmbeds.ShouldBe(conditional ? 2 : null);
            guided.SampleLabelled(2, Sampler.Ddim(2), 1, [[0], [1]]).Values.ToArray().ShouldAllBe(v => float.IsFinite(v));
        }
    }

    [Fact]
    public void Without_a_utility_the_kernel_distance_decides()
    {
        using (var network = XResNet1d.Create(XResNet1dOptions.Small.For(Data().Open().Set.Card) with { HeadChannels = 8 }, 1))
            network.Save(_temporary["features"]);
        var recipe = Bind(r =>
        {
            (r["utility"], r["seeds"], r["methods"]) = (null, new JsonArray(1), new JsonObject { ["finetune"] = new JsonObject { ["method"] = "finetune" } });
            r["features"] = new JsonArray(_temporary["features"], "?" + _temporary["nowhere"]);
        });
        Run(recipe);
        var table = new ComparisonTable(recipe);
        table.Columns.ShouldNotContain(c => c.Value == "auc");
        table.Judges.Single().Title.ShouldBe("kernel (xresnet1d-small)");
        table.At("few-af", "all", 0, table.Judges.Single()).ShouldNotBeNull();
    }

    /// <summary>LUDB, raw, becomes what PTB-XL's subset is published as.</summary>
    [SharedFact("data/ecg/ludb")]
    public void Two_hospitals_are_brought_to_one_unit_and_one_language()
    {
        var json = Recipe.Read(Path.Combine(SharedFiles.Repository, "recipes", "ecg-ludb.yaml"));
        Recipe.ApplySize(json, null);
        var options = Recipe.Bind<CompareRecipe>(json, "recipe").Targets["ludb-20"].Training.Ecg! with { Folder = SharedFiles.Data("ecg", "ludb") };
        var set = options.Open().Set;
        set.Count.ShouldBe(20);
        set.Unit.ShouldBe(RestoreLimbScales.UnitName);
        set.SamplingRate.ShouldBe(100);
        for (var lead = 1; lead < 7; lead++) // V1 to V6
            set[0].Lead(lead).ToArray().Average(v => v * v).ShouldBe(1, 1e-3);
        var twelve = set.Prepare(new ChooseLeads(EcgLeads.Standard));
        LeadEquations.Of(twelve).Refitted.Max().ShouldBeLessThan(1e-6);
        Enumerable.Range(0, set.Count).Sum(i => set.MultiHot(i).Sum()).ShouldBeGreaterThan(20);
        Should.Throw<InputException>(() => (options with { Rename = new Dictionary<string, string> { ["sinus rythm"] = "SR" } }).Open()).Message.ShouldContain("ecg.rename");
    }

    private static void Run(CompareRecipe recipe)
    {
        using var run = new ComparisonRun(recipe, new TrainingRun());
        run.Run();
    }

    private EcgDataOptions Data(string? with = null, string? without = null) => new()
    {
        Folder = given.Ecg, Length = 400, Labels = ["AFIB", "NORM"], With = with is null ? null : [with], Without = without is null ? null : [without],
    };

    private CompareRecipe Bind(Action<JsonObject>? change = null)
    {
        var data = $"folder: '{given.Ecg}', length: 400, labels: [AFIB, NORM]";
        var json = Recipe.Parse($$"""
            name: tiny
            source: '{{given.Source}}'
            out: '{{_temporary["out"]}}'
            device: cpu
            targets:
              few-af:
                draw_per_seed: true
                training: { ecg: { {{data}}, with: [AFIB], max_count: 4, shuffle: true } }
                reference: { ecg: { {{data}}, with: [AFIB], split: test, with_validation: true } }
            utility:
              class: AFIB
              negatives: { {{data}}, without: [AFIB] }
              test: { {{data}}, split: test }
              steps: 3
            methods:
              finetune: { method: finetune }
              tgdp:
                method: tgdp
                method_options: { conditional: false, cycle_weight: 0, hidden_channels: 8, blocks: 1, classifier_steps: 1, source_data: { ecg: { {{data}}, without: [AFIB] } } }
            training: { batch_size: 2 }
            seeds: [1, 2]
            at: [2]
            samples: 5
            sample_steps: 2
            """, "test");
        change?.Invoke(json);
        return Recipe.Bind<CompareRecipe>(json, "recipe");
    }

    /// <summary>The records and an untrained source, which no test changes.</summary>
    public sealed class Given : IDisposable
    {
        private readonly TemporaryFolder _folder = new();

        public Given()
        {
            TinyEcgFolder.Write(Ecg);
            using var source = DiffusionModel.Create(
                new SssdDenoiserOptions
                {
                    InChannels = 8, SampleLength = 400, NumResLayers = 1, ResChannels = 4, SkipChannels = 4, DiffusionStepEmbedDimIn = 8, DiffusionStepEmbedDimMid = 8,
                    DiffusionStepEmbedDimOut = 8, S4Lmax = 400, S4DState = 4, LabelEmbedDim = 3, LabelEmbedClasses = 2,
                },
                SssdCheckpoint.Schedule, seed: 3);
            source.Learns(new EcgDataOptions { Folder = Ecg, Length = 400, Labels = ["AFIB", "NORM"], Without = ["AFIB"] }.Open());
            source.Save(Source);
        }

        public string Ecg => _folder["ecg"];

        public string Source => _folder["source"];

        public void Dispose() => _folder.Dispose();
    }
}
