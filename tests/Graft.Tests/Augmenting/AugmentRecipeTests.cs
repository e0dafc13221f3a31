using System.Text.Json.Nodes;
using Graft.Augmenting;
using Graft.Data;
using Graft.Diffusion;
using Graft.Evaluation;
using Graft.Formats.Images;
using Graft.Conditions;
using Graft.Networks;
using Graft.Recipes;
using Graft.Sampling;
using Graft.Tests.Training;
using Graft.Training;

namespace Graft.Tests.Augmenting;

public sealed class AugmentRecipeTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public AugmentRecipeTests()
    {
        TinyModel.Save(_temporary["source"], schedule: new ScheduleOptions { NumTrainTimesteps = 50 });
        using var encoder = TinyClassifier.Create();
        encoder.Save(_temporary["encoder"]);
        var pictures = new TinyPictures(7);
        for (var i = 0; i < 7; i++)
        {
            var folder = Directory.CreateDirectory(_temporary[$"target/{(i < 3 ? "bag" : "boot")}"]).FullName;
            ImageCodec.SavePng(Path.Combine(folder, $"{i}.png"), pictures.ToPicture(i));
        }
    }

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Anl_is_adapted_once_and_each_sample_says_its_condition_picture()
    {
        var record = Recipe("anl").Run(new TrainingRun());
        record.IsFinished.ShouldBeTrue();
        Directory.GetDirectories(_temporary["out/runs"]).Select(Path.GetFileName).ShouldBe(["all"]);
        var images = Read();
        images.Count.ShouldBe(6);
        images.Classes.ShouldBe(["bag", "boot"]);
        Enumerable.Range(0, 6).Select(images.Label).ShouldBe([0, 0, 0, 1, 1, 1]);
        File.ReadAllText(_temporary["out/labels.csv"]).ShouldBe("file_name,label\nbag/00000.png,0\nbag/00001.png,0\nbag/00002.png,0\nboot/00000.png,1\nboot/00001.png,1\nboot/00002.png,1\n");
        new DataOptions { Folder = _temporary["out/pictures"], LabelsCsv = _temporary["out/labels.csv"] }.Open(images.Shape).Label(4).ShouldBe(1);
        ImageCodec.Load(_temporary["out/grid.png"]).Width.ShouldBeGreaterThan(3 * 8);

        var json = JsonNode.Parse(File.ReadAllText(_temporary["out/augmentation.json"]))!;
        JsonNode.DeepEquals(json, record.Json).ShouldBeTrue();
        using var source = DiffusionModel.Load(_temporary["source"]);
        using var encoder = FeatureConditionEncoder.Load(_temporary["encoder"]);
        using var model = DiffusionModel.Load(_temporary["out/runs/all"]);
        ((string)json["settings"]!["source_sha256"]!).ShouldBe(source.Fingerprint());
        ((string)json["encoder"]!["sha256"]!).ShouldBe(encoder.Hash);
        ((int)json["settings"]!["training"]!["steps"]!).ShouldBe(3);
        json["classes"]!.AsArray().Select(c => (string)c!["model_sha256"]!).ShouldBe([model.Fingerprint(), model.Fingerprint()]);
        Files(json, 0).Select(f => (string)f["condition"]!).ShouldBe(["bag/0.png", "bag/1.png", "bag/2.png"]);
        Files(json, 1).Select(f => ((string)f["file_name"]!, (int)f["label"]!, (string)f["condition"]!)).ShouldBe([("boot/00000.png", 1, "boot/3.png"), ("boot/00001.png", 1, "boot/4.png"), ("boot/00002.png", 1, "boot/5.png")]);

        // What is recorded is enough to draw a picture again.
        var seed = (long)json["classes"]![1]!["noise_seed"]!;
        model.Conditioning = new ConditionOptions { MaskRate = 0.25 };
        model.Sample(3, Sampler.Ddim(2), seed, [1])[2].SequenceEqual(images[5]).ShouldBeTrue();
        seed.ShouldNotBe((long)json["classes"]![0]!["noise_seed"]!);
    }

    [Fact]
    public void Another_method_is_adapted_to_each_class_alone()
    {
        var recipe = Recipe("finetune");
        var json = recipe.Run(new TrainingRun()).Json;
        Directory.GetDirectories(_temporary["out/runs"]).Select(Path.GetFileName).Order().ShouldBe(["bag", "boot"]);
        json["classes"]!.AsArray().Select(c => ((int)c!["target_pictures"]!, (string)c["run"]!)).ShouldBe([(3, "runs/bag"), (4, "runs/boot")]);
        json["classes"]!.AsArray().Select(c => (string)c!["model_sha256"]!).Distinct().Count().ShouldBe(2);
        Files(json, 1).ShouldAllBe(f => f["condition"] == null);
        var images = Read();
        using var model = DiffusionModel.Load(_temporary["out/runs/boot"]);
        model.Sample(3, Sampler.Ddim(2), (long)json["classes"]![1]!["noise_seed"]!)[0].SequenceEqual(images[3]).ShouldBeTrue();

        // The boots' model is what adapting to the boots makes.
        using var source = DiffusionModel.Load(_temporary["source"]);
        var boots = ImageFolder.Open(_temporary["target/boot"], source.Shape);
        using var alone = recipe.CreateMethod().Adapt(source, boots);
        alone.Fingerprint().ShouldBe(model.Fingerprint());
    }

    [Theory]
    [InlineData("anl", 2)]
    [InlineData("finetune", 4)]
    public void A_stopped_one_goes_on_and_ends_the_same_and_what_is_finished_stays(string method, int stop)
    {
        var whole = Recipe(method) with { Out = _temporary["whole"] };
        var due = Drop(whole.Run(new TrainingRun()).Json);
        var broken = Recipe(method) with { Out = _temporary["broken"] };
        using var source = new CancellationTokenSource();
        var steps = 0;
        var run = new TrainingRun
        {
            CancellationToken = source.Token,
            Progress = new TinyRun.Told(_ =>
            {
                if (++steps == stop)
                    source.Cancel();
            }),
        };
        Should.Throw<TrainingStoppedException>(() => broken.Run(run)).Message.ShouldContain("the same command goes on");
        File.Exists(_temporary["broken/labels.csv"]).ShouldBeFalse();
        var half = JsonNode.Parse(File.ReadAllText(_temporary["broken/augmentation.json"]))!;
        ((bool)half["finished"]!).ShouldBeFalse();
        half["classes"]!.AsArray().Count.ShouldBe(method == "anl" ? 0 : 1); // the bags were finished
        var kept = method == "anl" ? default : File.GetLastWriteTimeUtc(_temporary["broken/pictures/bag/00000.png"]);

        JsonNode.DeepEquals(Drop(broken.Run(new TrainingRun()).Json), due).ShouldBeTrue();
        foreach (var file in Directory.GetFiles(_temporary["whole/pictures"], "*", SearchOption.AllDirectories))
            File.ReadAllBytes(file.Replace("whole", "broken", StringComparison.Ordinal)).ShouldBe(File.ReadAllBytes(file));
        if (method != "anl")
            File.GetLastWriteTimeUtc(_temporary["broken/pictures/bag/00000.png"]).ShouldBe(kept);

        // A lost picture is drawn again, the same.
        var lost = File.ReadAllBytes(_temporary["broken/pictures/boot/00001.png"]);
        File.Delete(_temporary["broken/pictures/boot/00001.png"]);
        broken.Run(new TrainingRun()).IsFinished.ShouldBeTrue();
        File.ReadAllBytes(_temporary["broken/pictures/boot/00001.png"]).ShouldBe(lost);

        static JsonNode Drop(JsonObject json)
        {
            json.Remove("graft");
            return json;
        }
    }

    [Fact]
    public void Another_augmentation_or_other_files_are_not_overwritten()
    {
        var recipe = Recipe("finetune");
        recipe.Run(new TrainingRun());
        var before = File.ReadAllBytes(_temporary["out/augmentation.json"]);
        Refused(recipe with { SampleSeed = 9 }).ShouldContain("holds another augmentation: its sample_seed is 4 and not 9");
        Refused(recipe with { SamplesPerClass = 2 }).ShouldContain("samples_per_class");
        Refused(recipe with { Method = "scratch" }).ShouldContain("its method is");
        Refused(recipe with { Training = new JsonObject { ["steps"] = 5 } }).ShouldContain("its training is");
        Refused(recipe with { Target = recipe.Target with { PerClass = 2 } }).ShouldContain("target_sha256");
        File.ReadAllBytes(_temporary["out/augmentation.json"]).ShouldBe(before);
        recipe.Run(new TrainingRun()).IsFinished.ShouldBeTrue();

        Refused(recipe with { Out = _temporary["source"] }).ShouldContain("and no augmentation.json");
        Refused(recipe with { Out = _temporary["source/model_index.json"] }).ShouldContain("is a file");
        File.WriteAllText(_temporary["out/augmentation.json"], """{"format": 1, "finished": "no"}""");
        Refused(recipe).ShouldContain("cannot be read");
    }

    [Fact]
    public void What_cannot_be_drawn_is_refused()
    {
        var recipe = Recipe("finetune");
        Refused(recipe with { Target = new DataOptions { Folder = _temporary["target"], Recursive = true } }).ShouldContain("has no label");
        Refused(recipe with { SamplesPerClass = 0 }).ShouldContain("samples_per_class must be at least 1");
        Refused(recipe with { Conditioning = new ConditionOptions() }).ShouldContain("conditioning is for condition pictures");
        Refused(recipe with { Sampler = "euler" }).ShouldContain("The sampler 'euler' is unknown");
        Refused(recipe with { Target = recipe.Target with { Folder = _temporary["nothing"] } }).ShouldContain("not there");
        TinyModel.Save(_temporary["classes"], TinyModel.Network with { NumClassEmbeds = 3 });
        Refused(recipe with { Source = _temporary["classes"] }).ShouldContain("takes classes itself");
        File.WriteAllText(_temporary["labels.csv"], "file_name,label\n" + string.Concat(Enumerable.Range(0, 7).Select(i => $"{(i < 3 ? "bag" : "boot")}/{i}.png,../{i % 2}\n")));
        Refused(recipe with { Target = new DataOptions { Folder = _temporary["target"], LabelsCsv = _temporary["labels.csv"] } }).ShouldContain("cannot name a folder");
        Directory.Exists(_temporary["out"]).ShouldBeFalse();
    }

    [Fact]
    public void Copies_are_counted_of_the_pictures_as_they_lie_there()
    {
        var drawn = Recipe("finetune").Run(new TrainingRun()).Json["copies"]!;
        var target = new DataOptions { Folder = _temporary["target"], Recursive = true }.Open(new ImageShape(1, 8, 8));
        var due = new MemorisationMeter(target).Measure(Read());
        ((double)drawn["memorised_share"]!, (double)drawn["median_distance_ratio"]!).ShouldBe((due.Memorised!.Value.Value, due.MedianRatio!.Value));

        foreach (var (copy, original) in new[] { ("bag/00000", "bag/2"), ("bag/00001", "bag/1"), ("bag/00002", "boot/4"), ("boot/00000", "boot/3"), ("boot/00001", "boot/6") })
            File.Copy(_temporary[$"target/{original}.png"], _temporary[$"out/pictures/{copy}.png"], overwrite: true);
        var copied = Recipe("finetune").Run(new TrainingRun()).Json["copies"]!;
        ((double)copied["memorised_share"]!).ShouldBe((5 + (due.Nearest[5].Distance < 0.5 * due.MedianLeaveOneOut ? 1 : 0)) / 6.0);
    }

    /// <summary>A classifier may be asked at once, or of pictures that are there already; what it says is its confusion of exactly these.</summary>
    [Fact]
    public void A_classifier_says_how_many_samples_it_takes_for_what_they_are_labelled_as()
    {
        var plain = Recipe("finetune").Run(new TrainingRun());
        plain.Json["judged"].ShouldBeNull();
        var later = (Recipe("finetune") with { Judge = _temporary["encoder"] }).Run(new TrainingRun());
        var judged = later.Json["judged"]!;
        using var classifier = ResNetClassifier.Load(_temporary["encoder"]);
        var due = ClassificationReport.Measure(classifier, new DataOptions { Folder = _temporary["out/pictures"], LabelsCsv = _temporary["out/labels.csv"] }.Open(new ImageShape(1, 8, 8)));
        ((double)judged["accuracy"]!).ShouldBe(due.Accuracy);
        judged["confusion"]!.AsArray().SelectMany(row => row!.AsArray().Select(n => (int)n!)).ShouldBe(due.Confusion.SelectMany(row => row));
        ((int)judged["count"]!).ShouldBe(6);
        ((string)judged["classifier_sha256"]!).ShouldBe(classifier.Fingerprint());

        // What cannot be judged is told before anything is adapted.
        TinyClassifier.Create(TinyClassifier.Options with { SampleSize = 16 }).Save(_temporary["larger"]);
        Refused(Recipe("finetune") with { Out = _temporary["other"], Judge = _temporary["larger"] }).ShouldContain("the classifier's");
        Refused(Recipe("finetune") with { Out = _temporary["other"], Judge = _temporary["none"] }).ShouldContain("There is no");
        Directory.Exists(_temporary["other"]).ShouldBeFalse();
    }

    [Fact]
    public void Numbered_classes_are_named_so_that_they_sort()
    {
        var numbered = new TinyPictures(3, labels: [10, 2, 10]);
        TargetClass.Of(numbered).Select(c => (c.Label, c.Name, string.Join(' ', c.Indices))).ShouldBe([(2, "02", "1"), (10, "10", "0 2")]);
        TargetClass.Hash(numbered).ShouldNotBe(TargetClass.Hash(new TinyPictures(3, labels: [10, 2, 2])));
        TargetClass.Hash(numbered).ShouldNotBe(TargetClass.Hash(new TinyPictures(3, seed: 2, labels: [10, 2, 10])));
        TargetClass.Hash(numbered).ShouldBe(TargetClass.Hash(new TinyPictures(3, labels: [10, 2, 10])));
    }

    private static JsonNode[] Files(JsonNode json, int index) => [.. json["classes"]![index]!["files"]!.AsArray().Select(f => f!)];

    private static string Refused(AugmentRecipe recipe) => Should.Throw<InputException>(() => recipe.Run(new TrainingRun())).Message;

    private ImageFolder Read() => ImageFolder.Open(_temporary["out/pictures"], new ImageShape(1, 8, 8), new ImageFolderOptions { LabelsFromFolders = true });

    private AugmentRecipe Recipe(string method) => new()
    {
        Source = _temporary["source"],
        Target = new DataOptions { Folder = _temporary["target"], LabelsFromFolders = true },
        Method = method,
        MethodOptions = method == "anl" ? new JsonObject { ["encoder"] = _temporary["encoder"], ["variant"] = "lean" } : [],
        Training = new JsonObject { ["steps"] = 3, ["batch_size"] = 2, ["seed"] = 2 },
        Out = _temporary["out"],
        Device = "cpu",
        SamplesPerClass = 3,
        SampleSteps = 2,
        SampleSeed = 4,
        Conditioning = method == "anl" ? new ConditionOptions { MaskRate = 0.25 } : null,
    };
}
