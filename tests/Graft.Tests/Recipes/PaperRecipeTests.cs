using System.Text.Json.Nodes;
using Graft.Comparison;
using Graft.Formats;
using Graft.Formats.GuidedDiffusion;
using Graft.Formats.Images;
using Graft.Networks;
using Graft.Recipes;
using Graft.Tests.Formats.LatentDiffusion;
using Graft.Tests.Formats.Images;
using Graft.Training;

namespace Graft.Tests.Recipes;

/// <summary>The recipes of the papers' tasks, in their smallest size: one step of pretraining, one of every method, on made-up pictures.</summary>
public sealed class PaperRecipeTests : IDisposable
{
    private const string Flags =
        "--attention_resolutions 32,16,8 --class_cond False --diffusion_steps 1000 --dropout 0.1 --learn_sigma True --noise_schedule linear --num_res_blocks 2 --resblock_updown True --use_scale_shift_norm True";

    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData("ffhq-256", "ffhq-few-shot", 2 * 4)]
    [InlineData("lsun-church-256", "church-few-shot", 2 * 4)]
    [InlineData("cifar-cat", "cifar-cat-to-dog", 4)]
    public void A_source_is_trained_and_every_method_adapts_it(string pretrain, string compare, int cells)
    {
        var source = PretrainRecipes.Bind(Read(pretrain)).ShouldBeOfType<PretrainRecipe>();
        ((IPretrainRecipe)source).Train(new TrainingRun());
        LogOf(source.Out)["step"]!.GetValue<long>().ShouldBe(1);

        var json = Read(compare);
        foreach (var target in json["targets"]!.AsObject().Select(t => t.Key).Where(t => t is not ("babies" or "sketches") && compare == "ffhq-few-shot").ToList())
            json["targets"]!.AsObject().Remove(target); // one with a full set and one without are enough
        var recipe = Recipe.Bind<CompareRecipe>(json, "recipe");
        recipe.Source.ShouldBe(source.Out);
        using (var run = new ComparisonRun(recipe, new TrainingRun()))
            run.Run();
        var table = new ComparisonTable(recipe);
        table.Progress.ShouldBe((cells, cells));
        foreach (var target in recipe.Targets.Keys)
        {
            var log = LogOf(Path.Combine(recipe.Trainings, "cells", target, "ddpm-pa", "seed-1", "run"));
            log.ContainsKey("image").ShouldBeTrue();
            log.ContainsKey("vlb").ShouldBe(pretrain != "cifar-cat"); // a learned variance
        }
    }

    [Theory]
    [InlineData("ffhq-256")]
    [InlineData("lsun-church-256")]
    public void Networks_are_what_the_authors_flags_say(string recipe)
    {
        var small = PretrainRecipes.Bind(Read(recipe)).ShouldBeOfType<PretrainRecipe>();
        var (network, schedule) = small.Resolve();
        using (var model = DiffusionModel.Create(network, schedule, seed: 1))
            model.Save(_temporary["model"]);
        ModelConversion.Plan(_temporary["model"], _temporary["bare.safetensors"], new ConversionOptions { Names = WeightNames.GuidedDiffusion }).Run();
        // FlagCheck holds every flag against the shapes; what shapes do not show is compared here.
        var flags = GuidedDiffusionFlags.Parse($"{Flags} --image_size 64 --num_channels 32 --channel_mult 1,1,1,1,2,2 --num_head_channels 32 --attention_resolutions 8,4,2");
        using var again = DiffusionModel.LoadGuidedDiffusion(_temporary["bare.safetensors"], flags);
        again.Network.Options.ToJson().ToJsonString().ShouldBe(network.ToJson().ToJsonString());
        again.Schedule.Options.VarianceType.ShouldBe(schedule.VarianceType);
        again.Schedule.Options.BetaSchedule.ShouldBe(schedule.BetaSchedule);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // the methods that are meant, on a small model of the same build in place of cin256-v2
    public void Condition_tuning_makes_a_step_of_every_method(bool latent)
    {
        var json = Read("anl-celeba-flowers-cars");
        json["source"] = Path.Combine(SharedFiles.Repository, "models", "fashion-28");
        var encoder = Path.Combine(SharedFiles.Repository, "models", "graft-clip");
        if (latent)
        {
            using (var model = DiffusionModel.LoadLatentDiffusion(new LatentFixture("class").Write(_temporary["cin.safetensors"]), new LatentFixture("class").Options))
                model.Save(_temporary["cin"]);
            encoder = _temporary["encoder"];
            using (var network = ResNetClassifier.Create(new ResNetClassifierOptions { InChannels = 3, SampleSize = 32, BlockOutChannels = [16], BlockStrides = [2] }, 1))
                network.Save(encoder); // its vectors are as wide as the model's context
            json["source"] = _temporary["cin"];
            var published = Recipe.Read(Of("anl-celeba-flowers-cars"));
            Move(published);
            json["targets"]!["celeba"]!["training"] = published["targets"]!["celeba"]!["training"]!.DeepClone();
            json["methods"] = published["methods"]!.DeepClone();
            Directory.Move(_temporary["data/celeba"], _temporary["data/all"]);
            Directory.CreateDirectory(_temporary["data/celeba"]);
            Directory.Move(_temporary["data/all"], _temporary["data/celeba/all"]);
        }

        foreach (var method in (string[])["anl", "anl-existing"])
            json["methods"]![method]!["method_options"]!["encoder"] = encoder;
        var recipe = Recipe.Bind<CompareRecipe>(json, "recipe");
        using (var run = new ComparisonRun(recipe, new TrainingRun()))
            run.Run();
        new ComparisonTable(recipe).Progress.ShouldBe((9, 9)); // the source and eight methods
    }

    [Theory]
    [InlineData("anl-celeba-flowers-cars")]
    [InlineData("ffhq-256")]
    [InlineData("ffhq-few-shot")]
    [InlineData("church-few-shot")]
    [InlineData("cifar-cat")]
    [InlineData("cifar-cat-to-dog")]
    public void They_say_that_they_were_never_run_and_where_data_come_from(string recipe)
    {
        var about = (string)Recipe.Read(Of(recipe))["about"]!;
        about.ShouldContain("NEVER RUN IN FULL");
        about.ShouldContain("extrapolation");
        about.ShouldContain("small");
        (about.Contains("Data:", StringComparison.Ordinal) || about.Contains("its data", StringComparison.Ordinal)).ShouldBeTrue();
    }

    [Fact]
    public void Missing_pictures_are_told_before_anything_is_made()
    {
        var pretrain = PretrainRecipes.Bind(Read("ffhq-256"));
        Directory.Delete(_temporary["data"], recursive: true);
        Should.Throw<InputException>(() => pretrain.Train(new TrainingRun())).Message.ShouldContain("says where they come from");
        Directory.Exists(pretrain.Out).ShouldBeFalse();
        var compare = Recipe.Bind<CompareRecipe>(Read("ffhq-few-shot"), "recipe");
        Directory.Delete(_temporary["data/few-shot/babies-full"], recursive: true);
        Should.Throw<InputException>(() => new ComparisonRun(compare, new TrainingRun())).Message.ShouldContain("--set targets.babies.reference.folder=PLACE");
    }

    private static string Of(string recipe) => Path.Combine(SharedFiles.Repository, "recipes", "paper", $"{recipe}.yaml");

    private static JsonObject LogOf(string folder) => JsonNode.Parse(File.ReadLines(Path.Combine(folder, "log.jsonl")).Last())!.AsObject();

    /// <summary>A recipe in its smallest size, with what it reads and writes under the temporary folder; the pictures it names are made.</summary>
    private JsonObject Read(string recipe)
    {
        var json = Recipe.Read(Of(recipe));
        Recipe.ApplySize(json, "ci");
        json["device"] = "cpu";
        Move(json);
        return json;
    }

    private void Move(JsonNode? node)
    {
        switch (node)
        {
            case JsonObject json:
                foreach (var (key, value) in json.ToList())
                {
                    if (value is JsonValue text && text.TryGetValue<string>(out var path) && (path.StartsWith("data/", StringComparison.Ordinal) || path.StartsWith("runs/", StringComparison.Ordinal)))
                    {
                        json[key] = _temporary[path];
                        if (key == "folder")
                            Draw(_temporary[path]);
                    }
                    else if (key == "features")
                    {
                        json[key] = new JsonArray();
                    }
                    else
                    {
                        Move(value);
                    }
                }

                break;
            case JsonArray list:
                foreach (var item in list)
                    Move(item);
                break;
            default:
                break;
        }
    }

    private static void Draw(string folder)
    {
        Directory.CreateDirectory(folder);
        for (var i = 0; i < 12; i++)
            ImageCodec.SavePng(Path.Combine(folder, $"{i:D2}.png"), PictureFixtures.Noise(70, 66, 3, (ulong)(i + folder.Length)));
    }
}
