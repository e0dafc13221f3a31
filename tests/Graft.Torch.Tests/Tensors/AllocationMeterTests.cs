using Graft.Torch;

namespace Graft.Tests;

public class AllocationMeterTests
{
    [Fact]
    public void Every_byte_of_a_tensor_counts_from_its_making_to_its_end() => TorchRuntime.Run(() =>
    {
        using var outer = new TensorScope();
        var older = Tensor.Ones([1000]);
        using var meter = new AllocationMeter();
        meter.Read().ShouldBe((0, 0));
        using (new TensorScope())
        {
            var doubled = older * 2.0;
            doubled.Reshape(10, 100).Count.ShouldBe(1000); // a view holds nothing
            meter.Read().Current.ShouldBe(4000);
            _ = doubled.To(DType.Float64);
            meter.Read().Current.ShouldBe(12000);
        }

        // The factor was a tensor too, for a moment.
        var (current, peak) = meter.Read(restart: true);
        current.ShouldBe(0);
        peak.ShouldBeInRange(12000, 12100);
        meter.Read().ShouldBe((0, 0));
        older.Dispose();
        meter.Read().Current.ShouldBe(0); // it was there before
    });

    [Fact]
    public void What_an_earlier_meter_saw_made_is_not_taken_off_a_later_one() => TorchRuntime.Run(() =>
    {
        using var outer = new TensorScope();
        Tensor[] Many(int edge) => [.. Enumerable.Range(0, 64).Select(_ => Tensor.Ones([edge]))];
        Tensor[] seen;
        using (new AllocationMeter())
            seen = Many(1000);
        foreach (var tensor in seen)
            tensor.Dispose();
        var older = Many(996); // the allocator rounds up: it gives the same addresses again
        using var meter = new AllocationMeter();
        foreach (var tensor in older)
            tensor.Dispose();
        meter.Read().ShouldBe((0, 0));
    });

    [Fact]
    public void A_backward_pass_counts_too() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var x = Tensor.Ones([1000]);
        x.RequiresGrad = true;
        using var mode = Autograd.WithGrad();
        using var meter = new AllocationMeter();
        Autograd.Backward((x * x).Sum());
        meter.Read().Current.ShouldBeGreaterThanOrEqualTo(8000); // the product, and the gradient
        x.Grad = null;
    });

    [Fact]
    public void There_is_one_at_a_time() => TorchRuntime.Run(() =>
    {
        using (new AllocationMeter())
            Should.Throw<TorchException>(() => new AllocationMeter()).Message.ShouldContain("already");
        using var next = new AllocationMeter();
        next.Read().Current.ShouldBe(0);
    });
}
