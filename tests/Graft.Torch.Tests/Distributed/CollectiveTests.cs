using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Graft.Torch.Native;

namespace Graft.Torch.Tests.Distributed;

/// <summary>A test of the optional native library.</summary>
internal sealed class DistributedFactAttribute : FactAttribute
{
    public DistributedFactAttribute()
    {
        if (!File.Exists(Path.Combine(AppContext.BaseDirectory, "libgraft_distributed.so")))
            Skip = "needs libgraft_distributed.so, which is built where libgloo-dev is installed";
    }
}

public class CollectiveTests
{
    /// <summary>Two ranks on two threads, below the class that knows only one thread. Whole processes are in the command line's tests.</summary>
    [DistributedFact]
    public unsafe void Two_ranks_sum_share_and_gather_and_notice_when_one_is_gone()
    {
        var tensors = TorchRuntime.Run(() => (Tensor[])[.. Enumerable.Range(0, 6).Select(i => Tensor.From([i, 10.0 * i], [2]).Keep())]);
        var handles = TorchRuntime.Run(() => Array.ConvertAll(tensors, t => t.Handle));
        var (port, groups, codes) = (FreePort(), new nint[2], new int[2]);
        OnBoth(rank => groups[rank] = NativeDistributed.graft_group_create("gloo", "127.0.0.1", port, rank == 0 ? 1 : 0, "test", rank, 2, 20_000));
        groups.ShouldAllBe(g => g != 0);

        OnBoth(rank => codes[rank] = NativeDistributed.graft_work_wait(NativeDistributed.graft_group_all_reduce(groups[rank], handles[rank])));
        codes.ShouldBe([0, 0]);
        Values(0).ShouldBe([1, 10]);
        Values(1).ShouldBe([1, 10]);
        var version = TorchRuntime.Run(() => tensors[2].Version);
        OnBoth(rank => codes[rank] = NativeDistributed.graft_group_broadcast(groups[rank], handles[2 + rank], 1));
        codes.ShouldBe([0, 0]);
        Values(2).ShouldBe([3, 30]);
        TorchRuntime.Run(() => tensors[2].Version).ShouldBeGreaterThan(version); // so that nobody takes what was kept of the old values
        OnBoth(rank => codes[rank] = NativeDistributed.graft_group_barrier(groups[rank]));
        codes.ShouldBe([0, 0]);
        OnBoth(rank =>
        {
            nint* results = stackalloc nint[2] { handles[rank == 0 ? 0 : 1], handles[rank == 0 ? 3 : 2] };
            codes[rank] = NativeDistributed.graft_group_all_gather(groups[rank], handles[4 + rank], results, 2);
        });
        codes.ShouldBe([0, 0]);
        foreach (var (index, due) in ((int, double[])[])[(0, [4, 40]), (3, [5, 50]), (1, [4, 40]), (2, [5, 50])])
            Values(index).ShouldBe(due);

        NativeDistributed.graft_group_destroy(groups[1]);
        NativeDistributed.graft_work_wait(NativeDistributed.graft_group_all_reduce(groups[0], handles[0])).ShouldBe(NativeDistributed.Lost);
        Marshal.PtrToStringUTF8((nint)NativeDistributed.graft_distributed_last_error())!.ShouldContain("127.0.0.1");
        TorchRuntime.Run(() => Array.ForEach(tensors, t => t.Dispose()));

        double[] Values(int index) => TorchRuntime.Run(() => tensors[index].ToArray<double>());
    }

    /// <summary>A group of one sums nothing, and shows that buckets take gradients apart and put them together again.</summary>
    [DistributedFact]
    public void A_reducer_gives_every_parameter_its_gradient_whatever_the_buckets()
    {
        using var group = new ProcessGroup(new ProcessPlace { Rank = 0, Size = 1, Host = "127.0.0.1", Port = FreePort(), Timeout = TimeSpan.FromSeconds(20) });
        foreach (var (first, others) in ((long, long)[])[(1, 1), (8, 20), (1 << 20, 1 << 20)])
        {
            TorchRuntime.Run(() =>
            {
                using var scope = new TensorScope();
                Tensor[] parameters = [Tensor.From([1f, 2, 3], 3), Tensor.From([4.0, 5], 2), Tensor.From([6f, 7, 8, 9], 2, 2), Tensor.From([1f], 1), Tensor.From([2f], 1)];
                foreach (var parameter in parameters)
                    parameter.RequiresGrad = true;
                using var reducer = new GradientReducer(group, parameters, first, others);
                for (var step = 0; step < 3; step++)
                {
                    // Of two parts only the second makes gradients final; the fourth parameter is reached by the first part alone, the last by none.
                    Autograd.Backward(Loss(2) + parameters[3].Sum());
                    reducer.Begin();
                    Autograd.Backward(Loss(1));
                    reducer.Finish();
                    parameters[0].Grad!.ToArray<float>().ShouldBe([6, 12, 18]);
                    parameters[1].Grad!.ToArray<double>().ShouldBe([3, 3]);
                    parameters[2].Grad!.Shape.ToArray().ShouldBe([2, 2]);
                    parameters[2].Grad!.ToArray<float>().ShouldBe([108, 126, 144, 162]);
                    parameters[3].Grad!.ToArray<float>().ShouldBe([1]);
                    parameters[4].Grad!.ToArray<float>().ShouldBe([0]);
                    foreach (var parameter in parameters)
                        parameter.Grad = null;
                }

                Tensor Loss(double scale) => (parameters[0].Square().Sum() + parameters[1].Sum().To(DType.Float32) + (parameters[2].Square().Sum() * 3.0)) * scale;
            });
        }
    }

    private static void OnBoth(Action<int> work)
    {
        var second = new Thread(() => work(1));
        second.Start();
        work(0);
        second.Join();
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
