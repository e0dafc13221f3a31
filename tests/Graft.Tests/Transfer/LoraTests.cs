using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Sampling;
using Graft.Tests.Training;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Tests.Transfer;

public class LoraTests
{
    [Fact]
    public void It_starts_as_the_source_and_leaves_its_weights_alone()
    {
        using var source = TinyRun.Model();
        using var start = new Lora { Seed = 2 }.Prepare(source, new TinyPictures()).Model;
        Picture(start).ShouldBe(Picture(source));

        using var adapted = new Lora { Training = TinyRun.Options(4) }.Adapt(source, new TinyPictures());
        TinyRun.ShouldEqual(TinyRun.Weights(adapted), TinyRun.Weights(source));
        Picture(adapted).ShouldNotBe(Picture(source));
    }

    [Fact]
    public void Its_folder_has_PEFTs_names_and_opens_as_the_model()
    {
        using var temporary = new TemporaryFolder();
        using var source = DiffusionModel.Load(TinyModel.Save(temporary["source"]));
        using var adapted = new Lora { Rank = 2, Alpha = 6, Targets = ["to_q", "*.conv2"], Training = TinyRun.Options(4) }.Adapt(source, new TinyPictures());
        adapted.Save(temporary["lora"]);

        var json = JsonNode.Parse(File.ReadAllText(temporary["lora/adapter_config.json"]))!;
        ((string?)json["peft_type"]).ShouldBe("LORA");
        ((int)json["r"]!).ShouldBe(2);
        ((double)json["lora_alpha"]!).ShouldBe(6);
        json["target_modules"]!.AsArray().Select(n => (string)n!).ShouldContain("mid_block.attentions.0.to_q");
        using (var file = WeightFile.Open(temporary["lora/adapter_model.safetensors"]))
        {
            file.Describe("base_model.model.mid_block.attentions.0.to_q.lora_A.weight").Shape.ShouldBe([2, 16]);
            file.Describe("base_model.model.mid_block.attentions.0.to_q.lora_B.weight").Shape.ShouldBe([16, 2]);
            file.Describe("base_model.model.down_blocks.0.resnets.0.conv2.lora_A.weight").Shape.ShouldBe([2, 8, 3, 3]);
            file.Describe("base_model.model.down_blocks.0.resnets.0.conv2.lora_B.weight").Shape.ShouldBe([8, 2, 1, 1]);
        }

        using var opened = DiffusionModel.Load(temporary["lora"]);
        Picture(opened).ShouldBe(Picture(adapted));
        opened.Fingerprint().ShouldBe(adapted.Fingerprint());
    }

