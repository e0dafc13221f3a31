using Graft.Torch;

namespace Graft.Tests;

public class TensorScopeTests
{
    [Fact]
    public void Tensors_die_with_their_scope() => TorchRuntime.Run(() =>
    {
        var before = TorchRuntime.LiveTensors;
        Tensor inner, outer;
        using (new TensorScope())
        {
            outer = Tensor.Ones([2]);
            using (new TensorScope())
            {
                inner = (outer * 2.0) + 1.0;
                TorchRuntime.LiveTensors.ShouldBe(before + 3);
            }

            inner.IsDisposed.ShouldBeTrue();
            outer.IsDisposed.ShouldBeFalse();
            TorchRuntime.LiveTensors.ShouldBe(before + 1);
        }

        outer.IsDisposed.ShouldBeTrue();
        TorchRuntime.LiveTensors.ShouldBe(before);
    });

    [Fact]
    public void A_tensor_can_be_handed_out_one_scope_at_a_time() => TorchRuntime.Run(() =>
    {
        Tensor x;
        using (new TensorScope())
        {
            using (new TensorScope())
            {
                using (new TensorScope())
                    x = Tensor.Ones([2]).MoveToOuter();
                x.IsDisposed.ShouldBeFalse();
                x.MoveToOuter().ShouldBeSameAs(x);
            }

            x.IsDisposed.ShouldBeFalse();
        }

        x.IsDisposed.ShouldBeTrue();

        using (new TensorScope())
            x = Tensor.Ones([2]).MoveToOuter();
        x.IsDisposed.ShouldBeFalse(); // no scope is left: it is the caller's
        x.Dispose();
    });

    [Fact]
    public void Handing_out_never_shortens_a_life() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var x = Tensor.Ones([2]);
        using (new TensorScope())
            TensorScope.Of(() => x).ShouldBeSameAs(x);
        x.IsDisposed.ShouldBeFalse();
    });

    [Fact]
    public void A_kept_tensor_belongs_to_whoever_holds_it() => TorchRuntime.Run(() =>
    {
        Tensor x;
        using (new TensorScope())
        {
            x = Tensor.Ones([2]).Keep();
            using (new TensorScope())
                x.MoveToOuter();
        }

        x.IsDisposed.ShouldBeFalse();
        x.Dispose();
        x.Dispose();
        x.IsDisposed.ShouldBeTrue();
    });

    [Fact]
    public void A_scope_of_a_function_leaves_its_result_only() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var before = TorchRuntime.LiveTensors;
        TensorScope.Of(() => (Tensor.Ones([2]) * 2.0) + 1.0).ToArray<float>().ShouldBe([3f, 3f]);
        TorchRuntime.LiveTensors.ShouldBe(before + 1);
        Should.Throw<InvalidOperationException>(() => TensorScope.Of(() =>
        {
            Tensor.Ones([2]);
            throw new InvalidOperationException("on purpose");
        })).Message.ShouldBe("on purpose");
        TorchRuntime.LiveTensors.ShouldBe(before + 1);
    });

    [Fact]
    public void Scopes_close_in_reverse_order() => TorchRuntime.Run(() =>
    {
        var outer = new TensorScope();
        var inner = new TensorScope();
        Should.Throw<InvalidOperationException>(outer.Dispose).Message.ShouldContain("reverse order");
        inner.Dispose();
        inner.Dispose(); // a second time does nothing
        outer.Dispose();
        outer.Dispose();
    });

    [Fact]
    public void What_work_leaves_open_is_closed_and_refused()
    {
        var before = TorchRuntime.Run(() => TorchRuntime.LiveTensors);
        Should.Throw<InvalidOperationException>(() => TorchRuntime.Run(() =>
        {
            _ = new TensorScope();
            _ = new TensorScope();
            Tensor.Ones([2]);
        })).Message.ShouldContain("left a TensorScope or a gradient mode open");
        Should.Throw<InvalidOperationException>(() => TorchRuntime.Run(() => _ = Autograd.NoGrad()));
        // an exception of the work's own comes first
        Should.Throw<FormatException>(() => TorchRuntime.Run(() =>
        {
            _ = new TensorScope();
            throw new FormatException();
        }));
        TorchRuntime.Run(() =>
        {
            Autograd.IsEnabled.ShouldBeTrue();
            TensorScope.Current.ShouldBeNull();
            TorchRuntime.LiveTensors.ShouldBe(before);
        });
    }
}
