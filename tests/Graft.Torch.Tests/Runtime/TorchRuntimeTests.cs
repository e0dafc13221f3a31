using Graft.Torch;
using Graft.Torch.Native;

namespace Graft.Tests;

public class TorchRuntimeTests
{
    [Fact]
    public void Tensors_are_refused_on_another_thread()
    {
        const string sentence = "Tensor work runs on one thread: wrap it in TorchRuntime.Run(() => ...).";
        var x = TorchRuntime.Run(() => Tensor.Ones([2]).Keep());
        foreach (var use in (Action[])[
            () => _ = x + 1.0, () => x.ToArray<float>(), () => _ = x.RequiresGrad, () => Tensor.From([1f], 1), () => Tensor.Ones([1]),
            () => new TensorScope(), () => Autograd.NoGrad(), () => Autograd.Backward(x), x.Dispose, () => new Linear(1, 1),
            () => new KeyedRandom(0, "").Normal(0, [0], [1])])
            Should.Throw<InvalidOperationException>(use).Message.ShouldBe(sentence);
        TorchRuntime.Run(x.Dispose);
    }

    /// <summary>libtorch by itself allows TensorFloat-32 in convolutions.</summary>
    [Fact]
    public void GPUs_compute_in_float32_unless_they_are_told() =>
        IsSwitched(NativeMethods.graft_tf32_allowed, NativeMethods.graft_allow_tf32, TorchRuntime.TensorFloat32, 3);

    [Fact]
    public void CuDNN_times_nothing_unless_it_is_told() =>
        IsSwitched(NativeMethods.graft_cudnn_benchmarked, NativeMethods.graft_benchmark_cudnn, TorchRuntime.CudnnBenchmark, 1);

    /// <summary>A library that libtorch brings along may take the signal that .NET makes them of, and end the process.</summary>
    [Fact]
    public void Null_references_are_exceptions_beside_libtorch()
    {
        string? nothing = Environment.GetEnvironmentVariable("GRAFT_THIS_IS_NOT_SET");
        TorchRuntime.Run(() => NativeMethods.graft_tf32_allowed().ShouldBeInRange(0, 3));
        Should.Throw<NullReferenceException>(() => nothing!.Length);
    }

    [Fact]
    public void Exceptions_come_back_with_their_stack()
    {
        var error = Should.Throw<FormatException>(() => TorchRuntime.Run(ThrowOnPurpose));
        error.Message.ShouldBe("on purpose");
        error.StackTrace!.ShouldContain(nameof(ThrowOnPurpose));
        TorchRuntime.Run(() => 5).ShouldBe(5);
    }

    [Fact]
    public void Work_can_contain_work() =>
        TorchRuntime.Run(() => TorchRuntime.Run(() => TorchRuntime.Run(() => Environment.CurrentManagedThreadId)) == Environment.CurrentManagedThreadId)
            .ShouldBeTrue();

    [Fact]
    public void Many_threads_may_ask_at_once()
    {
        var sums = new double[8];
        var threads = Enumerable.Range(0, 8).Select(t => new Thread(() =>
        {
            for (var i = 0; i < 200; i++)
            {
                sums[t] += TorchRuntime.Run(() =>
                {
                    using var scope = new TensorScope();
                    using var mode = Autograd.NoGrad();
                    return Tensor.Full(t, [3]).Sum().Item();
                });
                if (i % 50 == 0)
                    Should.Throw<FormatException>(() => TorchRuntime.Run(ThrowOnPurpose));
            }
        })).ToArray();
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());
        sums.ShouldBe(Enumerable.Range(0, 8).Select(t => t * 600.0));
    }

    [Fact]
    public void Facts_about_libtorch()
    {
        TorchRuntime.Version.ShouldMatch(@"^\d+\.\d+");
        TorchRuntime.BuildInformation.ShouldContain("PyTorch built with");
        TorchRuntime.IsLoaded.ShouldBeTrue();
        TorchRuntime.DeviceCount(DeviceType.Cpu).ShouldBe(1);
        TorchRuntime.DeviceCount(DeviceType.Cuda).ShouldBeGreaterThanOrEqualTo(0);
        TorchRuntime.Threads.ShouldBeGreaterThan(0);
        Should.Throw<ArgumentOutOfRangeException>(() => TorchRuntime.Threads = 0);
        Device.Parse("cpu").ShouldBe(Device.Cpu);
        Should.Throw<InputException>(() => Device.Parse("gpu")).Message.ShouldContain("cpu, cuda, cuda:N or auto");
        Should.Throw<InputException>(() => Device.Parse("cuda:99")).Message.ShouldContain("is not there");
    }

    private static void ThrowOnPurpose() => throw new FormatException("on purpose");

    private static void IsSwitched(Func<int> read, Func<int, int> set, bool wanted, int on) => TorchRuntime.Run(() =>
    {
        read().ShouldBe(wanted ? on : 0);
        try
        {
            set(1).ShouldBe(0);
            read().ShouldBe(on);
        }
        finally
        {
            _ = set(wanted ? 1 : 0);
        }
    });
}
