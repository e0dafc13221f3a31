using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Formats.Images;
using Graft.Tests.Training;
using Graft.Transfer;

namespace Graft.Tests.Transfer;

public class TransferMethodTests
{
    [Fact]
    public void The_source_stays_as_it_was()
    {
        using var source = TinyRun.Model();
        var before = TinyRun.Weights(source);
        foreach (var (name, _) in TransferMethods.All)
        {
            JsonObject few = name switch
            {
                Guided.MethodName => new JsonObject { ["classifier_steps"] = 3, ["source_count"] = 12, ["source_sample_steps"] = 2, ["hidden_channels"] = 8 },
                ConditionTuning.MethodName => new JsonObject { ["encoder"] = Path.Combine(SharedFiles.Repository, "models", "graft-clip") },
                _ => [],
            };
            using var adapted = (TransferMethods.Create(name, few) with { Training = TinyRun.Options(3) with { BatchSize = 6 } }).Adapt(source, new TinyPictures());
            adapted.Fingerprint().ShouldNotBe(source.Fingerprint(), name);
            TinyRun.ShouldEqual(TinyRun.Weights(source), before);
        }
    }

    [Fact]
    public void Frozen_parameters_stay_bit_for_bit()
    {
        using var source = TinyRun.Model();
        using var adapted = new Finetune { Training = TinyRun.Options(3), Trainable = ["up_blocks.*", "conv_out.b?as"] }.Adapt(source, new TinyPictures());
        var (before, after) = (TinyRun.Weights(source), TinyRun.Weights(adapted));
        foreach (var name in before.Keys)
        {
            var trained = name.StartsWith("up_blocks.", StringComparison.Ordinal) || name == "conv_out.bias";
            after[name].AsSpan().SequenceEqual(before[name]).ShouldBe(!trained, name);
        }
    }

    [Theory]
    [InlineData("upblocks.*")]
    [InlineData("")]
    [InlineData("UP_BLOCKS.*")]
    public void A_pattern_that_matches_nothing_is_refused(string pattern)
    {
        using var source = TinyRun.Model();
        var method = new Finetune { Training = TinyRun.Options(3), Trainable = ["up_blocks.*", pattern] };
        Should.Throw<InputException>(() => method.Adapt(source, new TinyPictures())).Message.ShouldContain($"The pattern '{pattern}' of the option trainable matches no parameter");
    }

    [Fact]
    public void No_patterns_at_all_are_refused()
    {
        using var source = TinyRun.Model();
        Should.Throw<InputException>(() => new Finetune { Trainable = [] }.Adapt(source, new TinyPictures())).Message.ShouldContain("trainable");
    }

    [Fact]
    public void Scratch_starts_from_its_seed_and_not_from_the_source()
    {
        using var source = TinyRun.Model(seed: 3);
        using var one = new Scratch { Seed = 1 }.Prepare(source, new TinyPictures()).Model;
        using var again = new Scratch { Seed = 1 }.Prepare(source, new TinyPictures()).Model;
        using var two = new Scratch { Seed = 2 }.Prepare(source, new TinyPictures()).Model;
        TinyRun.ShouldEqual(TinyRun.Weights(again), TinyRun.Weights(one));
        TinyRun.Weights(two)["conv_in.weight"].ShouldNotBe(TinyRun.Weights(one)["conv_in.weight"]);
        TinyRun.Weights(one)["conv_in.weight"].ShouldNotBe(TinyRun.Weights(source)["conv_in.weight"]);
    }

    [Fact]
    public void Pictures_of_another_shape_are_refused()
    {
        using var temporary = new TemporaryFolder();
        ImageCodec.SavePng(temporary["a.png"], new TinyPictures().ToPicture(0));
        using var source = TinyRun.Model();
        var target = ImageFolder.Open(temporary.Path, new ImageShape(3, 8, 8));
        Should.Throw<InputException>(() => new Finetune().Adapt(source, target)).Message.ShouldContain("3 x 8 x 8");
    }

    [Fact]
    public void A_class_conditional_model_learns_from_one_folder_a_class()
    {
        using var temporary = new TemporaryFolder();
        var pictures = new TinyPictures();
        for (var i = 0; i < 6; i++)
        {
            Directory.CreateDirectory(temporary[$"class-{i % 2}"]);
            ImageCodec.SavePng(temporary[$"class-{i % 2}/{i}.png"], pictures.ToPicture(i));
        }

        using var source = TinyRun.Model(classes: 3);
        var target = ImageFolder.Open(temporary.Path, source.Shape, new ImageFolderOptions { LabelsFromFolders = true });
        using var adapted = new Finetune { Training = TinyRun.Options(4) with { WeightDecay = 0 } }.Adapt(source, target);
        var (before, after) = (TinyRun.Floats(TinyRun.Weights(source)["class_embedding.weight"]), TinyRun.Floats(TinyRun.Weights(adapted)["class_embedding.weight"]));
        after[..32].ShouldNotBe(before[..32]);
        after[32..64].ShouldNotBe(before[32..64]);
        after[64..].ShouldBe(before[64..]); // no picture is of the third class

        var unlabelled = ImageFolder.Open(temporary.Path, source.Shape, new ImageFolderOptions { Recursive = true });
        Should.Throw<InputException>(() => new Finetune().Adapt(source, unlabelled)).Message.ShouldContain("labels_from_folders");
    }

    [Fact]
    public void More_classes_than_the_model_has_are_refused()
    {
        using var source = TinyRun.Model(classes: 2);
        var target = new TinyPictures(labels: [0, 1, 2, 0, 1, 2]);
        Should.Throw<InputException>(() => new Finetune().Adapt(source, target)).Message.ShouldContain("of class 2 and the model has 2 classes");
    }

    [Fact]
    public void Unknown_methods_and_options_are_refused()
    {
        Should.Throw<InputException>(() => TransferMethods.Create("finetuned")).Message.ShouldContain("are known");
        Should.Throw<InputException>(() => TransferMethods.Create("finetune", new JsonObject { ["trainables"] = new JsonArray() })).Message.ShouldContain("trainables");
        Should.Throw<InputException>(() => TransferMethods.Create("finetune", new JsonObject { ["trainable"] = null })).Message.ShouldContain("trainable");
        Should.Throw<InputException>(() => TransferMethods.Create("finetune", new JsonObject { ["trainable"] = "up_blocks.*" })).Message.ShouldContain("trainable");
    }
}
