using Graft.Diagnostics;
using Graft.Diffusion;
using Graft.Networks;
using Graft.Planning;
using Graft.Torch;

namespace Graft.Tests.Diagnostics;

public class ModelProfileTests
{
    [Fact]
    public void Operations_are_those_that_the_network_is_counted_to_have()
    {
        const int Batch = 3;
        using var model = TinyModel.Create();
        var before = model.Fingerprint();
        var profile = ModelProfile.Measure(model, Batch, rounds: 1);
        var forward = NetworkCost.Of(TinyModel.Network, 8, 8).Operations * Batch;
        profile.Sampling!.Operations.ShouldBe(forward);
        // Nobody wants the gradient of the picture, nor of the embedding of t.
        var unwanted = Batch * (NetworkCost.Conv2d(1, 8, 3, 8, 8) + NetworkCost.Linear(8, 32));
        profile.Training!.Operations.ShouldBe((NetworkCost.Training * forward) - unwanted);

        // Attention's projections are convolutions of 1 x 1: one for q, k and v, and one behind.
        var attentions = model.Network.Modules().Count(m => m.Name.EndsWith(".to_q", StringComparison.Ordinal));
        var convolutions = model.Network.Modules().Count(m => m.Module is Conv2d);
        Of(profile.Sampling, OperatorKind.Convolution).Calls.ShouldBe(convolutions + (2 * attentions));
        // One operator on a processor with kernels of its own, two products elsewhere.
        var (there, andBack) = Functional.HasOwnConvolutions ? (1, 2) : (2, 6);
        Of(profile.Sampling, OperatorKind.Attention).Calls.ShouldBe(there * attentions);
        Of(profile.Sampling, OperatorKind.Attention).Operations.ShouldBe(Batch * attentions * 4.0 * 16 * 16 * 16); // 16 places of 16 channels
        Of(profile.Training, OperatorKind.Attention).Calls.ShouldBe(andBack * attentions);

        model.Fingerprint().ShouldBe(before);
        TorchRuntime.Run(() => model.Parameters().ShouldAllBe(p => p.Value.Grad == null && !p.Value.RequiresGrad));
        (profile.Batch, profile.Threads).ShouldBe((Batch, TorchRuntime.Threads));
        profile.MatrixProductRate.ShouldBeGreaterThan(0);

        static KindCost Of(PassProfile pass, OperatorKind kind) => pass.Kinds.Single(k => k.Kind == kind);
    }

    [Fact]
    public void Operators_kinds_and_blocks_add_up_to_the_step()
    {
        using var model = TinyModel.Create(TinyModel.Network with { SampleSize = 16, BlockOutChannels = [16, 32] });
        var profile = ModelProfile.Measure(model, batch: 32, rounds: 1); // of one round the medians are the times themselves
        foreach (var pass in (PassProfile[])[profile.Training!, profile.Sampling!])
        {
            pass.Seconds.ShouldBe(pass.Profiled.ShouldHaveSingleItem(), 1e-9);
            var operators = pass.Operators.Sum(o => o.Seconds);
            operators.ShouldBeInRange(0.5 * pass.Seconds, pass.Seconds);
            pass.Kinds.Sum(k => k.Seconds).ShouldBe(operators, 1e-9);
            pass.Kinds.Sum(k => k.Bytes).ShouldBe(pass.Operators.Sum(o => o.Bytes));
            pass.Blocks.Sum(b => b.ForwardSeconds + b.BackwardSeconds).ShouldBe(operators, 1e-9);
            pass.Blocks.Sum(b => b.Operations).ShouldBe(pass.Operations);
            pass.Blocks.Sum(b => b.Bytes).ShouldBe(pass.Operators.Sum(o => o.Bytes));
            pass.Blocks.Max(b => b.Peak).ShouldBeInRange(pass.Peak / 2, pass.Peak);
            pass.Blocks.Select(b => b.Name).Order(StringComparer.Ordinal) // the last norm is one operator with conv_out
                .ShouldBe(["", "conv_in", "conv_out", "down_blocks.0", "down_blocks.1", "mid_block", "time_embedding", "up_blocks.0", "up_blocks.1"]);
        }

        profile.Sampling!.Operators.ShouldAllBe(o => !o.Backward);
        foreach (var block in profile.Training!.Blocks)
        {
            block.BackwardSeconds.ShouldBeGreaterThan(0, block.Name);
            // Each block's backward pass is its own: twice the forward pass', but for the gradients that nobody wants.
            var once = profile.Sampling.Blocks.Single(b => b.Name == block.Name).Operations;
            block.Operations.ShouldBe(block.Name switch { "conv_in" => 2 * once, "time_embedding" => (3 * once) - (32 * NetworkCost.Linear(16, 64)), _ => 3 * once });
        }

        var weights = model.Network.ParameterCount * sizeof(float);
        profile.Training.Peak.ShouldBeGreaterThan(weights); // the gradients at least
        profile.Training.Blocks.Single(b => b.Name == "up_blocks.1").Held.ShouldBeGreaterThan(profile.Sampling.Blocks.Single(b => b.Name == "up_blocks.1").Held);
    }

