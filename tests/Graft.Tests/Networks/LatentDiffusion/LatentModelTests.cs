using Graft.Conditions;
using Graft.Data;
using Graft.Diffusion;
using Graft.Formats;
using Graft.Formats.GuidedDiffusion;
using Graft.Formats.LatentDiffusion;
using Graft.Inspection;
using Graft.Networks;
using Graft.Sampling;
using Graft.Tests.Formats.LatentDiffusion;
using Graft.Tests.Parity;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Tests.Networks.LatentDiffusion;

/// <summary>A latent model as a user has it: opened, drawn from, saved, adapted.</summary>
public sealed class LatentModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly LatentFixture _fixture = new("class");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Pictures_are_the_decoded_latents_whatever_the_batch()
    {
        using var model = Load();
        model.ItemShape.ShouldBe(new ItemShape(3, 8, 8));
        model.Shape.ShouldBe(new ImageShape(3, 32, 32));
        model.Classes.ShouldBe(5);
        var pictures = model.Sample(3, Sampler.Ddim(2), seed: 4, labels: [1, 2, 3]);
        pictures.Shape.ShouldBe(new ImageShape(3, 32, 32));
        var latents = model.SampleValues(3, Sampler.Ddim(2), seed: 4, labels: [1, 2, 3]);
        latents.ItemShape.ShouldBe(new ItemShape(3, 8, 8));
        var decoded = TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            return ((model.Decode(Tensor.From(latents.Values, 3, 3, 8, 8)) * 127.5) + 127.5).Clamp(0, 255).Round().To(DType.UInt8).ToBytes();
        });
        for (var i = 0; i < 3; i++)
            pictures[i].ToArray().ShouldBe(decoded[(i * 3072)..((i + 1) * 3072)]);
        model.Sample(1, Sampler.Ddim(2), seed: 4, labels: [1])[0].ToArray().ShouldBe(pictures[0].ToArray());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Its_own_transformers_can_be_tuned_on_condition_pictures(bool restart)
    {
        using (var loaded = Load())
            loaded.Save(_folder["source"]);
        using var source = DiffusionModel.Load(_folder["source"]);
        var pictures = source.Sample(4, Sampler.Ddim(2), seed: 1, labels: [1]);
        using var encoder = new FirstPixels(16);
        var method = new ConditionTuning { Variant = AnlVariant.Existing, Restart = restart, ConditionEncoder = encoder, Training = new TrainingOptions { Steps = 2, BatchSize = 2, LearningRate = 0.01 } };
        var fingerprint = source.Fingerprint();
        using var adapted = method.Adapt(source, pictures);
        source.Fingerprint().ShouldBe(fingerprint);
        var own = adapted.Attachment!.Parameters().ToDictionary(p => p.Name, p => p.Value);
        var theirs = source.Network.Parameters().Where(p => p.Name.Contains(".transformer_blocks.", StringComparison.Ordinal)).Select(p => p.Name).ToList();
        theirs.ShouldNotBeEmpty();
        own.Keys.ShouldBeSubsetOf(source.Network.Parameters().Select(p => p.Name));
        theirs.ShouldBeSubsetOf(own.Keys);

        adapted.Save(_folder["tuned"]);
        using var opened = DiffusionModel.Load(_folder["tuned"]);
        opened.Sample(3, Sampler.Ddim(2), seed: 2)[2].ToArray().ShouldBe(adapted.Sample(3, Sampler.Ddim(2), seed: 2)[2].ToArray());
        opened.Sample(3, Sampler.Ddim(2), seed: 2).Label(0).ShouldBe(1); // the condition pictures', not the source's classes in turn

        // Untrained copies are the source, given the same context.
        using var start = method.Prepare(source, pictures).Model;
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            var x = Tensor.Arange(0, 192).Sin().Reshape(1, 3, 8, 8);
            var context = new Condition { Embedding = Tensor.Arange(0, 16).Reshape(1, 16) };
            var same = start.Denoiser.Predict(x, Tensor.From([3L], 1), context).ToBytes().AsSpan().SequenceEqual(source.Denoiser.Predict(x, Tensor.From([3L], 1), context).ToBytes());
            same.ShouldBe(!restart);
        });

        using var narrow = new FirstPixels(12);
        Should.Throw<InputException>(() => (method with { ConditionEncoder = narrow }).Prepare(source, pictures)).Message.ShouldContain("length 16");
    }

    [Fact]
    public void Modules_can_be_inserted_besides()
    {
        using var source = Load();
        using var encoder = new FirstPixels(12);
        var pictures = source.Sample(4, Sampler.Ddim(2), seed: 1, labels: [1, 2]);
        using var start = new ConditionTuning { Variant = AnlVariant.Lean, ConditionEncoder = encoder }.Prepare(source, pictures).Model;
        start.Sample(2, Sampler.Ddim(2), seed: 3, labels: [1, 2])[1].ToArray().ShouldBe(source.Sample(2, Sampler.Ddim(2), seed: 3, labels: [1, 2])[1].ToArray());
    }

    [Fact]
    public void A_saved_folder_is_the_same_model_and_no_diffusers_pipeline()
    {
        using var model = Load();
        model.Save(_folder["saved"]);
        using var again = DiffusionModel.Load(_folder["saved"]);
        again.Shape.ShouldBe(model.Shape);
        again.Schedule.Options.ToJson().ToJsonString().ShouldBe(model.Schedule.Options.ToJson().ToJsonString());
        again.Fingerprint().ShouldBe(model.Fingerprint());
        Bytes(again).ShouldBe(Bytes(model));
        File.ReadAllText(Path.Combine(_folder["saved"], "model_index.json")).ShouldNotContain("DDPMPipeline");

        var inspection = ModelInspection.Of(_folder["saved"]);
        inspection.PictureShape.ShouldBe([3, 32, 32]);
        inspection.Architecture!.ContextWidth.ShouldBe(16);
        inspection.Notes.ShouldContain(n => n.Contains("latents of 3 x 8 x 8", StringComparison.Ordinal));
        inspection.Warnings.ShouldBeEmpty();

        Directory.Delete(Path.Combine(_folder["saved"], "first_stage"), recursive: true);
        Should.Throw<InputException>(() => DiffusionModel.Load(_folder["saved"])).Message.ShouldContain("copy the folder first_stage too");
    }

    [Fact]
    public void A_copy_has_an_autoencoder_of_its_own()
    {
        using var model = Load();
        byte[] before;
        using (var copy = model.Clone())
        {
            before = Bytes(copy);
            TorchRuntime.Run(() => copy.FirstStage!.Parameters().First().Value.Fill(0));
        }

        Bytes(model).ShouldBe(before);
    }

    [Fact]
    public void Training_sees_the_encoded_pictures_once_and_changes_the_network_only()
    {
        using var model = Load();
        var pictures = model.Sample(4, Sampler.Ddim(1), seed: 9, labels: [0, 1, 2, 3]);
        var latents = model.Encode(pictures);
        latents.ItemShape.ShouldBe(model.ItemShape);
        latents.Label(2).ShouldBe(2);
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            var (picture, due) = (new float[3072], new float[192]);
            ((ISampleSource)pictures).Read(3, picture);
            latents.Read(3, due);
            model.FirstStage!.Encode(Tensor.From(picture, 1, 3, 32, 32)).ShouldMatch(Tensor.From(due, 1, 3, 8, 8), LatentFixture.Tolerance, "latent");
        });

        var method = new Finetune { Steps = 2, Seed = 1 };
        using var adapted = (method with { Training = method.Training with { BatchSize = 2, LearningRate = 1e-3 } }).Adapt(model, pictures);
        adapted.Fingerprint().ShouldNotBe(model.Fingerprint());
        foreach (var (mine, theirs) in adapted.FirstStage!.Parameters().Zip(model.FirstStage!.Parameters()))
            TorchRuntime.Run(() => mine.Value.ToArray<float>().ShouldBe(theirs.Value.ToArray<float>()));

        var small = ((ISampleSource)pictures).Subset([0]).Pictures("");
        Should.Throw<InputException>(() => model.Encode(new ResizedImages(small, 16, 16, Graft.Formats.Images.ResizeFilter.Box))).Message.ShouldContain("they must be the same");
        Should.Throw<InputException>(() => (method with { Training = method.Training with { Flip = true } }).Adapt(model, pictures)).Message.ShouldContain("flip");
    }

    [Fact]
    public void Averaged_weights_are_taken_where_there_are_any()
    {
        const string Name = "model.diffusion_model.input_blocks.1.0.in_layers.2.bias";
        var path = _fixture.Write(_folder["ema.safetensors"], tensors =>
        {
            foreach (var tensor in tensors.Where(t => t.Name.StartsWith("model.diffusion_model.", StringComparison.Ordinal)).ToList())
            {
                var own = tensor.Name == Name ? LatentFixture.Floats("", new float[tensor.Shape[0]]) : tensor;
                tensors.Add(new TensorData("model_ema.diffusion_model" + tensor.Name["model.diffusion_model.".Length..].Replace(".", "", StringComparison.Ordinal), own.Type, tensor.Shape, own.Write));
            }

            tensors.Add(LatentFixture.Floats("model_ema.decay", 0.9999f));
        });
        using var averaged = DiffusionModel.LoadLatentDiffusion(path, _fixture.Options);
        using var raw = DiffusionModel.LoadLatentDiffusion(path, _fixture.Options with { Ema = false });
        using var plain = Load();
        TorchRuntime.Run(() =>
        {
            Bias(averaged).ShouldAllBe(v => v == 0);
            Bias(raw).ShouldBe(Bias(plain));
            Bias(raw).ShouldNotContain(0);
        });
        Should.Throw<InputException>(() => DiffusionModel.LoadLatentDiffusion(_folder["model.safetensors"], _fixture.Options with { Ema = true })).Message.ShouldContain("no averaged weights");

        static float[] Bias(DiffusionModel model) => model.Network.Parameters().Single(p => p.Name == "down_blocks.0.resnets.0.conv1.bias").Value.ToArray<float>();
    }

    /// <summary>As celeba256 and ffhq256: openai's attention, whose layers are joined there.</summary>
    [Fact]
    public void A_model_without_a_context_is_read_too() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var options = new UNet2DOptions
        {
            SampleSize = System.Text.Json.Nodes.JsonValue.Create(8), BlockOutChannels = [32, 64], DownBlockTypes = ["DownBlock2D", "AttnDownBlock2D"], UpBlockTypes = ["AttnUpBlock2D", "UpBlock2D"],
            LayersPerBlock = 1, AttentionHeadDim = 16,
        };
        using var network = new UNet2D(options, middleAttentionNorm: true);
        network.Initialise(3);
        var own = GuidedDiffusionNames.Of(options).Named(network, AttentionOrder.Legacy).ToList();
        var path = _fixture.Write(_folder["plain.safetensors"], tensors =>
        {
            tensors.RemoveAll(t => !t.Name.StartsWith("first_stage_model.", StringComparison.Ordinal));
            tensors.AddRange(own.Select(t => new TensorData("model.diffusion_model." + t.Name, DType.Float32, t.Value.Shape.ToArray(), t.Value.Contiguous().ToBytes())));
        });
        Should.Throw<InputException>(() => DiffusionModel.LoadLatentDiffusion(path)).Message.ShouldContain("how many heads");
        using var model = DiffusionModel.LoadLatentDiffusion(path, new LatentDiffusionOptions { ImageSize = 8, NumHeadChannels = 16 });
        model.Network.Options.IsClassConditional.ShouldBeFalse();
        model.Network.Parameters().Select(p => p.Name).ShouldBe(network.Parameters().Select(p => p.Name));
        foreach (var (mine, due) in model.Network.Parameters().Zip(network.Parameters()))
            mine.Value.ToArray<float>().ShouldBe(due.Value.ToArray<float>(), mine.Name);
        model.Shape.ShouldBe(new ImageShape(3, 32, 32));
        model.Sample(1, Sampler.Ddim(1), seed: 1).Shape.ShouldBe(model.Shape);
    });

    [Fact]
    public void The_schedule_is_the_files_own()
    {
        float[] Root(double start, double end, int count) => [.. Enumerable.Range(0, count).Select(i =>
        {
            var root = Math.Sqrt(start) + (i * (Math.Sqrt(end) - Math.Sqrt(start)) / (count - 1));
            return (float)(root * root);
        })];
        ScheduleOptions Of(float[] betas, LatentDiffusionOptions? options = null)
        {
            using var file = LatentDiffusionFile.Open(_fixture.Write(_folder["betas.safetensors"], t => t.Add(LatentFixture.Floats("betas", betas))));
            return file.Schedule(file.Describe(options ?? _fixture.Options));
        }

        var other = Of(Root(0.0015, 0.0155, 500));
        (other.NumTrainTimesteps, other.BetaStart, other.BetaEnd, other.BetaSchedule, other.TrainedBetas.HasValue).ShouldBe((500, 0.0015, 0.0155, BetaSchedule.ScaledLinear, false));
        var odd = Of([0.1f, 0.2f, 0.15f]);
        odd.TrainedBetas!.Value.ShouldBe([(double)0.1f, 0.2f, 0.15f]);
        Should.Throw<InputException>(() => Of(Root(0.0015, 0.0195, 10), _fixture.Options with { LinearEnd = 0.012 })).Message.ShouldContain("do not give the betas");
        Should.Throw<InputException>(() => Of(Root(0.0015, 0.0195, 10), _fixture.Options with { Timesteps = 1000 })).Message.ShouldContain("holds 10 betas");
    }

    [Fact]
    public void What_cannot_be_is_said()
    {
        var alone = _fixture.Write(_folder["alone.safetensors"], t => t.RemoveAll(x => x.Name.StartsWith("first_stage_model.", StringComparison.Ordinal)));
        Should.Throw<InputException>(() => DiffusionModel.LoadLatentDiffusion(alone, _fixture.Options)).Message.ShouldContain("holds no autoencoder");
        using (var model = DiffusionModel.LoadLatentDiffusion(alone, _fixture.Options, firstStage: _fixture.Write(_folder["whole.safetensors"])))
            model.Shape.ShouldBe(new ImageShape(3, 32, 32));
        Should.Throw<InputException>(() => DiffusionModel.LoadLatentDiffusion(alone, _fixture.Options, firstStage: new LatentFixture("tokens").Write(_folder["other.safetensors"])))
            .Message.ShouldContain("they do not belong together");

        using var network = Load();
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            var (x, t) = (Tensor.Zeros([2, 3, 8, 8]), Tensor.From([1L, 2L], 2));
            Should.Throw<InputException>(() => network.Network.Predict(x, t)).Message.ShouldContain("give class labels");
            Should.Throw<InputException>(() => network.Network.Predict(x, t, new Condition { Embedding = Tensor.Zeros([2, 8]) })).Message.ShouldContain("[2, 16]");
            Should.Throw<InputException>(() => network.Network.Predict(x, t, new Condition { Embedding = Tensor.Zeros([1, 16]) })).Message.ShouldContain("[2, 16]");
        });
        var options = (UNet2DOptions)network.Network.Options;
        foreach (var wrong in new[] { options with { CrossAttentionDim = null }, options with { TransformerDepth = 0 }, options with { CrossAttentionDim = 0 }, options with { NumClassEmbeds = null } })
            Should.Throw<InputException>(() => UNet2DOptions.FromJson(wrong.ToJson(), "here"));
    }

    [Fact]
    public void A_class_is_the_embedding_of_its_row() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var model = Load();
        var (x, t) = (new KeyedRandom(1, "x").Normal(0, [0, 1], [3, 8, 8]), Tensor.From([1L, 400L], 2));
        var table = model.Network.Parameters().Single(p => p.Name == "class_embedding.weight").Value;
        var labels = Tensor.From([4L, 1L], 2);
        var byLabel = model.Denoiser.Predict(x, t, new Condition { ClassLabels = labels }).ToArray<float>();
        var byRow = model.Denoiser.Predict(x, t, new Condition { Embedding = table.IndexSelect(0, labels) }).ToArray<float>();
        byRow.ShouldBe(byLabel);
        model.Denoiser.Predict(x, t, new Condition { ClassLabels = Tensor.From([2L, 1L], 2) }).ToArray<float>().ShouldNotBe(byLabel);
    });

    private static byte[] Bytes(DiffusionModel model) => model.Sample(1, Sampler.Ddim(1), seed: 3, labels: [2])[0].ToArray();

    private DiffusionModel Load() => DiffusionModel.LoadLatentDiffusion(_fixture.Write(_folder["model.safetensors"]), _fixture.Options);

    /// <summary>The first pixels are the condition.</summary>
    private sealed class FirstPixels(int count) : IConditionEncoder
    {
        public int Dimension => count;

        public string Name => "first pixels";

        public string Hash => $"first {count}";

        public Tensor Encode(Tensor images) => images.Flatten(1).Slice(1, 0, count);

        public void Dispose()
        {
            // Nothing is held.
        }
    }
}