    [Fact]
    public void Worked_into_the_weights_it_computes_the_same()
    {
        using var source = TinyRun.Model();
        using var adapted = new Lora { Rank = 3, Alpha = 2, Training = TinyRun.Options(6) with { LearningRate = 0.02 } }.Adapt(source, new TinyPictures());
        using var merged = adapted.Clone();
        merged.Attachment.ShouldBeNull();
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            var x = new KeyedRandom(4, "x").Normal(0, [0, 1], [1, 8, 8]);
            var t = Tensor.From([3L, 40L], 2);
            var (a, b, before) = (adapted.Denoiser.Predict(x, t), merged.Denoiser.Predict(x, t), source.Denoiser.Predict(x, t));
            (a - b).Abs().Max().Item().ShouldBeLessThan(2e-5);
            (a - before).Abs().Max().Item().ShouldBeGreaterThan(1e-3);
        });
    }

    [Fact]
    public void A_stopped_run_goes_on_bit_for_bit()
    {
        using var temporary = new TemporaryFolder();
        using var source = DiffusionModel.Load(TinyModel.Save(temporary["source"]));
        var (pictures, method) = (new TinyPictures(), new Lora { Training = TinyRun.Options(6) });
        using var whole = method.Adapt(source, pictures, new TrainingRun { Folder = temporary["whole"] });
        Should.Throw<TrainingStoppedException>(() => method.Adapt(source, pictures, TinyRun.StopAfter(temporary["parts"], 3)));
        using var parts = method.Adapt(source, pictures, new TrainingRun { Folder = temporary["parts"], Resume = true });
        parts.Fingerprint().ShouldBe(whole.Fingerprint());
        using var checkpoint = DiffusionModel.Load(TinyRun.Checkpoint(temporary["parts"], 6));
        checkpoint.Fingerprint().ShouldBe(whole.Fingerprint());
    }

    [Fact]
    public void Another_source_is_refused_by_its_hash()
    {
        using var temporary = new TemporaryFolder();
        using (var source = DiffusionModel.Load(TinyModel.Save(temporary["source"])))
        {
            using var adapted = new Lora { Training = TinyRun.Options(1) }.Adapt(source, new TinyPictures());
            adapted.Save(temporary["lora"]);
        }

        using (var other = TinyModel.Create(seed: 7))
            other.Save(temporary["other"]);
        Should.Throw<InputException>(() => DiffusionModel.Load(temporary["lora"], source: temporary["other"])).Message.ShouldContain("SHA-256");
        Directory.Move(temporary["source"], temporary["moved"]);
        Should.Throw<InputException>(() => DiffusionModel.Load(temporary["lora"])).Message.ShouldContain("--source");
        using var found = DiffusionModel.Load(temporary["lora"], source: temporary["moved"]);
        found.Attachment.ShouldNotBeNull();
    }

    [Fact]
    public void Fewer_parameters_are_trained_than_the_source_has()
    {
        using var source = TinyRun.Model();
        var (model, stages) = new Lora { Rank = 1, Targets = ["to_v"] }.Prepare(source, new TinyPictures());
        using (model)
        {
            // One attention in the middle, one on the way down, two on the way up: 16 to 16 each, A and B of rank 1.
            stages[0].Trainable.Sum(p => p.Value.Count).ShouldBe(4 * 2 * 16);
        }
    }

    [Theory]
    [InlineData("""{"rank": 0}""", "rank")]
    [InlineData("""{"alpha": -1}""", "alpha")]
    [InlineData("""{"targets": ["to_k", "to_nothing"]}""", "to_nothing")]
    [InlineData("""{"targets": []}""", "targets")]
    public void Options_out_of_range_are_refused(string options, string says)
    {
        using var source = TinyRun.Model();
        var method = TransferMethods.Create("lora", JsonNode.Parse(options)!.AsObject());
        Should.Throw<InputException>(() => method.Adapt(source, new TinyPictures())).Message.ShouldContain(says);
    }

    [Theory]
    [InlineData("{}", "peft_type")]
    [InlineData("""{"peft_type": "IA3", "base_model_name_or_path": "SOURCE"}""", "IA3")]
    [InlineData("""{"peft_type": "LORA", "base_model_name_or_path": "SOURCE"}""", "target_modules")]
    [InlineData("""{"peft_type": "LORA", "base_model_name_or_path": "SOURCE", "r": 1, "lora_alpha": 1, "target_modules": ["to_q"]}""", "adapter_model.safetensors")]
    [InlineData("""{"peft_type": "LORA"}""", "--source")]
    public void Broken_folders_are_refused(string configuration, string says)
    {
        using var temporary = new TemporaryFolder();
        var source = TinyModel.Save(temporary["source"]);
        Directory.CreateDirectory(temporary["lora"]);
        File.WriteAllText(temporary["lora/adapter_config.json"], configuration.Replace("SOURCE", source.Replace("\\", "\\\\")));
        Should.Throw<InputException>(() => DiffusionModel.Load(temporary["lora"])).Message.ShouldContain(says);
    }

    private static byte[] Picture(DiffusionModel model) => model.Sample(1, Sampler.Ddim(4), seed: 1)[0].ToArray();
}
