using Graft.Data;
using Graft.Diffusion;
using Graft.Networks;
using Graft.Tests.Conditions;
using Graft.Tests.Networks.Sssd;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Tests.Training;

/// <summary>Training with blocks computed again in the backward pass: the same gradients for every method and network, in less memory.</summary>
public class RecomputeBlocksTests
{
    public static TheoryData<string> Methods => ["finetune", "lora", "adapter", "ddpm-pa", "anl", "anl-lean", "anl-decoder"];

    [Theory]
    [MemberData(nameof(Methods))]
    public void Gradients_of_a_method_are_the_plain_ones(string name)
    {
        using var source = TinyRun.Model(dropout: 0.3);
        using var encoder = new PixelEncoder();
        var anl = new ConditionTuning { ConditionEncoder = encoder, ConditionDropout = 0.3 };
        TransferMethod method = name switch
        {
            "anl" => anl,
            "anl-lean" => anl with { Variant = AnlVariant.Lean },
            "anl-decoder" => anl with { DecoderOnly = true },
            _ => TransferMethods.Create(name),
        };
        method = method with { Training = Options };
        Check(() =>
        {
            var adaptation = method.Prepare(source, new TinyPictures());
            return (adaptation.Model, adaptation.Stages[^1]);
        });
    }

    [Fact]
    public void Gradients_of_a_source_with_classes_and_attention_are_the_plain_ones() =>
        Check(() => Pretraining(TinyRun.Model(classes: 3), new TinyPictures(labels: [0, 1, 2, 0, 1, 2])));

    [Fact]
    public void Gradients_of_contexts_and_resampling_blocks_are_the_plain_ones() => Check(() => Pretraining(
        TinyModel.Create(TinyModel.Network with
        {
            NumClassEmbeds = 3, ClassEmbedType = "context", CrossAttentionDim = 6, LayersPerBlock = 2, DownsampleType = "resnet", UpsampleType = "resnet", ResnetTimeScaleShift = "scale_shift",
        }),
        new TinyPictures(labels: [0, 1, 2, 0, 1, 2])));

    [Fact]
    public void Gradients_of_recordings_are_the_plain_ones()
    {
        var schedule = new ScheduleOptions { NumTrainTimesteps = 50, ClipSample = false };
        var unet = new SequenceUNetOptions
        {
            InChannels = 2, SampleLength = 16, PatchSize = 1, BlockOutChannels = [4, 8], NormNumGroups = 2, TransformerLayers = 2, AttentionHeadDim = 4, LayersPerBlock = 2,
        };
        Check(() => Pretraining(DiffusionModel.Create(unet, schedule, 1), Recordings(16)));
        Check(() => Pretraining(DiffusionModel.Create(SssdDenoiserTests.Tiny with { LabelEmbedClasses = 0 }, schedule, 1), Recordings(14)));
    }

    [Fact]
    public void It_takes_less_memory()
    {
        var deep = TinyModel.Network with { SampleSize = 16, LayersPerBlock = 5, BlockOutChannels = [16, 16] };
        using var model = TinyModel.Create(deep);
        var (plain, recomputed) = (Peak(false), Peak(true));
        recomputed.ShouldBeLessThan((long)(0.6 * plain));

        long Peak(bool recompute) => TorchRuntime.Run(() =>
        {
            var options = TinyRun.Options(1) with { BatchSize = 16, Accumulation = 1, RecomputeBlocks = recompute };
            var stage = DenoisingStage.Create("pretrain", model, new Wide(), options);
            foreach (var (_, value) in stage.Trainable)
                value.RequiresGrad = true;
            TrainingStep.Accumulate(stage, options, 0); // gradients have their places now
            using var meter = new AllocationMeter();
            TrainingStep.Accumulate(stage, options, 1);
            return meter.Read().Peak;
        });
    }

