using System.Diagnostics;
using Graft.Torch;

namespace Graft.Tests;

/// <summary>What libtorch's observers report: operations against counts by hand, regions, and that nothing stays behind.</summary>
public class OperatorProfileTests
{
    private static readonly Operator TransposedConvolution = new("aten::conv_transpose2d", "input");

    [Fact]
    public void Convolutions_and_products_count_two_for_each_multiply_add() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        // Outputs x products of each.
        Operations(() => Functional.Conv2d(Tensor.Ones([2, 3, 9, 7]), Tensor.Ones([4, 3, 3, 3]), null, stride: 2, padding: 1)).ShouldBe(2.0 * (2 * 4 * 5 * 4) * 27);
        Operations(() => Functional.Conv2d(Tensor.Ones([2, 6, 5, 5]), Tensor.Ones([9, 2, 3, 3]), Tensor.Ones([9]), padding: 1, groups: 3)).ShouldBe(2.0 * (2 * 9 * 25) * 18);
        Operations(() => Functional.Conv2d(Tensor.Ones([1, 2, 8, 8]), Tensor.Ones([3, 2, 3, 3]), null, dilation: 2)).ShouldBe(2.0 * (3 * 4 * 4) * 18);
        Operations(() => Functional.Conv1d(Tensor.Ones([2, 3, 10]), Tensor.Ones([5, 3, 3]), null, padding: 1)).ShouldBe(2.0 * (2 * 5 * 10) * 9);
        Operations(() => TransposedConvolution.Call(Tensor.Ones([1, 2, 4, 4]), Tensor.Ones([2, 3, 3, 3]))).ShouldBe(2.0 * 32 * 27);
        Operations(() => Functional.Conv3x3(Tensor.Ones([2, 16, 6, 6]), Tensor.Ones([32, 16, 3, 3]), null)).ShouldBe(2.0 * (2 * 32 * 36) * 144);
        Operations(() => Functional.Linear(Tensor.Ones([5, 7]), Tensor.Ones([11, 7]), Tensor.Ones([11]))).ShouldBe(2.0 * 55 * 7);
        Operations(() => Functional.Linear(Tensor.Ones([2, 5, 7]), Tensor.Ones([11, 7]), null)).ShouldBe(2.0 * 110 * 7);
        Operations(() => Functional.BatchMatMul(Tensor.Ones([3, 4, 5]), Tensor.Ones([3, 5, 6]))).ShouldBe(2.0 * (3 * 4 * 6) * 5);
        Operations(() => Tensor.Ones([100]) + 1.0).ShouldBe(0);
    });

    [Theory]
    [InlineData(3, 4)]
    [InlineData(16, 16)] // where the processor has them, by blocked convolutions
    public void A_backward_pass_counts_each_gradient_that_is_wanted(long inputs, long outputs) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var (x, weight) = (Tensor.Ones([2, inputs, 6, 6]), Tensor.Ones([outputs, inputs, 3, 3]));
        var forward = 2.0 * (2 * outputs * 36) * inputs * 9;
        weight.RequiresGrad = true;
        Operations(() => Backward(x, weight)).ShouldBe(2 * forward);
        x.RequiresGrad = true;
        Operations(() => Backward(x, weight)).ShouldBe(3 * forward);

        static Tensor Backward(Tensor x, Tensor weight)
        {
            var y = Functional.Conv3x3(x, weight, null).Sum();
            Autograd.Backward(y);
            return y;
        }
    });

    [Fact]
    public void Regions_take_their_operators_and_the_backward_functions_of_these() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var network = new Two();
        network.RequireGrad(true);
        var x = Tensor.Ones([3, 4]);
        using var profile = new OperatorProfile(network);
        var clock = Stopwatch.StartNew();
        Autograd.Backward(network.Forward(x).Sum());
        var seconds = clock.Elapsed.TotalSeconds;
        profile.End();

        profile.Regions.Select(r => r.Label).ShouldBe(["", "first", "second"]);
        profile.Regions.Select(r => r.Parent).ShouldBe([-1, 0, 0]);
        double Of(string label, bool backward) => profile.Operators.Where(o => profile.Regions[o.Region].Label == label && o.Backward == backward).Sum(o => o.Operations);
        Of("first", backward: false).ShouldBe(2 * 3 * 4 * 5);
        Of("first", backward: true).ShouldBe(2 * 3 * 4 * 5); // the weight's: x wants none
        Of("second", backward: false).ShouldBe(2 * 3 * 5 * 6);
        Of("second", backward: true).ShouldBe(2 * 2 * 3 * 5 * 6);
        Of("", backward: false).ShouldBe(0);
        Of("", backward: true).ShouldBe(0);
        profile.Operators.ShouldContain(o => o.Name == "aten::silu" && o.Region == 0 && o.Calls == 1);
        profile.Operators.ShouldContain(o => o.Name == "aten::silu_backward" && o.Region == 0 && o.Backward);
        profile.Operators.Where(o => o.Name.EndsWith("AccumulateGrad", StringComparison.Ordinal)).Select(o => (profile.Regions[o.Region].Label, o.Calls)).Order()
            .ShouldBe([("first", 2), ("second", 2)]);
        profile.Operators.ShouldAllBe(o => o.Seconds >= 0);
        profile.Operators.Sum(o => o.Seconds).ShouldBeInRange(0, seconds);
        profile.Regions[1].Held.ShouldBe(3 * 5 * sizeof(float));
        profile.Peak.ShouldBeGreaterThanOrEqualTo(profile.Regions.Max(r => Math.Max(r.Peak, r.BackwardPeak)));
    });

    [Fact]
    public void Bytes_are_those_of_the_tensors_that_operators_make() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var x = Tensor.Ones([1000]);
        using var profile = new OperatorProfile();
        _ = Functional.Silu(x);
        _ = Functional.Silu(x);
        _ = x.Reshape(10, 100);
        profile.End();
        profile.Operators.Single(o => o.Name == "aten::silu").Bytes.ShouldBe(8000);
        profile.Operators.Sum(o => o.Bytes).ShouldBe(8000);
        profile.Peak.ShouldBe(8000);
    });

    [Fact]
    public void Nothing_observes_before_or_after() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var network = new Two();
        using (var first = new OperatorProfile(network))
        {
            Should.Throw<TorchException>(() => new OperatorProfile()).Message.ShouldContain("already");
            _ = Tensor.Ones([2]) + 1.0;
            first.End();
            _ = network.Forward(Tensor.Ones([3, 4]));
            first.Operators.ShouldNotContain(o => o.Name == "aten::linear");
            first.End(); // changes nothing
        }

        // libtorch would refuse a second one if the first's observers were still there; and its meter could not begin.
        using var other = new Two();
        using var second = new OperatorProfile(other);
        _ = network.Forward(Tensor.Ones([3, 4])); // another network's modules are no regions
        second.End();
        second.Regions.ShouldHaveSingleItem().Label.ShouldBe("");
        second.Operators.ShouldContain(o => o.Name == "aten::linear" && o.Calls == 2);
    });

    private static double Operations(Func<Tensor> work)
    {
        using var profile = new OperatorProfile();
        _ = work();
        profile.End();
        return profile.Operators.Sum(o => o.Operations);
    }

    private sealed class Two : Module
    {
        private readonly Linear _first;
        private readonly Linear _second;

        internal Two() => (_first, _second) = (Add("first", new Linear(4, 5)), Add("second", new Linear(5, 6)));

        internal Tensor Forward(Tensor x) => _second.Forward(Functional.Silu(_first.Forward(x)));
    }
}
