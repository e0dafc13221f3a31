using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Diffusion;
using Graft.Evaluation;
using Graft.Networks;
using Graft.Sampling;
using Graft.Tests.Training;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Tests.Points;

/// <summary>The network of points as a model: made, trained, saved, opened, adapted; and what works on pictures only.</summary>
public sealed class PointDenoiserTests : IDisposable
{
    private static readonly PointDenoiserOptions Small = new() { HiddenChannels = 16, Blocks = 2, TimeEmbeddingChannels = 8, TimestepScale = 1000 };

    private static readonly ScheduleOptions Continuous = new() { BetaSchedule = BetaSchedule.ContinuousVp, ClipSample = false, NumTrainTimesteps = 50 };

    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    /// <summary>L_simple of points in continuous time, against central differences in double precision.</summary>
    [Fact]
    public void Gradients_of_the_loss_equal_central_differences() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var schedule = new NoiseSchedule(Continuous);
        using var network = new PointDenoiser(Small with { NumClassEmbeds = 3 });
        network.Initialise(4);
        network.ConvertTo(DType.Float64);
        network.RequireGrad(true);
        long[] items = [0, 1, 2, 3, 4];
        var x0 = new KeyedRandom(1, "x0").Normal(0, items, [2], DType.Float64);
        var noise = new KeyedRandom(1, "noise").Normal(0, items, [2], DType.Float64);
        var t = schedule.DrawTimes(new KeyedRandom(1, "t"), items);
        var condition = new Condition { ClassLabels = Tensor.From([0L, 1L, 2L, 1L, 0L], 5) };
        Tensor Loss() => Losses.Simple(network.Predict(schedule.AddNoise(x0, noise, t), t, condition), x0, noise, t, schedule).Mean;
        Autograd.Backward(Loss());
        var random = new SplitMix(6);
        foreach (var (name, value) in network.Parameters())
        {
            var gradient = value.Grad!.ToArray<double>();
            var values = value.Detach().ToArray<double>();
            for (var i = 0; i < 3; i++)
            {
                var k = random.Next(values.Length);
                double At(double by)
                {
                    using var inner = new TensorScope();
                    using var mode = Autograd.NoGrad();
                    var moved = (double[])values.Clone();
                    moved[k] += by;
                    value.CopyFrom(Tensor.From(moved, value.Shape));
                    return Loss().Item();
                }

                var difference = (At(1e-5) - At(-1e-5)) / 2e-5;
                value.CopyFrom(Tensor.From(values, value.Shape));
                gradient[k].ShouldBe(difference, 1e-8 * (1 + Math.Abs(difference)), $"{name}[{k}]");
            }
        }
    });

    [Fact]
    public void A_model_of_points_goes_to_a_folder_and_back()
    {
        using var model = DiffusionModel.Create(Small with { NumClassEmbeds = 2 }, Continuous, seed: 3);
        model.ItemShape.ShouldBe(new ItemShape(2));
        model.Save(_temporary["model"]);
        DiffusionModel.Is(_temporary["model"]).ShouldBeTrue();
        File.Exists(_temporary["model/denoiser/config.json"]).ShouldBeTrue();
        using var again = DiffusionModel.Load(_temporary["model"]);
        using var copy = model.Clone();
        again.Fingerprint().ShouldBe(model.Fingerprint());
        copy.Fingerprint().ShouldBe(model.Fingerprint());
        again.Network.Options.ShouldBe(model.Network.Options);
        again.Schedule.Process.ShouldBe(new VpProcess(0.1, 20));
        again.Classes.ShouldBe(2);
        var samples = again.SampleValues(5, Sampler.DpmSolver2(3), seed: 1);
        samples.Values.ToArray().ShouldBe(model.SampleValues(5, Sampler.DpmSolver2(3), seed: 1).Values.ToArray());
        (samples.Label(0), samples.Label(1), samples.Label(2)).ShouldBe((0, 1, 0));
        again.Save(_temporary["again"]);
        foreach (var file in (string[])["denoiser/config.json", "scheduler/scheduler_config.json", "model_index.json", "denoiser/diffusion_pytorch_model.safetensors"])
            File.ReadAllBytes(_temporary[$"again/{file}"]).ShouldBe(File.ReadAllBytes(_temporary[$"model/{file}"]), file);
    }

    [Fact]
    public void An_item_depends_on_seed_and_number_only()
    {
        using var model = DiffusionModel.Create(Small, Continuous, seed: 3);
        var (many, few) = (model.SampleValues(70, Sampler.Ddpm(10), seed: 4), model.SampleValues(5, Sampler.Ddpm(10), seed: 4));
        var parts = model.SampleValues(70, Sampler.Ddpm(10), seed: 4, batchSize: 35);
        for (var i = 0; i < 140; i++)
        {
            parts.Values[i].ShouldBe(many.Values[i], 1e-5f);
            if (i < 10)
                few.Values[i].ShouldBe(many.Values[i], 1e-5f);
        }

        model.SampleValues(5, Sampler.Ddpm(10), seed: 5).Values.ToArray().ShouldNotBe(few.Values.ToArray());
    }

    [Fact]
    public void A_picture_model_gives_values_too()
    {
        using var model = TinyRun.Model();
        var (values, pictures) = (model.SampleValues(3, Sampler.Ddim(4), seed: 2), model.Sample(3, Sampler.Ddim(4), seed: 2));
        values.ItemShape.ShouldBe(new ItemShape(1, 8, 8));
        for (var i = 0; i < 3; i++)
        {
            for (var k = 0; k < 64; k++)
                ((double)pictures[i][k]).ShouldBe(Math.Clamp(((values[i][k] * 0.5) + 0.5) * 255, 0, 255), 0.51);
        }
    }

    [Fact]
    public void A_run_goes_on_to_the_same_bits()
    {
        using var source = DiffusionModel.Create(Small, Continuous, seed: 3);
        var target = Mixtures.Target.Draw(10, 1);
        var options = TinyRun.Options(8) with { Flip = false };
        using var whole = new Finetune { Training = options }.Adapt(source, target, new TrainingRun { Folder = _temporary["whole"] });
        Should.Throw<TrainingStoppedException>(() => new Finetune { Training = options }.Adapt(source, target, TinyRun.StopAfter(_temporary["broken"], 4)));
        using var resumed = new Finetune { Training = options }.Adapt(source, target, new TrainingRun { Folder = _temporary["broken"], Resume = true });
        TinyRun.ShouldEqual(TinyRun.State(_temporary["broken"], 8), TinyRun.State(_temporary["whole"], 8));
        resumed.Fingerprint().ShouldBe(whole.Fingerprint());
        DiffusionModel.Is(_temporary["whole/checkpoint-0000008"]).ShouldBeTrue();
    }

    /// <summary>A few hundred steps bring a network from noise to the neighbourhood of the mixture; the meter and the plot work on the way.</summary>
    [Fact]
    public void A_small_network_learns_the_mixture()
    {
        using var fresh = DiffusionModel.Create(Small with { HiddenChannels = 64 }, Continuous with { NumTrainTimesteps = 1000 }, seed: 1);
        Memorisation? reading = null;
        var method = new Scratch
        {
            Training = new TrainingOptions
            {
                Steps = 400, BatchSize = 256, LearningRate = 3e-3, WeightDecay = 0, EmaDecay = 0.98, Seed = 2,
                MeterEvery = 400, MeterCount = 64, SampleEvery = 400, SampleCount = 50, SampleSteps = 10,
            },
        };
        var run = new TrainingRun { Folder = _temporary["run"], Progress = new TinyRun.Told(p => reading = p.Memorisation ?? reading) };
        using var trained = method.Adapt(fresh, Mixtures.Source.Draw(2000, 1), run);
        var reference = Mixtures.Source.Draw(2000, 5);
        var (before, after) = (Distance(fresh), Distance(trained));
        after.ShouldBeLessThan(0.15);
        after.ShouldBeLessThan(before / 3);
        reading!.Distance.Name.ShouldBe("Euclidean distance");
        File.Exists(_temporary["run/samples/step-0000400.png"]).ShouldBeTrue();

        double Distance(DiffusionModel model) => SlicedWasserstein.Of(model.SampleValues(2000, Sampler.DpmSolver2(15), seed: 3), reference);
    }

    [Fact]
    public void Lora_stands_beside_its_layers_and_is_worked_in()
    {
        using var source = DiffusionModel.Create(Small, Continuous, seed: 3);
        source.Save(_temporary["source"]);
        using var opened = DiffusionModel.Load(_temporary["source"]);
        using var adapted = new Lora { Training = TinyRun.Options(3) with { Flip = false } }.Adapt(opened, Mixtures.Target.Draw(10, 1));
        adapted.Attachment!.Parameters().Count().ShouldBe(2 * 4); // A and B beside fc1 and fc2 of two blocks
        adapted.Save(_temporary["lora"]);
        using var again = DiffusionModel.Load(_temporary["lora"]);
        again.Fingerprint().ShouldBe(adapted.Fingerprint());
        using var merged = adapted.Clone();
        var (beside, within) = (again.SampleValues(4, Sampler.Ddim(5), seed: 1).Values.ToArray(), merged.SampleValues(4, Sampler.Ddim(5), seed: 1).Values.ToArray());
        for (var i = 0; i < beside.Length; i++)
            within[i].ShouldBe(beside[i], 1e-3f * (1 + Math.Abs(beside[i])));
    }

    [Fact]
    public void What_works_on_pictures_only_says_so()
    {
        using var points = DiffusionModel.Create(Small, Continuous, seed: 3);
        using var pictures = TinyRun.Model();
        var target = Mixtures.Target.Draw(10, 1);
        Refused(() => points.Sample(1, Sampler.Ddim(2)), "makes items of 2 numbers, which are no pictures");
        Refused(() => new Adapter().Adapt(points, target), "a GraftPointDenoiser has none");
        Refused(() => new PairwiseAdaptation().Adapt(points, target), "pictures");
        Refused(() => new Finetune { Training = TinyRun.Options(1) }.Adapt(points, target), "flip mirrors pictures");
        Refused(() => new Finetune().Adapt(points, new TinyPictures()), "The pictures are 1 x 8 x 8 and the model's 2 numbers");
        Refused(() => new Finetune().Adapt(pictures, target), "The items are 2 numbers and the model's pictures 1 x 8 x 8");
        Refused(() => new Finetune().Adapt(points, GaussianMixture.Spheres([1], [[0, 0, 0]], 1).Draw(3, 1)), "3 numbers");
        using var labelled = DiffusionModel.Create(Small with { NumClassEmbeds = 2 }, Continuous, seed: 3);
        Refused(() => new Finetune().Adapt(labelled, target), "has no labels");
        Refused(() => new Finetune().Adapt(labelled, GaussianMixture.Spheres([1, 1, 1], [[0, 0], [1, 1], [2, 2]], 1).Draw(30, 1, label: true)), "is of class 2 and the model has 2 classes");

        static void Refused(Action action, string part) => Should.Throw<InputException>(action).Message.ShouldContain(part);
    }

    [Theory]
    [InlineData("hidden_channels", "0", "hidden_channels must lie between")]
    [InlineData("hidden_channels", "\"wide\"", "cannot be read")]
    [InlineData("hiden_channels", "3", "hiden_channels")]
    [InlineData("_class_name", "\"GraftPointDenoisr\"", "GraftPointDenoisr")]
    [InlineData("blocks", "5", "blocks.2.fc1.weight is missing")]
    [InlineData("dimensions", "3", "proj_in.weight is [16, 2] where config.json asks for [16, 3]")]
    [InlineData("blocks", "1", "does not account for")]
    public void A_broken_configuration_is_refused(string key, string value, string part)
    {
        using (var model = DiffusionModel.Create(Small, Continuous, seed: 3))
            model.Save(_temporary["model"]);
        var config = JsonNode.Parse(File.ReadAllText(_temporary["model/denoiser/config.json"]))!.AsObject();
        config[key] = JsonNode.Parse(value);
        File.WriteAllText(_temporary["model/denoiser/config.json"], config.ToJsonString());
        Should.Throw<InputException>(() => DiffusionModel.Load(_temporary["model"])).Message.ShouldContain(part);
    }
}