    [Fact]
    public void A_run_of_it_resumes_exactly()
    {
        using var temporary = new TemporaryFolder();
        var options = TinyRun.Options(8) with { RecomputeBlocks = true };
        using var whole = TinyRun.Model(dropout: 0.2);
        new Trainer(DenoisingStage.Create("pretrain", whole, new TinyPictures(), options), options, new TrainingRun()).Train();
        var folder = temporary["run"];
        using (var broken = TinyRun.Model(dropout: 0.2))
        {
            Should.Throw<TrainingStoppedException>(() =>
                new Trainer(DenoisingStage.Create("pretrain", broken, new TinyPictures(), options), options, TinyRun.StopAfter(folder, 5)).Train());
        }

        using var resumed = TinyRun.Model(dropout: 0.2);
        new Trainer(DenoisingStage.Create("pretrain", resumed, new TinyPictures(), options), options, new TrainingRun { Folder = folder, Resume = true }).Train();
        TinyRun.ShouldEqual(TinyRun.Weights(resumed), TinyRun.Weights(whole));
    }

    [Fact]
    public void What_is_differentiated_twice_is_refused()
    {
        using var points = DiffusionModel.Create(new PointDenoiserOptions(), new ScheduleOptions { ClipSample = false }, 1);
        var options = Options with { RecomputeBlocks = true };
        var stage = DenoisingStage.Create("pretrain", points, new SampleSet(points.ItemShape, new float[8], "four points"), options);
        Should.Throw<InputException>(() => new Trainer(stage, options, new TrainingRun())).Message.ShouldContain("leave out recompute_blocks");
    }

    private static void Check(Func<(DiffusionModel Model, TrainingStage Stage)> prepare)
    {
        var (plain, plainLoss) = Gradients(false);
        var (again, loss) = Gradients(true);
        loss.ShouldBe(plainLoss, 1e-6 * Math.Abs(plainLoss));
        again.Keys.ShouldBe(plain.Keys);
        var largest = plain.Values.SelectMany(v => v).Max(Math.Abs);
        largest.ShouldBeGreaterThan(0);
        foreach (var (name, values) in plain)
            again[name].Zip(values, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(2e-6f * largest, name);

        (Dictionary<string, float[]> Gradients, double Loss) Gradients(bool recompute) => TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            var (model, stage) = prepare();
            using var disposed = model;
            foreach (var (name, value) in stage.Trainable)
            {
                // Off the identity that adapters begin at, where many gradients are 0.
                value.CopyFrom(value + (new KeyedRandom(9, name).Normal(0, [0], value.Shape).Squeeze(0) * 0.05));
                value.RequiresGrad = true;
            }

            var (loss, _) = TrainingStep.Accumulate(stage, Options with { RecomputeBlocks = recompute }, 1);
            return (stage.Trainable.Where(p => p.Value.Grad is not null).ToDictionary(p => p.Name, p => p.Value.Grad!.ToArray<float>()), loss);
        });
    }

    private static TrainingOptions Options { get; } = TinyRun.Options(4) with { BatchSize = 6, Flip = false };

    private static (DiffusionModel Model, TrainingStage Stage) Pretraining(DiffusionModel model, ISampleSource data) =>
        (model, DenoisingStage.Create("pretrain", model, data, Options));

    private static SampleSet Recordings(int samples)
    {
        var random = new SplitMix(4);
        var values = new float[6 * 2 * samples];
        for (var i = 0; i < values.Length; i++)
            values[i] = (random.Next(200) / 100f) - 1;
        return new SampleSet(new ItemShape(2, samples), values, "six recordings");
    }

    /// <summary>Pictures of 16 x 16.</summary>
    private sealed class Wide : IImageSource
    {
        private static readonly byte[] Grey = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];

        public int Count => 16;

        public ImageShape Shape => new(1, 16, 16);

        public IReadOnlyList<string> Classes => [];

        public string Description => "sixteen pictures";

        public ReadOnlySpan<byte> this[int index] => Grey;

        public string Name(int index) => $"{index}";

        public int? Label(int index) => null;
    }
}
