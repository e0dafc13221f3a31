using Graft.Diffusion;
using Graft.Tests.Training;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Tests.Transfer;

public class PairwiseAdaptationTests
{
    private static TrainingOptions Options(long steps) => TinyRun.Options(steps) with { BatchSize = 8 };

    [Fact]
    public void At_the_first_step_the_copy_is_the_source_and_the_pairwise_terms_are_zero() => TorchRuntime.Run(() =>
    {
        using var source = TinyRun.Model();
        var (model, stages) = new PairwiseAdaptation { Training = Options(1) }.Prepare(source, new TinyPictures());
        using (model)
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            var loss = stages[0].Loss(stages[0].Data.Read(0, [0, 1, 2, 3]));
            var terms = loss.Terms.ToDictionary(t => t.Name, t => t.Value.Item());
            terms["image"].ShouldBe(0, 1e-6);
            terms["high_frequency"].ShouldBe(0, 1e-6);
            terms["high_frequency_error"].ShouldBeGreaterThan(0);
            loss.Total.Item().ShouldBe(terms["simple"] + (0.05 * terms["high_frequency_error"]), 1e-4 * loss.Total.Item());
        }
    });

    [Fact]
    public void Without_weights_it_is_fine_tuning()
    {
        using var source = TinyRun.Model();
        var pictures = new TinyPictures();
        using var plain = new Finetune { Training = Options(3) }.Adapt(source, pictures);
        using var zero = new PairwiseAdaptation { Training = Options(3), ImageWeight = 0, HighFrequencyWeight = 0, HighFrequencyErrorWeight = 0 }.Adapt(source, pictures);
        var (a, b) = (TinyRun.Weights(plain), TinyRun.Weights(zero));
        foreach (var name in a.Keys)
        {
            var (x, y) = (TinyRun.Floats(a[name]), TinyRun.Floats(b[name]));
            for (var i = 0; i < x.Length; i++)
                y[i].ShouldBe(x[i], 1e-5f, name);
        }
    }

    [Fact]
    public void The_similarities_stay_nearer_to_the_source_than_with_fine_tuning()
    {
        using var source = TinyRun.Model();
        var pictures = new TinyPictures();
        var options = Options(40) with { Accumulation = 1, LearningRate = 1e-2 };
        using var plain = new Finetune { Training = options }.Adapt(source, pictures);
        using var kept = new PairwiseAdaptation { Training = options, ImageWeight = 30, HighFrequencyWeight = 30, ComparedTogether = 0 }.Adapt(source, pictures);
        Divergence(kept).ShouldBeLessThan(0.7 * Divergence(plain));

        double Divergence(DiffusionModel model) => TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            var noise = new KeyedRandom(9, "test").Normal(0, [.. Enumerable.Range(0, 16).Select(i => (long)i)], [1, 8, 8]);
            var t = Tensor.Full(40, [16], DType.Int64);
            return PairwiseLoss.Of(Original(model), Original(source), noise, Tensor.Full(1, [16, 1, 1, 1]), PairwiseForm.Paper, 16).Image.Item();

            Tensor Original(DiffusionModel of) => of.Schedule.PredictedOriginal(of.Denoiser.Predict(noise, t), noise, t);
        });
    }

    [Fact]
    public void The_released_form_has_its_own_weights_and_an_option_overrides_them() => TorchRuntime.Run(() =>
    {
        using var source = TinyRun.Model();
        var (model, stages) = new PairwiseAdaptation { Training = Options(1), Form = PairwiseForm.Released, HighFrequencyErrorWeight = 0.25 }.Prepare(source, new TinyPictures());
        using (model)
        {
            using var scope = new TensorScope();
            // Another copy, so that the pairwise terms are not zero.
            foreach (var (_, value) in model.Network.Parameters())
                value.CopyFrom(value * 1.1);
            using var mode = Autograd.NoGrad();
            var loss = stages[0].Loss(stages[0].Data.Read(0, [0, 1, 2, 3]));
            var terms = loss.Terms.ToDictionary(t => t.Name, t => t.Value.Item());
            loss.Total.Item().ShouldBe(
                terms["simple"] + (4 * terms["image"]) + (4 * terms["high_frequency"]) + (0.25 * terms["high_frequency_error"]), 1e-4 * loss.Total.Item());
        }
    });

    [Fact]
    public void A_schedule_that_ends_in_pure_noise_does_not_drown_the_loss() => TorchRuntime.Run(() =>
    {
        using var source = TinyModel.Create(schedule: new ScheduleOptions { NumTrainTimesteps = 1000, BetaSchedule = BetaSchedule.SquaredcosCapV2 });
        var (model, stages) = new PairwiseAdaptation { Training = Options(1) }.Prepare(source, new TinyPictures());
        using (model)
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            var batch = stages[0].Data.Read(0, [0, 1, 2, 3]) with { T = Tensor.Full(999, [4], DType.Int64) };
            stages[0].Loss(batch).Terms.Single(t => t.Name == "high_frequency_error").Value.Item().ShouldBe(0);
        }
    });

    [Theory]
    [InlineData(8, 4, "training.batch_size")]
    [InlineData(2, 1, "training.batch_size")]
    public void Batches_without_pairs_are_refused(int batch, int accumulation, string says)
    {
        using var source = TinyRun.Model();
        var method = new PairwiseAdaptation { Training = Options(1) with { BatchSize = batch, Accumulation = accumulation } };
        Should.Throw<InputException>(() => method.Adapt(source, new TinyPictures())).Message.ShouldContain(says);
    }

    [Theory]
    [InlineData(2, "compared_together")]
    [InlineData(-1, "compared_together")]
    [InlineData(9, "training.batch_size")]
    public void Groups_that_cannot_be_are_refused(int together, string says)
    {
        using var source = TinyRun.Model();
        var method = new PairwiseAdaptation { Training = Options(1) with { Accumulation = 1 }, ComparedTogether = together };
        Should.Throw<InputException>(() => method.Adapt(source, new TinyPictures())).Message.ShouldContain(says);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    public void Weights_out_of_range_are_refused(double weight)
    {
        using var source = TinyRun.Model();
        Should.Throw<InputException>(() => new PairwiseAdaptation { ImageWeight = weight }.Adapt(source, new TinyPictures())).Message.ShouldContain("image_weight");
    }
}
