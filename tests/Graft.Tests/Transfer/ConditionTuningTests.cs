using System.Text.Json.Nodes;
using Graft.Conditions;
using Graft.Diffusion;
using Graft.Sampling;
using Graft.Tests.Conditions;
using Graft.Tests.Training;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;
using Graft.Transfer.ConditionParts;

namespace Graft.Tests.Transfer;

public class ConditionTuningTests
{
    public static TheoryData<AnlVariant, AnlPlaces, bool, bool> Kinds { get; } = new()
    {
        { AnlVariant.Full, AnlPlaces.Everywhere, false, true },
        { AnlVariant.Full, AnlPlaces.Attention, true, true },
        { AnlVariant.Full, AnlPlaces.Everywhere, false, false },
        { AnlVariant.Lean, AnlPlaces.Everywhere, false, true },
        { AnlVariant.Lean, AnlPlaces.Attention, false, true },
        { AnlVariant.Lean, AnlPlaces.Everywhere, true, false },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void It_starts_as_the_source_bit_for_bit_and_leaves_its_weights_alone(AnlVariant variant, AnlPlaces places, bool decoderOnly, bool conditional)
    {
        using var encoder = new PixelEncoder();
        var method = new ConditionTuning { Variant = variant, Places = places, DecoderOnly = decoderOnly, Conditional = conditional, ConditionEncoder = conditional ? encoder : null, Seed = 2 };
        using var source = TinyRun.Model();
        var due = source.Network.Parameters().ToDictionary(p => p.Name, _ => 0);
        using var start = method.Prepare(source, new TinyPictures()).Model;
        Drawn(start).ShouldBe(Drawn(source));

        var fingerprint = source.Fingerprint();
        using var adapted = (method with { Training = TinyRun.Options(4) }).Adapt(source, new TinyPictures());
        source.Fingerprint().ShouldBe(fingerprint);
        TinyRun.ShouldEqual(TinyRun.Weights(adapted), TinyRun.Weights(source));
        Drawn(adapted).ShouldNotBe(Drawn(source));
        adapted.Attachment!.Parameters().Select(p => p.Name).ShouldNotContain(n => due.ContainsKey(n));
    }

    [Fact]
    public void Modules_stand_where_they_are_asked_for()
    {
        // Two levels of one block each way down, two up, two in the middle; the second level attends.
        Names(new ConditionTuning()).ShouldBe(
            ["down_blocks.0.resnets.0", "down_blocks.1.resnets.0", "mid_block.resnets.0", "mid_block.resnets.1", "up_blocks.0.resnets.0", "up_blocks.0.resnets.1", "up_blocks.1.resnets.0", "up_blocks.1.resnets.1"]);
        Names(new ConditionTuning { Places = AnlPlaces.Attention }).ShouldBe(
            ["down_blocks.1.resnets.0", "mid_block.resnets.0", "mid_block.resnets.1", "up_blocks.0.resnets.0", "up_blocks.0.resnets.1"]);
        Names(new ConditionTuning { Places = AnlPlaces.Attention, DecoderOnly = true }).ShouldBe(["up_blocks.0.resnets.0", "up_blocks.0.resnets.1"]);

        static IEnumerable<string> Names(ConditionTuning method)
        {
            using var encoder = new PixelEncoder();
            using var source = TinyRun.Model();
            using var model = (method with { ConditionEncoder = encoder }).Prepare(source, new TinyPictures()).Model;
            return [.. model.Attachment!.Children.Select(c => c.Name)];
        }
    }

    [Fact]
    public void Nothing_before_the_first_module_is_recorded()
    {
        using var encoder = new PixelEncoder();
        using var source = TinyRun.Model();
        using var model = new ConditionTuning { ConditionEncoder = encoder, DecoderOnly = true }.Prepare(source, new TinyPictures()).Model;
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            model.Attachment!.RequireGrad(true);
            var network = (Graft.Networks.UNet2D)model.Network;
            var first = network.Modules().First(m => m.Name == "down_blocks.0.resnets.0").Module;
            var seen = new Recorder();
            ((Graft.Networks.UNet2DParts.ResnetBlock)first).After = seen;
            using var mode = Autograd.WithGrad();
            var output = model.Denoiser.Predict(Tensor.Zeros([2, 1, 8, 8]), Tensor.From([3L, 4L], 2));
            seen.RequiresGrad.ShouldBe(false);
            output.RequiresGrad.ShouldBeTrue();
        });
    }

    [Fact]
    public void Its_folder_opens_as_the_model_with_its_conditions()
    {
        using var temporary = new TemporaryFolder();
        using var encoder = new PixelEncoder();
        using var source = DiffusionModel.Load(TinyModel.Save(temporary["source"]));
        using var adapted = new ConditionTuning { ConditionEncoder = encoder, Variant = AnlVariant.Lean, Training = TinyRun.Options(4) }.Adapt(source, new TinyPictures(labels: [1, 0, 1, 0, 2, 2]));
        adapted.Save(temporary["adapter"]);
        using var opened = DiffusionModel.Load(temporary["adapter"]);
        Drawn(opened).ShouldBe(Drawn(adapted));
        opened.Fingerprint().ShouldBe(adapted.Fingerprint());
        opened.Conditions!.Names.ShouldBe(["0", "1", "2", "3", "4", "5"]);
        opened.Conditions.Labels.ShouldBe([1, 0, 1, 0, 2, 2]);
        (opened.Conditions.Encoder, opened.Conditions.EncoderHash).ShouldBe((encoder.Name, encoder.Hash));

        var file = File.ReadAllBytes(temporary["adapter/conditions.safetensors"]);
        File.WriteAllBytes(temporary["adapter/conditions.safetensors"], file[..^4]);
        Should.Throw<InputException>(() => DiffusionModel.Load(temporary["adapter"]));
        File.Delete(temporary["adapter/conditions.safetensors"]);
        Should.Throw<InputException>(() => DiffusionModel.Load(temporary["adapter"])).Message.ShouldContain("conditions.safetensors");
    }

    [Fact]
    public void Samples_inherit_the_class_of_their_condition_picture()
    {
        using var encoder = new PixelEncoder();
        using var source = TinyRun.Model();
        using var model = new ConditionTuning { ConditionEncoder = encoder, Training = TinyRun.Options(2) }.Adapt(source, new TinyPictures(labels: [1, 0, 1, 0, 2, 2]));
        var all = model.Sample(7, Sampler.Ddim(2), seed: 1);
        Enumerable.Range(0, 7).Select(i => all.Label(i)).ShouldBe([1, 0, 1, 0, 2, 2, 1]);
        all.ConditionNames.ShouldBe(["0", "1", "2", "3", "4", "5", "0"]);
        var some = model.Sample(5, Sampler.Ddim(2), seed: 1, labels: [2, 0]);
        some.ConditionNames.ShouldBe(["4", "1", "5", "3", "4"]);
        Enumerable.Range(0, 5).Select(i => some.Label(i)).ShouldBe([2, 0, 2, 0, 2]);
        Should.Throw<InputException>(() => model.Sample(1, Sampler.Ddim(2), labels: [7])).Message.ShouldContain("0, 1, 2");

        // What is drawn depends on the condition, and item by item on nothing else.
        model.Sample(3, Sampler.Ddim(2), seed: 1, batchSize: 1)[2].ToArray().ShouldBe(all[2].ToArray());
        some[0].ToArray().ShouldNotBe(all[0].ToArray());
    }

    [Fact]
    public void Held_out_pictures_are_judged_by_and_never_drawn_from()
    {
        using var encoder = new PixelEncoder();
        using var source = TinyRun.Model();
        using var temporary = new TemporaryFolder();
        var folder = temporary["run"];
        using var model = new ConditionTuning
        {
            ConditionEncoder = encoder, Training = TinyRun.Options(300) with { HeldOut = 0.34, ValidateEvery = 1, ValidationDraws = 8, Patience = 3, LearningRate = 0.02, EmaDecay = 0 },
        }.Adapt(source, new TinyPictures(), new TrainingRun { Folder = folder });
        model.Conditions!.Names.Count.ShouldBe(4);
        model.Conditions.Names.Distinct().Count().ShouldBe(4);
        var validations = File.ReadLines(Path.Combine(folder, "log.jsonl")).Select(line => (double)JsonNode.Parse(line)!["validation"]!).ToList();
        validations.Count.ShouldBeInRange(4, 299); // noise is not learnt: the run ends three looks after its best
        validations.Min().ShouldBe(validations[^4]);
    }

    [Fact]
    public void Masks_and_guidance_change_samples_item_by_item()
    {
        using var encoder = new PixelEncoder();
        using var source = TinyRun.Model();
        using var model = new ConditionTuning { ConditionEncoder = encoder, ConditionDropout = 0.3, Training = TinyRun.Options(6) with { LearningRate = 0.05 } }.Adapt(source, new TinyPictures());
        var plain = Drawn(model, 3);
        foreach (var options in new[]
        {
            new ConditionOptions { MaskRate = 0.5 }, new ConditionOptions { MaskRate = 0.5, MaskPerStep = true }, new ConditionOptions { MaskRate = 0.5, MaskRescale = true },
            new ConditionOptions { GuidanceScale = 3 }, new ConditionOptions { MaskRate = 0.5, GuidanceScale = 2 },
        })
        {
            model.Conditioning = options;
            var drawn = Drawn(model, 3);
            drawn.ShouldNotBe(plain, options.ToString());
            Drawn(model, 3, batchSize: 2).ShouldBe(drawn, options.ToString());
        }

        model.Conditioning = new ConditionOptions { MaskRate = 1 };
        Should.Throw<InputException>(() => Drawn(model)).Message.ShouldContain("mask rate");
        source.Conditioning = new ConditionOptions { MaskRate = 0.5 };
        Should.Throw<InputException>(() => Drawn(source)).Message.ShouldContain("takes no condition pictures");
    }

    [Fact]
    public void A_mask_keeps_its_share_and_each_sample_has_its_own() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var seen = new EmbeddingRecorder();
        var ones = new Condition { Embedding = Tensor.Ones([3, 4000]) };
        long[] items = [4, 5, 9];
        var denoiser = new MaskedConditionDenoiser(seen, new ConditionOptions { MaskRate = 0.3 }, seed: 1, items);
        var x = Tensor.Zeros([3, 1, 2, 2]);
        denoiser.Predict(x, Tensor.From([7L, 7L, 7L], 3), ones);
        denoiser.Predict(x, Tensor.From([5L, 5L, 5L], 3), ones);
        foreach (var i in Enumerable.Range(0, 3))
            seen.Embeddings[0].Skip(i * 4000).Take(4000).Average().ShouldBe(0.7f, 0.03f);
        seen.Embeddings[0].ShouldAllBe(v => v == 0 || v == 1);
        seen.Embeddings[0][..4000].ShouldNotBe(seen.Embeddings[0][4000..8000]);
        seen.Embeddings[1].ShouldBe(seen.Embeddings[0]);

        new MaskedConditionDenoiser(seen, new ConditionOptions { MaskRate = 0.3, MaskRescale = true }, seed: 1, items).Predict(x, Tensor.From([7L, 7L, 7L], 3), ones);
        seen.Embeddings[2].Average().ShouldBe(1, 0.03f);
        var perStep = new MaskedConditionDenoiser(seen, new ConditionOptions { MaskRate = 0.3, MaskPerStep = true }, seed: 1, items);
        perStep.Predict(x, Tensor.From([7L, 7L, 7L], 3), ones);
        perStep.Predict(x, Tensor.From([5L, 5L, 5L], 3), ones);
        seen.Embeddings[4].ShouldNotBe(seen.Embeddings[3]);
    });

    [Fact]
    public void Classifier_free_guidance_is_its_formula() => TorchRuntime.Run(() =>
    {
        // A denoiser whose output is the mean of its condition: zeros give 0.
        using var scope = new TensorScope();
        var mean = new EmbeddingRecorder();
        var condition = new Condition { Embedding = Tensor.From([1f, 3f, 5f, 7f], 2, 2) };
        var guided = new ClassifierFreeDenoiser(mean, 2.5).Predict(Tensor.Zeros([2, 1, 1, 1]), Tensor.From([1L, 1L], 2), condition);
        guided.ToArray<float>().ShouldBe([5f, 15f]);
    });

    [Theory]
    [InlineData(AnlVariant.Full)]
    [InlineData(AnlVariant.Lean)]
    public void Its_gradients_are_the_differences_in_float64(AnlVariant variant) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var random = new KeyedRandom(3, "anl gradients");
        var current = new CurrentCondition { Value = random.Normal(0, [0, 1], [3], DType.Float64) };
        var layout = new AnlLayout(variant, AnlPlaces.Everywhere, false, 3, 2, 2);
        using AnlModule module = variant == AnlVariant.Full ? new FullAnlModule(4, 2, layout, current) : new LeanAnlModule(4, 2, layout, current);
        module.Initialise(1);
        module.ConvertTo(DType.Float64);
        module.RequireGrad(true);
        var x = random.Normal(1, [0, 1], [4, 2, 3], DType.Float64);
        var weights = random.Normal(2, [0, 1], [4, 2, 3], DType.Float64);
        using var mode = Autograd.WithGrad();
        var parameters = module.Parameters().ToArray();
        Autograd.Backward((module.Forward(x, module.Beside) * weights).Sum());
        var gradients = parameters.Select(p => p.Value.Grad).ToArray();
        using var plain = Autograd.NoGrad();
        foreach (var (parameter, gradient) in parameters.Zip(gradients))
        {
            var direction = random.Normal(3, [parameter.Name.Length], parameter.Value.Shape, DType.Float64).Reshape(parameter.Value.Shape.ToArray());
            var due = (At(1e-5) - At(-1e-5)) / 2e-5;
            var exact = gradient is null ? 0 : (gradient * direction).Sum().Item();
            exact.ShouldBe(due, 1e-7 * (1 + Math.Abs(due)), parameter.Name);

            double At(double step)
            {
                var kept = parameter.Value.Clone();
                parameter.Value.CopyFrom(kept + (direction * step));
                var value = (module.Forward(x, module.Beside) * weights).Sum().Item();
                parameter.Value.CopyFrom(kept);
                return value;
            }
        }

        // One token is all there is to attend to: the softmax is 1, and queries and keys cannot matter.
        var idle = parameters.Zip(gradients).Where(p => p.Second is null || p.Second.Abs().Max().Item() == 0).Select(p => p.First.Name);
        string[] unmoved = variant == AnlVariant.Full ? ["attn2.to_q.weight", "attn2.to_k.weight", "norm2.weight", "norm2.bias"] : [];
        idle.ShouldBe(unmoved.Select(name => $"transformer.transformer_blocks.0.{name}"), ignoreOrder: true);
    });

    [Fact]
    public void A_stopped_run_goes_on_as_if_it_had_not()
    {
        using var temporary = new TemporaryFolder();
        using var encoder = new PixelEncoder();
        using var source = TinyRun.Model();
        var method = new ConditionTuning { ConditionEncoder = encoder, ConditionDropout = 0.4, Training = TinyRun.Options(8) };
        using var whole = method.Adapt(source, new TinyPictures());
        Should.Throw<OperationCanceledException>(() => method.Adapt(source, new TinyPictures(), TinyRun.StopAfter(temporary["run"], 4)));
        using var resumed = method.Adapt(source, new TinyPictures(), new TrainingRun { Folder = temporary["run"], Resume = true });
        resumed.Fingerprint().ShouldBe(whole.Fingerprint());
    }

    [Fact]
    public void What_does_not_fit_is_said()
    {
        using var encoder = new PixelEncoder();
        using var source = TinyRun.Model();
        Refused(new ConditionTuning { ConditionEncoder = encoder, Heads = 3 }).ShouldContain("3 heads");
        Refused(new ConditionTuning { ConditionEncoder = encoder, Expansion = 0 }).ShouldContain("expansion");
        Refused(new ConditionTuning { ConditionEncoder = encoder, ConditionDropout = 1 }).ShouldContain("condition_dropout");
        Refused(new ConditionTuning { ConditionEncoder = encoder, Conditional = false }).ShouldContain("leave out encoder");
        using var model = new ConditionTuning { ConditionEncoder = encoder }.Prepare(source, new TinyPictures()).Model;
        var others = new ConditionTable(new float[10], ["a"], null, [], ("another", "0"));
        Should.Throw<InputException>(() => model.ConditionOn(others)).Message.ShouldContain("another");
        Should.Throw<InputException>(() => source.ConditionOn(others)).Message.ShouldContain("takes no condition pictures");

        string Refused(ConditionTuning method) => Should.Throw<InputException>(() => method.Prepare(source, new TinyPictures())).Message;
    }

    private static byte[] Drawn(DiffusionModel model, int count = 1, int batchSize = 64) =>
        [.. Enumerable.Range(0, count).SelectMany(i => model.Sample(count, Sampler.Ddim(4), seed: 1, batchSize: batchSize)[i].ToArray())];

    private sealed class Recorder : Graft.Networks.UNet2DParts.IBlockSuffix
    {
        public bool? RequiresGrad { get; private set; }

        public Tensor? Beside => null;

        public Tensor Forward(Tensor x, Tensor? beside)
        {
            RequiresGrad = x.RequiresGrad;
            return x * 1.0;
        }
    }

    /// <summary>Remembers what it was conditioned on, and gives back its mean.</summary>
    private sealed class EmbeddingRecorder : IDenoiser
    {
        public List<float[]> Embeddings { get; } = [];

        public Tensor Predict(Tensor x, Tensor t, Condition? condition = null)
        {
            Embeddings.Add(condition!.Embedding!.ToArray<float>());
            return condition.Embedding.Mean([1]).Reshape(-1, 1, 1, 1);
        }
    }
}