    [Fact]
    public void Times_are_medians_over_the_rounds()
    {
        using var model = TinyModel.Create();
        var pass = ModelProfile.Measure(model, batch: 2, rounds: 5, training: false).Sampling!;
        (pass.Profiled.Count, pass.Plain.Count).ShouldBe((5, 5));
        pass.Seconds.ShouldBeInRange(double.Epsilon, pass.Profiled.Sum() / 3); // three of five values are at least their median
        pass.Operations.ShouldBe(2 * NetworkCost.Of(TinyModel.Network, 8, 8).Operations); // of one round
    }

    [Fact]
    public void Networks_of_points_and_ecgs_have_their_own_blocks()
    {
        using (var points = DiffusionModel.Create(new PointDenoiserOptions { Dimensions = 2, HiddenChannels = 8, Blocks = 2, TimeEmbeddingChannels = 8, NumClassEmbeds = 3 }, new ScheduleOptions(), 1))
        {
            var training = ModelProfile.Measure(points, 4, rounds: 1, sampling: false).Training!;
            training.Blocks.Select(b => b.Name).ShouldBe(["time_embedding", "class_embedding", "proj_in", "blocks.0", "blocks.1", "proj_out", ""]);
            training.Operations.ShouldBeGreaterThan(0);
        }

        using var ecgs = DiffusionModel.Create(
            new SssdDenoiserOptions
            {
                InChannels = 2, ResChannels = 8, SkipChannels = 8, NumResLayers = 2, DiffusionStepEmbedDimIn = 8, DiffusionStepEmbedDimMid = 8, DiffusionStepEmbedDimOut = 8,
                S4Lmax = 24, S4DState = 4, LabelEmbedClasses = 3, LabelEmbedDim = 8, SampleLength = 24,
            },
            new ScheduleOptions(), 1);
        var sampling = ModelProfile.Measure(ecgs, 4, rounds: 1, training: false).Sampling!;
        sampling.Blocks.Select(b => b.Name).ShouldContain("residual_layer.residual_blocks.1");
        sampling.Kinds.ShouldContain(k => k.Kind == OperatorKind.FourierTransform && k.Seconds > 0);
    }

    [Fact]
    public void What_a_profile_cannot_draw_is_refused()
    {
        using var model = TinyModel.Create(TinyModel.Network with { ClassEmbedType = "identity" });
        Should.Throw<InputException>(() => ModelProfile.Measure(model, 2, rounds: 1)).Message.ShouldContain("cannot draw");
        Should.Throw<ArgumentOutOfRangeException>(() => ModelProfile.Measure(model, 0, rounds: 1));
        Should.Throw<ArgumentOutOfRangeException>(() => ModelProfile.Measure(model, 2, rounds: 0));
    }

    [Theory]
    [InlineData("aten::add_", OperatorKind.Elementwise)]
    [InlineData("aten::_softmax_backward_data", OperatorKind.NormalisationAndActivation)]
    [InlineData("aten::_fft_r2c", OperatorKind.FourierTransform)]
    [InlineData("aten::copy_", OperatorKind.Copy)]
    [InlineData("aten::as_strided", OperatorKind.Other)]
    [InlineData("torch::autograd::CppNode<graft::(anonymous namespace)::NormSiluConv3x3>", OperatorKind.NormalisationAndActivation)]
    [InlineData("torch::autograd::CppNode<graft::(anonymous namespace)::Conv3x3>", OperatorKind.Convolution)]
    [InlineData("ConvolutionBackward0", OperatorKind.Other)]
    public void Operators_are_sorted_by_what_they_are_for(string name, OperatorKind kind) => OperatorKinds.Of(OperatorKinds.Readable(name)).ShouldBe(kind);
}
