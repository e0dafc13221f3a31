using System.Runtime.CompilerServices;
using Graft.Torch;

namespace Graft.Tests;

public class MemoryTests
{
    [Fact]
    public void Training_keeps_tensors_and_memory_flat() => TorchRuntime.Run(() =>
    {
        using var outer = new TensorScope();
        using var net = new Net();
        net.Initialise(1);
        net.RequireGrad(true);
        net.Train();
        using var adam = new AdamW(net.Parameters(), new AdamWOptions(), average: true);
        var random = new KeyedRandom(1, "data");
        long live = 0, memory = 0;
        double first = 0, last = 0;
        for (var step = 0; step < 250; step++)
        {
            using (new TensorScope())
            {
                net.BeginBatch(1, step, [0, 1, 2, 3]);
                var x = random.Normal(0, [0, 1, 2, 3], [3, 16, 16]);
                var loss = Functional.MeanSquaredError(net.Forward(x), x);
                Autograd.Backward(loss);
                adam.Step(0.01, 0.99);
                last = loss.Item();
            }

            if (step == 0)
                first = last;
            if (step == 50) // after the allocator has warmed up
                (live, memory) = (TorchRuntime.LiveTensors, Environment.WorkingSet);
            if (step >= 50)
                TorchRuntime.LiveTensors.ShouldBe(live);
        }

        last.ShouldBeLessThan(0.7 * first);
        // One step's activations are about 0.5 MB: had they been kept, it would be 100 MB.
        (Environment.WorkingSet - memory).ShouldBeLessThan(40L << 20);
    });

    [Fact]
    public void Refused_calls_leak_nothing() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var a = Tensor.Ones([2, 3]);
        var before = TorchRuntime.LiveTensors;
        for (var i = 0; i < 100; i++)
        {
            Should.Throw<TorchException>(() => a.MatMul(a));
            Should.Throw<TorchException>(() => Tensor.Cat([a, a], 7));
            Should.Throw<TorchException>(() => Autograd.Backward(a));
            Should.Throw<InvalidOperationException>(() => a.Item());
        }

        TorchRuntime.LiveTensors.ShouldBe(before);
    });

    [Fact]
    public void A_tensor_that_is_dropped_is_counted() => TorchRuntime.Run(() =>
    {
        Collect(); // what others may have dropped
        var before = TorchRuntime.LeakedTensors;
        using (new TensorScope())
            Tensor.Ones([1]);
        Tensor.Ones([1]).Dispose();
        Collect();
        TorchRuntime.LeakedTensors.ShouldBe(before);
        Drop();
        Collect();
        TorchRuntime.LeakedTensors.ShouldBe(before + 1);
    });

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Drop() => Tensor.Ones([1]);

    private static void Collect()
    {
#pragma warning disable RS0030 // the collector's finding of a leak is what is tested
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
#pragma warning restore RS0030
    }

    private sealed class Net : Module
    {
        private readonly Conv2d _first;
        private readonly GroupNorm _norm;
        private readonly Dropout _dropout;
        private readonly Conv2d _second;

        public Net()
        {
            _first = Add("first", new Conv2d(3, 8, 3, padding: 1));
            _norm = Add("norm", new GroupNorm(2, 8));
            _dropout = Add("dropout", new Dropout(0.1));
            _second = Add("second", new Conv2d(8, 3, 3, padding: 1));
        }

        public Tensor Forward(Tensor x) => _second.Forward(_dropout.Forward(Functional.Silu(_norm.Forward(_first.Forward(x)))));
    }
}
